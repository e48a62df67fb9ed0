"""The lives of workers, with real Celery workers and OpenSSH hosts: stops that hand over, and deafness."""

import os
import signal
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from dag.roster import Roster
from dag.shard import shard_of, shards
from tests.invariant import check_invariants
from tests.openssh import OpenSshHosts
from tests.stack import RunningStack, summary
from tests.wait import until

START = 5
# What docs/reliability.md promises is five seconds, on a machine that has time; a lease, after which all comes right
# anyway, is 15 s.
MOVE_SECONDS, LEASE_SECONDS = 10.0, 15.0
# How long the Start of a hurt host takes.
SLOW_SECONDS = "8"
# Loaded by Python itself (PYTHONPATH): as soon as the file exists, the channel polls no queue any more,
# as after a reconnect that went wrong.
DEAF = """
import os
from workers import transport

poll, file = transport.Channel._brpop_start, os.environ["DEAF_FILE"] + str(os.getpid())
# The process that replaces a deaf one has the same id, and hears.
is_new = not os.path.exists(file)

def _brpop_start(self, *arguments, **options):
    if not (is_new and os.path.exists(file)):
        return poll(self, *arguments, **options)

transport.Channel._brpop_start = _brpop_start
"""


@pytest.fixture(scope="module")
def deaf_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the file begins with that makes the worker with the pid at its end deaf."""
    return str(tmp_path_factory.mktemp("deaf") / "deaf-")


@pytest.fixture(scope="module")
def running(openssh: OpenSshHosts, deaf_file: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack of these tests' own, whose workers they may hurt; its workers can be made deaf."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "sitecustomize.py").write_text(DEAF)
    variables = {
        "MUSTER_SSH_KEY_FILE": str(openssh.key_path),
        "MUSTER_SSH_KNOWN_HOSTS": str(openssh.known_hosts_path),
        "PYTHONPATH": str(folder),
        "DEAF_FILE": deaf_file,
    }
    stack = RunningStack(tmp_path_factory.mktemp("life") / "data", variables=variables).start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def ids(running: RunningStack, openssh: OpenSshHosts) -> list[int]:
    """The ids of all hosts, number 1 first."""
    return running.enrol(openssh.inventory())


@pytest.fixture
def stack(running: RunningStack) -> RunningStack:
    """The stack with both workers at work, whatever the test before did to them."""
    until(lambda: len(workers(running)) == 2 and is_spread(running), 60)
    return running


def workers(stack: RunningStack) -> dict[str, int]:
    """Name in the roster to the shards that it consumes, of the workers that take work."""
    return {w.name: len(w.queues) for w in Roster(stack.store).alive() if not w.draining}


def of_both(stack: RunningStack, ids: list[int], count: int) -> list[int]:
    """So many of these hosts, as many of each worker's as there are."""
    mine = [[id for id in ids if shard_of(id, "default", 32) in w.queues] for w in Roster(stack.store).alive()]
    found = [id for pair in zip_longest(*mine) for id in pair if id]
    return found[:count]


def pid_of(name: str) -> int:
    return int(name.partition("@")[0].rpartition("-")[2])


def is_spread(stack: RunningStack, without: str = "") -> bool:
    found = workers(stack)
    return without not in found and sum(found.values()) == len(shards("default", 32)) and len(set(found.values())) == 1


def slow_down(openssh: OpenSshHosts, ids: list[int], slow: list[int]) -> None:
    for number in (ids.index(id) + 1 for id in slow):
        openssh.set_fault(number, "slow-start", SLOW_SECONDS)


def executors(stack: RunningStack, task_id: int, letter: str = "RUNNING") -> set[str]:
    return {node.executor for node in stack.store.load(task_id).nodes if node.status == letter and node.executor}


