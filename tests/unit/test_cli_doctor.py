"""`muster doctor` and `muster queues` on an installation that has a store and an API, and nobody who works."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from cli.embedded import HOST, EmbeddedServer
from cli.port import free_port
from cli.supervisor import Program, Supervisor, muster
from dag.host import Host
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.shard import shards
from dag.store import Store

PASSWORD = "open sesame"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What says where a real store and a real API with one host are."""
    path = tmp_path_factory.mktemp("doctor")
    store, port = EmbeddedServer(path / "valkey", free_port(HOST), "store-password"), free_port(HOST)
    settings = {"MUSTER_REDIS_URL": store.url, "MUSTER_API_PORT": str(port), "MUSTER_API_ADMIN_PASSWORD": PASSWORD}
    supervisor = Supervisor(path, print)
    try:
        supervisor.start(store.program())
        supervisor.wait_for("valkey", store.answers, 10)
        with Redis.from_url(store.url, decode_responses=True) as redis:
            HostRegistry(redis).create([Host(0, "10.0.0.1", name="web-1", zone="east")])
        supervisor.start(Program("api", muster("api"), settings))
        supervisor.wait_for("api", lambda: "the API listens" in supervisor.tail("api"), 20)
        yield {"MUSTER_REDIS_URL": store.url, "MUSTER_API_URL": f"http://{HOST}:{port}"}
    finally:
        supervisor.stop()


def run(cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *arguments],
        cwd=cwd,
        env={**clean, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def found(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The state of each finding by what it is about."""
    return {one["what"]: one["state"] for one in json.loads(done.stdout)}


def test_the_doctor_finds_what_is_missing(variables: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", "--json", **variables)
    states = found(done)
    assert done.returncode == 1
    assert [what for what, state in states.items() if state == "WRONG"] == ["schedulers", "workers of zone east"]
    assert [what for what, state in states.items() if state == "UNKNOWN"] == ["sign-in", "keys and profiles"]
    assert {"API", "Redis", "what Redis keeps", "clock of the API", "broker"} <= states.keys()


def test_the_doctor_says_to_people_what_to_do(variables: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", "--as-worker", **variables, MUSTER_PASSWORD="guess", MUSTER_WORKER_ZONE="east")
    assert done.returncode == 1
    assert "schedulers: Start one: `muster scheduler`.\n" in done.stdout
    assert "refuses user 'admin'" in done.stdout
    assert "Set ssh.key_file (MUSTER_SSH_KEY_FILE)" in done.stdout
    assert "guess" not in done.stdout + done.stderr
    assert "store-password" not in done.stdout + done.stderr


def test_a_doctor_who_meets_nobody_names_them(tmp_path: Path) -> None:
    redis, api = free_port(HOST), free_port(HOST)
    places = {"MUSTER_REDIS_URL": f"redis://:topsecret@{HOST}:{redis}/0", "MUSTER_API_URL": f"http://{HOST}:{api}"}
    # A password is not at fault where nobody is there to take it.
    done = run(tmp_path, "doctor", "--json", **places, MUSTER_PASSWORD="guess")
    assert (done.returncode, found(done)) == (1, {"API": "WRONG", "sign-in": "UNKNOWN", "Redis": "WRONG"})
    assert f"Redis does not answer at {HOST} port {redis}" in done.stdout
    assert "topsecret" not in done.stdout


def test_a_directory_that_is_none_of_a_stack_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", "--data", "nothing")
    assert (done.returncode, "nothing is no data directory" in done.stderr) == (2, True)
    assert not (tmp_path / "nothing").exists()


def test_queues_show_what_waits_and_for_whom(variables: dict[str, str], tmp_path: Path) -> None:
    assert run(tmp_path, "queues", "--json", "--zone", "west", **variables).stdout == "[]\n"
    names = shards("west", 32)
    store = variables["MUSTER_REDIS_URL"]
    with Redis.from_url(store, decode_responses=True) as redis, Redis.from_url(f"{store[:-1]}1") as broker:
        roster = Roster(Store(redis), alive_seconds=60)
        roster.beat(Worker("w1", "west", frozenset(names[:2])))
        redis.hset(Store(redis).keys.shards, mapping=dict.fromkeys(names, "w1"))
        broker.rpush(names[1], "one", "two")
        try:
            broker.rpush("hosts.east.03", "three")
            queues = json.loads(run(tmp_path, "queues", "--json", **variables).stdout)
            table = run(tmp_path, "queues", "--zone", "west", **variables).stdout.splitlines()
        finally:
            roster.leave("w1")
            broker.flushdb()
    # The host's zone has no worker, and never had one.
    assert queues[3] == {"name": "hosts.east.03", "waiting": 1, "assigned": "", "consumers": []}
    assert queues[33] == {"name": "hosts.west.01", "waiting": 2, "assigned": "w1", "consumers": ["w1"]}
    assert (queues[34]["consumers"], len(queues)) == ([], 64)
    assert table[3].split() == ["hosts.west.02", "0", "w1", "nobody"]
