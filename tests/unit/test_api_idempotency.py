"""`Idempotency-Key`: one task a key, whatever is called again, at once, or dies in between."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from werkzeug.test import TestResponse

from config.settings import ApiSettings
from dag.definition.batch_restart import BATCH_RESTART
from dag.error import NotDurable
from dag.registry import HostRegistry
from dag.script import Scripts
from dag.store import Store
from tests.iam import Iam, error_of

RESTART, STOP = "/compute/hosts/batchRestartAgents", "/compute/hosts/batchStopAgents"
KEYED = [
    (RESTART, {"hostIds": [1]}),
    (STOP, {"hostIds": [1]}),
    ("/compute/hosts/1/agent/restart", None),
    ("/api/v2/compute/hosts/1/agent/stop", None),
]


def post(iam: Iam, path: str = RESTART, body: Any = None, key: str = "one", **kwargs: Any) -> TestResponse:
    return iam.call("POST", path, body, headers={"Idempotency-Key": key}, **kwargs)


def task_of(answer: TestResponse) -> int:
    assert answer.status_code == 200, answer.text
    return int(json.loads(answer.data)["data"]["id"])


def tasks(iam: Iam) -> list[int]:
    store = Store(iam.redis)
    return [int(task) for task in store.redis.zrange(store.keys.index, 0, -1)]


@pytest.mark.parametrize(("path", "body"), KEYED)
def test_the_same_call_gives_the_same_task(iam: Iam, path: str, body: Any) -> None:
    first, second = post(iam, path, body), post(iam, path, body)
    assert task_of(first) == task_of(second)
    assert json.loads(first.data)["data"] == json.loads(second.data)["data"]
    assert [answer.headers.get("Idempotency-Replayed") for answer in (first, second)] == [None, "true"]
    assert tasks(iam) == [task_of(first)]


def test_without_a_key_and_with_another_one_there_is_another_task(iam: Iam) -> None:
    body = {"hostIds": [1]}
    found = [task_of(post(iam, body=body, key=key)) for key in ("one", "two")]
    found += [task_of(iam.call("POST", RESTART, body)) for _ in range(2)]
    assert len(set(found)) == 4


def test_the_key_is_the_user_s_own(iam: Iam) -> None:
    body = {"hostIds": [1]}
    assert task_of(post(iam, body=body)) != task_of(post(iam, body=body, user="operator"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (RESTART, {"hostIds": [1, 1]}),
        (RESTART, {"hostids": [1]}),
        (STOP, {"hostIds": [1]}),
        (f"/api/v2{RESTART}", None),
    ],
)
def test_another_call_with_the_key_is_refused(iam: Iam, path: str, body: Any) -> None:
    HostRegistry(iam.redis).create([])
    task = task_of(post(iam, body={"hostIds": [1]}))
    if body == {"hostIds": [1, 1]}:
        # What no schema would take is refused for that.
        assert error_of(post(iam, path, body), 400, 10001)["target"] == "hostIds"
    else:
        error = error_of(post(iam, path, body or {"hostIds": [1]}), 409, 10001)
        assert error["target"] == "Idempotency-Key"
        assert f"for task {task}" in error["message"]
    assert tasks(iam) == [task]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a b", "a,b", "ä", '"', '"a', "a\\b", "{p00}"])
def test_a_key_that_can_not_be_one_is_refused_and_nothing_made(iam: Iam, key: str) -> None:
    error = error_of(post(iam, body={"hostIds": [1]}, key=key), 400, 10001)
    assert error["target"] == "Idempotency-Key"
    assert "must have 1 to 255 letters" in error["message"]
    assert error["subErrors"][0]["field"] == "Idempotency-Key"
    assert tasks(iam) == []


def test_in_quotes_as_the_draft_writes_it_is_the_same_key(iam: Iam) -> None:
    key, body = "8e03978e-40d5-43e8-bc93-6894a57f9324", {"hostIds": [1]}
    assert task_of(post(iam, body=body, key=f'"{key}"')) == task_of(post(iam, body=body, key=key))


def test_a_call_that_is_refused_claims_nothing(iam: Iam) -> None:
    error_of(post(iam, body={"hostIds": [99]}), 404, 10002)
    error_of(post(iam, body={"hostIds": []}), 400, 10001)
    error_of(post(iam, body={"hostIds": [1]}, user="viewer"), 403, 30014)
    store = Store(iam.redis)
    assert list(store.redis.scan_iter(store.keys.claim("*"))) == []
    task_of(post(iam, body={"hostIds": [1]}))


def test_the_store_sees_digests_which_expire(redis: Redis) -> None:
    iam = Iam(redis, ApiSettings(idempotency_seconds=100))
    task_of(post(iam, body={"hostIds": [1]}, key="order-of-ann"))
    store = Store(iam.redis)
    [name] = store.redis.scan_iter(store.keys.claim("*"))
    assert len(name) == len(store.keys.claim("")) + 64
    assert 90 < store.redis.ttl(name) <= 100
    for key in store.redis.scan_iter("{p*"):
        if store.redis.type(key) == "string":
            assert "ann" not in key + store.redis.get(key)


def test_a_replay_needs_no_host_any_more(iam: Iam) -> None:
    first = post(iam, body={"hostIds": [1]})
    iam.redis.hdel(Store(iam.redis).keys.hosts, "1")
    assert task_of(post(iam, body={"hostIds": [1]})) == task_of(first)


def test_a_replay_of_a_task_that_is_forgotten_makes_no_other(iam: Iam) -> None:
    task = task_of(post(iam, body={"hostIds": [1]}))
    iam.redis.delete(Store(iam.redis).keys.task(task))
    error_of(post(iam, body={"hostIds": [1]}), 404, 20000)
    assert tasks(iam) == [task]


def test_equal_calls_at_once_make_one_task(iam: Iam) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(iam, body={"hostIds": [1]}), range(24)))
    assert len({task_of(answer) for answer in answers}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count(None) == 1
    assert len(tasks(iam)) == 1


def test_the_loser_of_a_race_gets_the_winner_s_task(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both looked for the claim before one of them had made the task."""
    winner = task_of(post(iam, body={"hostIds": [1]}))
    monkeypatch.setattr(Store, "claimed", lambda _store, _claim: None)
    assert task_of(post(iam, body={"hostIds": [1]})) == winner
    error_of(post(iam, body={"hostids": [1]}), 409, 10001)
    assert tasks(iam) == [winner]


