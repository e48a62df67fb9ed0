"""What `muster doctor` makes of what it sees, question by question."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paramiko import Ed25519Key
from redis import Redis

from cli.check.clock import check_clock
from cli.check.finding import Finding, State
from cli.check.machine import check_machine, check_reached
from cli.check.store import judge, judge_fsync
from cli.check.worker import check_profiles, check_schedulers, check_shards, check_workers
from cli.doctor import report
from cli.table import print_table, some
from config.settings import Settings, SshSettings, WorkerSettings
from dag.dispatch import ReadyStream
from dag.host import Host, HostStatus
from dag.roster import Roster, Worker
from dag.store import Store
from deploy.fleet.fleet import load_or_create_key

GOOD = {
    "role": "master",
    "redis_version": "7.2.4",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "maxmemory": 0,
    "used_memory": 1000,
    "maxmemory_policy": "noeviction",
}


def states(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.what, one.state) for one in findings]


def the_wrong(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.state is State.WRONG]


def everybody(names: Sequence[str]) -> Collection[str]:
    return names


@pytest.mark.parametrize(
    ("skew_ms", "state", "text"),
    [
        (0, State.OK, "0.0 s behind"),
        (-1900, State.OK, "1.9 s behind"),
        (2000, State.ODD, "2.0 s ahead of"),
        (-400_000, State.WRONG, "400.0 s behind"),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(skew_ms: int, state: State, text: str) -> None:
    found = check_clock("w", skew_ms)
    assert (found.state, found.text, bool(found.remedy)) == (state, f"{text} Redis's", state is not State.OK)


@pytest.mark.parametrize(
    ("change", "state", "text"),
    [
        ({}, State.OK, "an append-only file"),
        ({"role": "slave"}, State.WRONG, "replica"),
        ({"aof_last_write_status": "err"}, State.WRONG, "can't write its append-only file"),
        ({"aof_enabled": 0}, State.ODD, "no append-only file"),
        ({"redis_version": "6.2.14"}, State.ODD, "version 6.2.14 can't confirm"),
        ({"maxmemory": 2000, "maxmemory_policy": "allkeys-lru"}, State.WRONG, "allkeys-lru throws"),
        ({"maxmemory": 1050}, State.ODD, "95% of its memory"),
        ({"maxmemory": 0, "maxmemory_policy": "allkeys-lru"}, State.OK, "an append-only file"),
    ],
)
def test_a_server_is_judged_by_what_it_says_of_itself(change: dict[str, Any], state: State, text: str) -> None:
    [found] = judge({**GOOD, **change})
    assert (found.state, text in found.text) == (state, True)


@pytest.mark.parametrize(
    ("policy", "server", "state", "text"),
    [
        ("always", {"redis_version": "8.0.0"}, State.OK, "nothing is lost"),
        ("everysec", {"redis_version": "7.2.4", "valkey_version": "9.1.0"}, State.OK, "the last second of changes may"),
        ("everysec", {"redis_version": "7.4.0"}, State.OK, "the last second of changes may"),
        ("everysec", {"redis_version": "8.2.1"}, State.ODD, "each change waits up to a second"),
        ("no", {"redis_version": "8.2.1"}, State.ODD, "what was acknowledged may be lost (appendfsync no)"),
    ],
)
def test_it_says_what_a_power_failure_takes(policy: str, server: dict[str, str], state: State, text: str) -> None:
    found = judge_fsync(policy, server)
    assert (found.state, text in found.text, bool(found.remedy)) == (state, True, state is not State.OK)


def test_no_scheduler_is_found_and_one_that_reads(redis: Redis) -> None:
    store = Store(redis)
    assert check_schedulers(store).state is State.WRONG
    redis.xadd(store.keys.ready, {"kind": "nodes"})
    assert check_schedulers(store).state is State.WRONG
    ready = ReadyStream(store, "scheduler-1")
    ready.open()
    assert "none lives" in check_schedulers(store).text
    ready.read(count=1, block_ms=1)
    found = check_schedulers(store)
    assert (found.state, found.text) == (State.OK, "scheduler-1")


def test_a_zone_without_a_worker_and_a_worker_that_hears_nothing_are_wrong() -> None:
    workers = [Worker("a", "default", frozenset(), free=3), Worker("b", "default", frozenset(), free=4)]
    found = list(check_workers(workers, {"default": 5, "east": 2}, lambda names: names[:1]))
    assert [(one.what, one.text) for one in the_wrong(found)] == [
        ("workers of zone east", "none lives, for 2 hosts"),
        ("hearing", "no answer through the broker from b"),
    ]
    assert "MUSTER_WORKER_ZONE=east muster worker" in the_wrong(found)[0].remedy
    assert ("workers of zone default", "2 for 5 hosts, 7 threads free") in [(one.what, one.text) for one in found]


def test_without_hosts_and_workers_a_worker_is_asked_for() -> None:
    [found] = check_workers([], {}, everybody)
    assert (found.state, "muster worker" in found.remedy) == (State.WRONG, True)


def test_a_worker_tells_how_far_its_clock_is_off(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    roster, another = Roster(Store(redis)), Roster(Store(redis))
    roster.beat(Worker("right", "default", frozenset()))
    now = time.time_ns()
    monkeypatch.setattr("dag.roster.time.time_ns", lambda: now - 700_000_000_000)
    another.beat(Worker("late", "default", frozenset()))
    right, late = ([worker] for worker in sorted(roster.alive(), key=lambda worker: -worker.skew_ms))
    assert the_wrong(check_workers(right, {}, everybody)) == []
    assert [one.what for one in the_wrong(check_workers([*right, *late], {}, everybody))] == ["clock of late"]


@pytest.mark.parametrize(
    ("queues", "state", "text"),
    [
        ([(0, 1), (2, 3)], State.OK, "each of 4 has one worker"),
        ([(0,), (2, 3)], State.WRONG, "nobody consumes hosts.default.01"),
        ([(0, 1, 2), (2, 3)], State.WRONG, "two workers consume hosts.default.02"),
    ],
)
def test_each_shard_has_one_worker(queues: list[tuple[int, ...]], state: State, text: str) -> None:
    names = [frozenset(f"hosts.default.{number:02d}" for number in numbers) for numbers in queues]
    [found] = check_shards([Worker(f"w{at}", "default", mine) for at, mine in enumerate(names)], 4)
    assert (found.state, found.text) == (state, text)


def test_a_profile_that_no_worker_of_the_zone_knows_is_named_with_its_host() -> None:
    workers = [Worker("a", "default", frozenset(), profiles=frozenset({"systemd"})), Worker("b", "old", frozenset())]
    hosts = [Host(1, "10.0.0.1", profile="systemd"), Host(2, "10.0.0.2", zone="old"), Host(3, "10.0.0.3", zone="none")]
    assert check_profiles(workers, hosts).state is State.OK
    found = check_profiles(workers, [*hosts, Host(4, "10.0.0.4", name="web-4", profile="own")])
    assert (found.state, "web-4 (own)" in found.text) == (State.WRONG, True)


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., Settings]:
    """Makes the settings of a worker with a key, a file of host keys, and changes."""
    load_or_create_key(tmp_path / "id_ed25519")
    (tmp_path / "keys").mkdir()
    key = Ed25519Key.from_private_key_file(str(tmp_path / "id_ed25519"))
    (tmp_path / "known_hosts").write_text(f"10.0.0.1 {key.get_name()} {key.get_base64()}\n")
    ssh = SshSettings(key_file=str(tmp_path / "id_ed25519"), known_hosts=str(tmp_path / "known_hosts"))
    return lambda **change: Settings(ssh=replace(ssh, **change), worker=WorkerSettings())


KNOWN = Host(1, "10.0.0.1", name="web-1")
UNKNOWN = Host(2, "10.0.0.2", name="web-2", ssh_port=2222)


def test_a_machine_that_gets_to_all_hosts_is_fine(worker: Callable[..., Settings]) -> None:
    found = list(check_machine(worker(), [KNOWN]))
    assert states(found) == [("profiles here", "OK"), ("private key", "OK"), ("host keys", "OK")]


def test_a_host_without_a_host_key_is_named_with_the_way_to_enrol_it(worker: Callable[..., Settings]) -> None:
    settings = worker()
    [found] = the_wrong(check_machine(settings, [KNOWN, UNKNOWN]))
    assert (found.what, found.text) == ("host keys", f"{settings.ssh.known_hosts} has none of web-2")
    assert found.remedy.endswith(f"ssh-keyscan -p 2222 10.0.0.2 >> {settings.ssh.known_hosts}")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"key_file": ""}, "none is set"),
        ({"key_file": "missing"}, "ssh.key_file (missing) can't be read"),
        ({"passphrase": "x"}, "is not encrypted"),
    ],
)
def test_a_key_that_can_not_be_used_is_named(
    worker: Callable[..., Settings], change: dict[str, str], fault: str
) -> None:
    [found] = the_wrong(check_machine(worker(**change), [KNOWN]))
    assert (found.what, fault in found.text) == ("private key", True)


def test_a_credential_without_its_key_is_named(worker: Callable[..., Settings], tmp_path: Path) -> None:
    hosts = [replace(KNOWN, credential_id=7)]
    [found] = the_wrong(check_machine(worker(key_dir=str(tmp_path / "keys")), hosts))
    assert (found.what, "names credential 7" in found.text) == ("private key", True)


def test_a_file_of_host_keys_that_is_missing_is_named(worker: Callable[..., Settings]) -> None:
    [found] = the_wrong(check_machine(worker(known_hosts="nowhere"), [KNOWN]))
    assert (found.what, "nowhere" in found.text) == ("host keys", True)


def test_a_profile_that_does_not_fit_is_named_with_its_host(worker: Callable[..., Settings]) -> None:
    hosts = [KNOWN, replace(KNOWN, id=3, name="db-1", profile="none"), replace(KNOWN, id=4, variables={"x": "y"})]
    [found] = the_wrong(check_machine(worker(), hosts))
    assert found.what == "profiles here"
    assert "db-1: There is no profile none" in found.text
    assert "web-1: Profile ocp_agentctl has no variable x" in found.text


def test_hosts_that_were_not_reached_are_odd() -> None:
    [found] = check_reached([KNOWN, replace(UNKNOWN, status=HostStatus.OFFLINE)])
    assert (found.state, found.text) == (State.ODD, "1 of 2 could not be reached last: web-2")


def test_of_many_names_the_first_are_shown() -> None:
    assert [some(["a", "b", "c"]), some(["a", "b", "c", "d", "e"])] == ["a, b, c", "a, b, c and 2 more"]


def test_only_what_is_wrong_makes_the_doctor_fail(capsys: pytest.CaptureFixture[str]) -> None:
    fine, odd = Finding("a", State.OK, "fine"), Finding("b", State.ODD, "odd", "Do it.")
    assert report([fine, odd, Finding("c", State.UNKNOWN, "not seen")], as_json=False)
    assert "b: Do it." in capsys.readouterr().out
    assert not report([fine, Finding("d", State.WRONG, "broken", "Mend it.")], as_json=True)
    assert json.loads(capsys.readouterr().out)[1] == {
        "what": "d",
        "state": "WRONG",
        "text": "broken",
        "remedy": "Mend it.",
    }


def test_lines_in_a_pipe_end_with_their_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("host", "how it stands"), [("web-1", "up"), ("[red]2", "down, and nobody knows why")])
    assert capsys.readouterr().out == "host    how it stands\nweb-1   up\n[red]2  down, and nobody knows why\n"
