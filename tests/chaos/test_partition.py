"""Network partitions, for less and for more than a lease.

Real OpenSSH hosts, workers, schedulers, API and Valkey, each in a network namespace; between two of them packets
vanish. What is counted stands on the hosts (journals, processes) and in the store.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dag.shard import shard_of
from dag.task import Node
from tests.chaos.journal import Entry, overlaps, turned_back, unfinished
from tests.chaos.namespace import Network
from tests.chaos.namespaced import CENTRE, NamespacedHosts, NamespacedStack, host_node
from tests.invariant import check_invariants
from tests.stack import summary
from tests.wait import until

HOSTS = range(1, 5)
WORKERS = ("worker-1", "worker-2")
LEASE = 7.0
# Two, so that each worker has one; by the hash three hosts are in one of them and one in the other.
SHARDS = 2
SETTINGS = {
    "MUSTER_ENGINE_LEASE_SECONDS": str(LEASE),
    "MUSTER_ENGINE_SHARDS_PER_ZONE": str(SHARDS),
    # As by default a connection is given up after three of them: about a lease.
    "MUSTER_SSH_KEEPALIVE_SECONDS": "2",
}
# A renewal that was on its way is sent again by TCP after 0.2, 0.6, 1.4 and 3 s.
SHORT, LONG = 2.0, LEASE + 2


def uptime() -> float:
    """Seconds since the machine started, the clock of the journals."""
    return float(Path("/proc/uptime").read_text().split()[0])


@dataclass
class Bench:
    """A running stack in its network, with the hosts enrolled: host number n has the id `ids[n]`."""

    network: Network
    hosts: NamespacedHosts
    stack: NamespacedStack
    ids: dict[int, int]

    def restart(self, *numbers: int) -> int:
        """Make the call for these hosts and return the task's id."""
        return int(self.stack.restart([self.ids[number] for number in numbers])["id"])

    def nodes(self, task: int, *actions: str) -> dict[int, Node]:
        """The nodes of a task on hosts, of these actions: by the host's number (of several the last)."""
        numbers = {host: number for number, host in self.ids.items()}
        found = [node for node in self.stack.store.load(task).nodes if node.host_id]
        return {numbers[n.host_id]: n for n in found if n.host_id and (not actions or n.stage.action in actions)}

    def worker_of(self, number: int) -> str:
        """The worker that consumes the host's shard."""
        [found] = [w for w in WORKERS if shard_of(self.ids[number], "default", SHARDS) in self.stack.queues(w)]
        return found

    def hosts_of(self, worker: str) -> list[int]:
        return [number for number in HOSTS if self.worker_of(number) == worker]

    def last_of(self, number: int) -> Entry:
        return self.hosts.journal(number)[-1]

    def is_at(self, action: str, *numbers: int) -> bool:
        """Whether the step runs on each of these hosts right now, as their journals say."""
        last = [entry for number in numbers for entry in self.hosts.journal(number)[-1:]]
        return len(last) == len(numbers) and all(entry.is_begin and entry.word == action for entry in last)

    def await_step(self, task: int, action: str) -> None:
        """Return once that step of the task runs on all its hosts."""
        numbers = self.nodes(task)
        until(lambda: self.is_at(action, *numbers), 60)

    def end_of(self, task: int) -> str:
        return str(self.stack.follow(task)["status"])

    def attempts(self, task: int) -> set[int]:
        return {node.attempt for node in self.stack.store.load(task).nodes}

    def check(self) -> None:
        """What must hold once a test is over: in the store, and on every host by its journal."""
        until(lambda: self.stack.redis.xlen(self.stack.store.keys.ready) == 0)
        check_invariants(self.stack.store)
        for number in HOSTS:
            journal = self.hosts.journal(number)
            assert [*overlaps(journal), *turned_back(journal), *unfinished(journal)] == [], number
        until(lambda: not any(self.hosts.at_work(number) for number in HOSTS))


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    found = Network([CENTRE, "scheduler-1", "scheduler-2", *WORKERS, *map(host_node, HOSTS)])
    found.start_where_allowed()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def running(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    hosts = NamespacedHosts(tmp_path_factory.mktemp("hosts"), len(HOSTS), network)
    hosts.start()
    keys = {"MUSTER_SSH_KEY_FILE": str(hosts.key_path), "MUSTER_SSH_KNOWN_HOSTS": str(hosts.known_hosts_path)}
    stack = NamespacedStack(tmp_path_factory.mktemp("partition"), network, {**SETTINGS, **keys})
    try:
        stack.start()
        yield Bench(network, hosts, stack, dict(zip(HOSTS, stack.enrol(hosts.inventory()), strict=True)))
    finally:
        stack.stop()
        hosts.stop()


@pytest.fixture
def bench(running: Bench) -> Iterator[Bench]:
    """All works at the beginning of a test, and what must always hold does at its end."""
    # While a shard moves, two may consume it.
    until(lambda: [len(running.stack.queues(worker)) for worker in WORKERS] == [1, 1], 60)
    yield running
    for number in HOSTS:
        running.hosts.clear_faults(number)
    for start in [running.hosts.control_start(number) for number in HOSTS]:
        _out, err = start.communicate(timeout=60)
        assert not err
    running.check()


def lease_ends(bench: Bench, task: int) -> dict[int, float]:
    """When the leases of the task's start steps end by the store: by the host's number, as uptime."""
    redis, keys = bench.stack.store.redis, bench.stack.store.keys
    base, ahead = int(redis.hget(keys.task(task), "base")), uptime() - time.time()
    runs = {n: f"{task}:{node.id - base}:{node.attempt}" for n, node in bench.nodes(task, "agent.start").items()}
    return {number: redis.zscore(keys.due, run) / 1000 + ahead for number, run in runs.items()}


def test_a_worker_without_redis_for_less_than_a_lease_reports_once_it_is_back(bench: Bench) -> None:
    """Cut: the worker of three hosts from Redis, while steps of it run; one ends meanwhile. Counted: attempts."""
    worker = bench.worker_of(1)
    slow = bench.hosts_of(worker)[-1]
    bench.hosts.set_fault(slow, "slow-start", "4")
    task = bench.restart(*HOSTS)
    bench.await_step(task, "agent.start")
    with bench.network.partition(worker, CENTRE):
        healed = time.monotonic() + SHORT
        # On a busy machine the partition lasts longer, but for less than a lease still.
        until(lambda: not bench.last_of(1).is_begin, SHORT + 1)
        assert bench.nodes(task, "agent.start")[1].status == "RUNNING"
        time.sleep(max(0.0, healed - time.monotonic()))
    assert bench.end_of(task) == "SUCCESSFUL", summary(bench.stack.task(task))
    assert bench.attempts(task) == {1}


def test_a_worker_without_redis_for_longer_ends_its_commands_and_comes_back(bench: Bench) -> None:
    """Cut: the worker of three hosts from Redis, until the other has begun what it held.

    Counted: ends on the hosts against the leases' ends, attempts, refused reports, s until it works again.
    """
    worker = bench.worker_of(1)
    mine = bench.hosts_of(worker)
    quick, *slow = mine
    [other] = {*WORKERS} - {worker}
    for number in slow:
        bench.hosts.set_fault(number, "slow-start", "9")
    task = bench.restart(*HOSTS)
    bench.await_step(task, "agent.start")
    with bench.network.partition(worker, CENTRE):
        first = {number: bench.last_of(number).token for number in mine}
        leases = lease_ends(bench, task)
        until(lambda: not any(bench.is_at("agent.start", number) for number in slow), LEASE + 5)
        ends = {number: bench.last_of(number) for number in mine}
        assert {number: entry.token for number, entry in ends.items()} == first
        assert {entry.word for number, entry in ends.items() if number in slow} == {"unheard"}
        assert ends[quick].word == "ok"
        for number in mine:
            assert ends[number].uptime / 100 < leases[number], number
        until(lambda: {bench.nodes(task, "agent.start")[number].attempt for number in mine} == {2}, LEASE + 10)
        until(lambda: all(bench.last_of(number).token > first[number] for number in mine))
        taken = bench.nodes(task, "agent.start")
        assert {taken[number].executor for number in mine} == {bench.stack.worker_name(other)}
        for number in slow:
            bench.hosts.clear_faults(number)
    healed = time.time()
    until(lambda: "another attempt holds the node" in bench.stack.log_of(worker))
    until(lambda: bench.stack.queues(worker))
    again = bench.restart(*HOSTS)
    assert bench.end_of(task) == "SUCCESSFUL", summary(bench.stack.task(task))
    assert {number: node.attempt for number, node in taken.items()} == {n: 2 if n in mine else 1 for n in HOSTS}
    assert bench.end_of(again) == "SUCCESSFUL", summary(bench.stack.task(again))
    all_nodes = [*bench.stack.store.load(task).nodes, *bench.stack.store.load(again).nodes]
    starts = [n.started_at / 1000 for n in all_nodes if n.executor == bench.stack.worker_name(worker) and n.started_at]
    assert min(at for at in starts if at > healed) < healed + 10


def test_a_worker_without_its_host_for_less_than_a_lease_goes_on(bench: Bench) -> None:
    """Cut: a worker from a host, while a step runs there. Counted: attempts, runs on the host."""
    bench.hosts.set_fault(1, "slow-start", "4")
    task = bench.restart(*HOSTS)
    bench.await_step(task, "agent.start")
    token = bench.last_of(1).token
    with bench.network.partition(bench.worker_of(1), host_node(1)):
        time.sleep(SHORT)
    assert bench.end_of(task) == "SUCCESSFUL", summary(bench.stack.task(task))
    assert bench.attempts(task) == {1}
    [end] = [entry for entry in bench.hosts.journal(1) if entry.token == token and not entry.is_begin]
    assert end.word == "ok"


def test_a_worker_without_its_host_for_longer_fails_the_node_and_nothing_goes_on_there(bench: Bench) -> None:
    """Cut: a worker from a host, while a step hangs there. Counted: processes on the host, statuses."""
    bench.hosts.set_fault(1, "hang-stop")
    task = bench.restart(*HOSTS)
    until(lambda: any("ocp_agentctl stop" in arguments for arguments in bench.hosts.at_work(1)), 30)
    with bench.network.partition(bench.worker_of(1), host_node(1)):
        silent = uptime()
        # The worker may have spoken last a second before, and it takes a moment to end what runs.
        until(lambda: not bench.hosts.at_work(1), LEASE + 10)
        last = bench.last_of(1)
        assert (last.is_begin, last.word) == (False, "unheard")
        assert silent + LEASE - 1.5 < last.uptime / 100 < silent + LEASE + 3
        assert bench.end_of(task) == "FAILED"
    found = bench.nodes(task, "agent.stop")
    assert {number: node.status for number, node in found.items()} == {
        number: "FAILED" if number == 1 else "SUCCESSFUL" for number in HOSTS
    }
    log = bench.stack.store.logs(task, found[1].id)
    assert f"The connection to {bench.hosts.address(1)} was lost" in log, log
    bench.hosts.clear_faults(1)
    assert bench.end_of(bench.restart(*HOSTS)) == "SUCCESSFUL"


@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_everything_waits_for_the_only_scheduler_and_then_goes_on(bench: Bench, seconds: float) -> None:
    """Cut: the only scheduler from Redis, while a step runs and another task comes. Counted: attempts, s after it."""
    under_way = bench.restart(1, 2)
    bench.await_step(under_way, "proxy.restart")
    with bench.network.partition("scheduler-1", CENTRE):
        waiting = bench.restart(3, 4)
        time.sleep(seconds)
        assert {node.status for node in bench.nodes(waiting, "agent.prepare").values()} == {"READY"}
        assert {node.status for node in bench.nodes(under_way, "agent.stop").values()} == {"READY"}
    # 5 s on a machine that has time: a call that was under way is given up, and made again.
    until(lambda: bench.nodes(waiting, "agent.prepare")[3].started_at, 10)
    until(lambda: bench.nodes(under_way, "agent.stop")[1].started_at, 10)
    for task in (under_way, waiting):
        assert bench.end_of(task) == "SUCCESSFUL", summary(bench.stack.task(task))
        assert bench.attempts(task) == {1}


@pytest.fixture
def second_scheduler(bench: Bench) -> Iterator[None]:
    keys = bench.stack.store.keys
    before = len(bench.stack.redis.xinfo_consumers(keys.ready, "schedulers"))
    bench.stack.run_muster("scheduler-2")
    until(lambda: len(bench.stack.redis.xinfo_consumers(keys.ready, "schedulers")) > before, 60)
    yield
    bench.stack.end("scheduler-2")


@pytest.mark.usefixtures("second_scheduler")
@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_the_other_scheduler_goes_on_at_once_and_the_one_that_comes_back_does_no_harm(
    bench: Bench, seconds: float
) -> None:
    """Cut: one of two schedulers from Redis, right before tasks come: some of what is ready was given to it.

    Counted: s that each node waited, attempts, runs on the hosts.
    """
    begins = {number: len(bench.hosts.journal(number)) for number in HOSTS}
    with bench.network.partition("scheduler-1", CENTRE):
        healed = time.monotonic() + seconds
        tasks = [bench.restart(number) for number in HOSTS]
        time.sleep(max(0.0, healed - time.monotonic()))
    for task in tasks:
        assert bench.end_of(task) == "SUCCESSFUL", summary(bench.stack.task(task))
        assert bench.attempts(task) == {1}
        # It took over, and did not wait until the network was back.
        assert max(waits(bench, task)) < LONG - 4
    # A begin and an end for each of the five steps, and nothing twice.
    assert {number: len(bench.hosts.journal(number)) - begins[number] for number in HOSTS} == dict.fromkeys(HOSTS, 10)


def waits(bench: Bench, task_id: int) -> list[float]:
    """How long each step of a task on one host was ready before it began, in s."""
    task = bench.stack.store.load(task_id)
    steps = [node for node in task.nodes if node.host_id]
    ready = [task.created_at, *(node.finished_at for node in steps)]
    return [(node.started_at - at) / 1000 for node, at in zip(steps, ready, strict=False) if node.started_at and at]