def test_a_script_that_is_sent_twice_makes_one_task_of_its_own(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Scripts.call_with
    names: list[str] = []

    def twice(self: Scripts, then: Any, name: str, *arguments: Any) -> Any:
        names.append(name)
        call(self, then, name, *arguments)
        return call(self, then, name, *arguments)

    monkeypatch.setattr(Scripts, "call_with", twice)
    first = post(iam, body={"hostIds": [1]})
    assert names == ["create"]
    assert "Idempotency-Replayed" not in first.headers
    assert tasks(iam) == [task_of(first)]


def test_who_died_before_the_answer_is_answered_when_it_asks_again(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written and not confirmed: the caller was told so, or nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("dag.durable.Disk.confirm", lambda _disk: (_ for _ in ()).throw(NotDurable()))
        error_of(post(iam, body={"hostIds": [1]}), 503, 10010)
    [task] = tasks(iam)
    again = post(iam, body={"hostIds": [1]})
    assert (task_of(again), again.headers["Idempotency-Replayed"]) == (task, "true")
    assert tasks(iam) == [task]
    # The first call never came to give the hosts their places.
    assert Store(iam.redis).load(task).nodes[0].status == "READY"


def test_a_task_without_a_claim_has_no_key_of_it(redis: Redis) -> None:
    iam = Iam(redis)
    store = Store(redis)
    store.submit(BATCH_RESTART, [1], creator="c", executor="e", trace_id="t")
    assert list(store.redis.scan_iter(store.keys.claim("*"))) == []
    assert len(tasks(iam)) == 1