@pytest.mark.usefixtures("clean")
def test_sigterm_finishes_what_runs_and_hands_the_shards_over(
    stack: RunningStack, openssh: OpenSshHosts, ids: list[int]
) -> None:
    """Sent: SIGTERM to one of two workers while all hosts start. Counted: runs that had to be done again."""
    hosts = of_both(stack, ids, 6)
    slow_down(openssh, ids, hosts)
    task = stack.restart(hosts)
    until(lambda: len(executors(stack, task["id"])) == 2 and _starting(stack, task["id"]) == 6, 60)
    leaving = sorted(workers(stack))[0]
    os.kill(pid_of(leaving), signal.SIGTERM)
    until(lambda: is_spread(stack, without=leaving), MOVE_SECONDS)
    ended = stack.follow(task["id"])
    assert ended["status"] == "SUCCESSFUL", summary(ended)
    stored = [node for node in stack.store.load(task["id"]).nodes if node.host_id]
    assert {node.attempt for node in stored} == {1}
    assert leaving in {node.executor for node in stored if node.stage.series_id == START}
    check_invariants(stack.store)


@pytest.mark.usefixtures("clean")
def test_a_second_sigterm_gives_up_what_runs_and_another_worker_does_it_at_once(
    stack: RunningStack, openssh: OpenSshHosts, ids: list[int]
) -> None:
    """Sent: SIGTERM twice to the worker of a slow step. Counted: seconds until another has it, less than a lease."""
    slow_down(openssh, ids, ids[:1])
    task = stack.restart(ids[:1])
    until(lambda: _starting(stack, task["id"]) == 1, 60)
    [leaving] = executors(stack, task["id"])
    os.kill(pid_of(leaving), signal.SIGTERM)
    until(lambda: leaving not in workers(stack), MOVE_SECONDS)
    # The second time it need not take so long.
    openssh.clear_faults(1)
    os.kill(pid_of(leaving), signal.SIGTERM)
    until(lambda: executors(stack, task["id"]) - {leaving}, LEASE_SECONDS - 3)
    ended = stack.follow(task["id"])
    assert ended["status"] == "SUCCESSFUL", summary(ended)
    [start] = [node for node in stack.store.load(task["id"]).nodes if node.stage.series_id == START and node.host_id]
    assert start.attempt == 2
    check_invariants(stack.store)


def _starting(stack: RunningStack, task_id: int) -> int:
    found = stack.store.load(task_id).nodes
    return sum(node.status == "RUNNING" and node.stage.series_id == START for node in found)


def test_a_killed_worker_s_shards_are_with_the_other_within_five_seconds(stack: RunningStack) -> None:
    """Killed: one of two workers. Counted: seconds until the other has all shards, then until both share them again."""
    victim = sorted(workers(stack))[0]
    os.kill(pid_of(victim), signal.SIGKILL)
    until(lambda: is_spread(stack, without=victim), MOVE_SECONDS)
    until(lambda: is_spread(stack, without=victim) and len(workers(stack)) == 2, 60)


def test_after_a_restart_of_redis_all_workers_work_again_within_a_lease(stack: RunningStack, ids: list[int]) -> None:
    """Killed: Valkey. Counted: seconds from its return until each worker has begun a node of a new task."""
    hosts, names = of_both(stack, ids, 8), set(workers(stack))
    [server] = [pid for pid, arguments in stack.children().items() if "valkey-server" in arguments]
    os.kill(server, signal.SIGKILL)
    until(lambda: server not in stack.children())
    until(stack.is_ready)
    task = stack.restart(hosts)
    until(lambda: {n.executor for n in stack.store.load(task["id"]).nodes if n.executor} == names, LEASE_SECONDS)
    assert stack.follow(task["id"])["status"] == "SUCCESSFUL"
    check_invariants(stack.store)


def test_a_worker_that_hears_nothing_is_replaced(stack: RunningStack, ids: list[int], deaf_file: str) -> None:
    """Made deaf: both workers, in the way of a reconnect that went wrong. Counted: seconds until they work again."""
    hosts = of_both(stack, ids, 8)
    pids = [pid_of(name) for name in workers(stack)]
    for pid in pids:
        Path(f"{deaf_file}{pid}").touch()
    tasks = [stack.restart([host]) for host in hosts]
    until(lambda: all("replacing the process" in log for log in _logs(stack)))
    for task in tasks:
        ended = stack.follow(task["id"])
        assert ended["status"] == "SUCCESSFUL", summary(ended)
    until(lambda: set(pids) == {pid_of(name) for name in workers(stack)})
    check_invariants(stack.store)


def _logs(stack: RunningStack) -> list[str]:
    return [path.read_text() for path in sorted((stack.data / "log").glob("worker-*.log"))]
