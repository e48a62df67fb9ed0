"""Hosts whose agent profile no live worker of their zone knows are refused, with those that are known."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from config.settings import WorkerSettings
from dag.roster import Roster, Worker
from dag.store import Store
from tests.iam import Iam, error_of
from workers.profile.profile import builtin_names, profile_folder, profile_names

CREATE, IMPORT = "/compute/hosts/batchCreate", "/compute/hosts/import"
KNOWN = frozenset({"ocp_agentctl", "systemd"})
FAULT = "is no agent profile that a live worker of zone default knows; they know ocp_agentctl, systemd"


@pytest.fixture
def beat(iam: Iam) -> Callable[..., None]:
    roster = Roster(Store(iam.redis))

    def tell(name: str = "w", zone: str = "default", profiles: frozenset[str] = KNOWN) -> None:
        roster.beat(Worker(name, zone, frozenset(), profiles=profiles))

    return tell


def hosts(iam: Iam) -> int:
    found: int = iam.data("GET", "/compute/hosts")["page"]["totalElements"]
    return found


def body(**fields: str) -> dict[str, object]:
    return {"hostBasicDataList": [{"innerIpAddress": "10.9.0.1"}], **fields}


def test_an_unknown_profile_is_refused_with_those_that_are_known(iam: Iam, beat: Callable[..., None]) -> None:
    beat()
    error = error_of(iam.call("POST", CREATE, body(profile="sistemd")), 400, 10001)
    assert (error["target"], error["message"]) == ("profile", f"Illegal argument profile: {FAULT}")
    assert error["subErrors"] == [
        {"object": "HostCreation", "field": "profile", "rejectedValue": "sistemd", "message": FAULT}
    ]
    assert hosts(iam) == 1
    beat("x", profiles=frozenset({"sistemd"}))
    iam.data("POST", CREATE, body(profile="sistemd"))
    assert hosts(iam) == 2


def test_the_default_profile_is_asked_for_like_any_other(iam: Iam, beat: Callable[..., None]) -> None:
    beat(profiles=frozenset({"own"}))
    assert "they know own" in error_of(iam.call("POST", CREATE, body()), 400, 10001)["message"]


def test_where_nobody_can_say_a_host_is_taken_at_its_word(iam: Iam, beat: Callable[..., None]) -> None:
    iam.data("POST", CREATE, body(profile="mine"))
    beat("old", profiles=frozenset())
    beat("far", zone="east")
    iam.data("POST", CREATE, {**body(profile="mine"), "sshPort": 23})
    iam.data("POST", CREATE, {**body(profile="mine", zone="west"), "sshPort": 24})
    assert hosts(iam) == 4
    error_of(iam.call("POST", CREATE, {**body(profile="mine", zone="east"), "sshPort": 25}), 400, 10001)


def test_an_import_names_the_lines(iam: Iam, beat: Callable[..., None]) -> None:
    beat()
    content = "address,profile\na,systemd\nb,sistemd\nc,none\n"
    error = error_of(iam.call("POST", IMPORT, {"format": "csv", "content": content}), 400, 10001)
    assert [(sub["field"], sub["rejectedValue"], sub["message"]) for sub in error["subErrors"]] == [
        ("line 3, profile", "sistemd", FAULT),
        ("line 4, profile", "none", FAULT),
    ]
    assert hosts(iam) == 1


def test_a_worker_tells_its_own_profiles_and_the_built_in_ones(tmp_path: Path) -> None:
    assert profile_folder(WorkerSettings()) is None
    assert profile_names() == frozenset(builtin_names())
    (tmp_path / "mine.toml").touch()
    assert profile_names(profile_folder(WorkerSettings(profile_dir=str(tmp_path)))) == {*builtin_names(), "mine"}


def test_what_a_worker_of_another_release_told_is_understood(redis: Redis) -> None:
    store = Store(redis)
    store.redis.zadd(store.keys.workers, {"old": 9_999_999_999_999})
    store.redis.hset(store.keys.worker_info, "old", json.dumps({"zone": "default", "queues": [], "free": 3}))
    assert Roster(store).alive() == [Worker("old", "default", frozenset(), free=3)]
