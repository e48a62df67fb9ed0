"""The audit log: who changed what, from where, with which result; bounded, and without secrets."""

import json
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from api import audit
from api.audit import AuditFilter, AuditLog
from config.settings import ApiSettings
from dag.durable import Disk
from dag.error import NotDurable, StoreUnavailable
from tests.iam import PASSWORD, SECRET_KEY, Iam, call, error_of

USER: dict[str, Any] = {"name": "ann", "password": "planted-password", "roles": ["VIEWER"]}


def entries(iam: Iam, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = iam.data("GET", f"/audit?size=100{query}")["contents"]
    return found


def test_a_change_tells_who_what_whence_and_how_it_ended(iam: Iam) -> None:
    answer = iam.call("POST", "/api/v2/iam/users", USER, environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
    (entry,) = entries(iam)
    assert entry.pop("time").startswith("20")
    assert entry.pop("id").count("-") == 1
    assert entry == {
        "user": {"id": 1, "name": "admin"},
        "proof": "password",
        "address": "10.0.0.9",
        "traceId": json.loads(answer.data)["traceId"],
        "method": "POST",
        "path": "/api/v2/iam/users",
        "action": "users.create_user",
        "result": "SUCCESSFUL",
        "status": 200,
        "code": 0,
        "message": "",
        "details": {"user": "ann", "roles": ["VIEWER"]},
    }


def test_a_change_tells_what_it_made(iam: Iam) -> None:
    iam.data("POST", "/compute/hosts/batchCreate", {"hostBasicDataList": [{"innerIpAddress": "10.0.0.2"}]})
    inventory = {"format": "csv", "content": "address\n10.0.0.2\n10.0.0.3\n10.0.0.4\n"}
    iam.data("POST", "/compute/hosts/import", inventory)
    iam.data("POST", "/compute/hosts/1/agent/stop")
    assert [entry["details"] for entry in reversed(entries(iam))] == [
        {"hostIds": [2], "hostCount": 1},
        {"hostIds": [3, 4], "hostCount": 2},
        {"taskId": 1},
    ]


def test_an_import_that_only_tells_has_no_entry(iam: Iam) -> None:
    inventory = {"format": "csv", "content": "address\n10.0.0.2\n", "dryRun": True}
    iam.data("POST", "/compute/hosts/import", inventory)
    iam.refused(400, 10001, "POST", "/compute/hosts/import", {**inventory, "content": "address\n?\n"})
    assert entries(iam) == []


def test_refused_changes_count_and_reading_does_not(iam: Iam) -> None:
    iam.call("GET", "/iam/users")
    iam.call("GET", "/iam/users", user="viewer")
    iam.call("POST", "/nothing/here")
    iam.call("POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1]}, user="viewer")
    iam.call("POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1, 99]})
    iam.call("DELETE", "/iam/users/4711")
    call(iam.app, "DELETE", "/iam/users/1")
    call(iam.app, "DELETE", "/iam/users/1", auth=("viewer", "guess"))
    call(iam.app, "DELETE", "/iam/users/1", auth=("planted-name", "guess"))
    # Between strangers and users the order of one millisecond is open.
    found = sorted(entries(iam), key=lambda entry: bool(entry["user"]["name"]))
    assert [(e["action"], e["user"]["name"], e["result"], e["status"], e["code"]) for e in found] == [
        ("users.delete_user", "", "REFUSED", 401, 30000),
        ("users.delete_user", "", "REFUSED", 401, 30000),
        ("users.delete_user", "", "REFUSED", 401, 30000),
        ("users.delete_user", "admin", "REFUSED", 404, 10002),
        ("agents.batch_restart_agents", "admin", "REFUSED", 404, 10002),
        ("agents.batch_restart_agents", "viewer", "REFUSED", 403, 30014),
    ]
    assert [e["details"].get("claimed") for e in found[:3]] == [None, "viewer", None]
    assert found[4]["details"] == {"hostIds": [1, 99], "hostCount": 2}
    assert "planted" not in json.dumps(found)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["c", "b", "a"]),
        ("&user=admin", ["c", "a"]),
        ("&result=REFUSED", ["b"]),
        ("&result=REFUSED,SUCCESSFUL", ["c", "b", "a"]),
        ("&action=tokens.create_token&user=viewer", ["b"]),
        ("&since=2001-01-01T00:00:00Z", ["c", "b", "a"]),
        ("&since=1969-01-01T00:00:00Z", ["c", "b", "a"]),
        ("&until=1969-01-01T00:00:00Z", []),
        ("&until=2001-01-01T00:00:00%2B08:00", []),
        ("&user=nobody", []),
    ],
)
def test_filters(iam: Iam, query: str, expected: list[str]) -> None:
    iam.call("POST", "/iam/tokens", {"name": "a"})
    iam.call("POST", "/iam/tokens", {"name": "b", "permissions": ["TASK_MANAGER"]}, user="viewer")
    iam.call("POST", "/iam/tokens", {"name": "c"})
    found = iam.data("GET", f"/audit?size=100{query}")
    assert [entry["details"]["name"] for entry in found["contents"]] == expected
    assert found["page"]["totalElements"] == len(expected)


def test_a_trace_id_finds_its_entry(iam: Iam) -> None:
    trace = [json.loads(iam.call("POST", "/iam/tokens", {"name": n}).data)["traceId"] for n in "ab"]
    assert [entry["details"]["name"] for entry in entries(iam, f"&traceId={trace[0]}")] == ["a"]


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("page=0", "page"),
        ("size=2001", "size"),
        ("result=GOOD", "result"),
        ("since=yesterday", "since"),
        ("since=2021-09-03T14:20:26", "since"),
        ("since=2022-01-01T00:00:00Z&until=2021-01-01T00:00:00Z", "until"),
        ("traceId=x", "traceId"),
        ("colour=red", "colour"),
    ],
)
def test_a_bad_query_is_refused_by_field(iam: Iam, query: str, target: str) -> None:
    assert iam.refused(400, 10001, "GET", f"/audit?{query}")["target"] == target


def test_pages_follow_each_other(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "READ_AT_ONCE", 3)
    log = AuditLog(redis, 1000)
    for n in range(20):
        log.write({"n": n, "user": "x", "action": "", "traceId": "", "result": "SUCCESSFUL"}, of_stranger=n % 3 == 0)
    for wanted in (AuditFilter(), AuditFilter(user="x")):
        pages = [log.page(wanted, page=page, size=7) for page in range(1, 5)]
        found = [entry for entries, _ in pages for entry in entries]
        assert sorted(entry["n"] for entry in found) == list(range(20))
        # Both streams may have entries of one millisecond.
        assert [entry["order"][0] for entry in found] == sorted((entry["order"][0] for entry in found), reverse=True)
        assert len({entry["id"] for entry in found}) == 20
        assert {total for _, total in pages} == {20}


def test_the_log_is_bounded_and_strangers_push_nobody_out(redis: Redis) -> None:
    log = AuditLog(redis, 1000)
    log.write({"n": "known"}, of_stranger=False)
    for n in range(1000):
        log.write({"n": n}, of_stranger=True)
    found, total = log.page(AuditFilter(), page=1, size=2000)
    # A stream is cut where a node of it (100 entries) is full.
    assert total <= 301
    assert found[-1]["n"] == "known"
    for n in range(2000):
        log.write({"n": n}, of_stranger=False)
    assert redis.xlen(audit.KEY) <= 1100


def test_a_flood_that_the_rate_stops_is_not_kept(redis: Redis) -> None:
    iam = Iam(redis, ApiSettings(secret_key=SECRET_KEY, rate_per_second=0.01, rate_burst=2))
    statuses = [iam.call("DELETE", "/iam/tokens/x", user="viewer").status_code for _ in range(10)]
    assert statuses == [404] * 2 + [429] * 8
    assert redis.xlen(audit.KEY) == 2


def test_an_entry_that_can_not_be_kept_goes_to_the_log(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(AuditLog, "write", away)
        answer = iam.call("POST", "/iam/users", USER)
    assert answer.status_code == 200
    (line,) = [line for line in lines if line["event"] == "audit entry not kept"]
    assert (line["user"], line["action"], line["traceId"]) == (
        "admin",
        "users.create_user",
        json.loads(answer.data)["traceId"],
    )
    assert USER["password"] not in str(lines)
    assert [entry["result"] for entry in entries(iam)] == ["UNFINISHED"]


def test_without_an_entry_there_is_no_change(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise RedisAway("no route")

    with monkeypatch.context() as patch:
        patch.setattr(iam.redis, "evalsha", away)
        error_of(iam.call("POST", "/iam/users", USER), 503, 10010)
    assert iam.users.find(USER["name"]) is None


def test_the_entry_of_a_process_that_died_tells_that_something_was_begun(
    iam: Iam, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> Any:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "write", die)
        with pytest.raises(Death):
            iam.call("POST", "/api/v2/iam/users", USER)
    assert iam.users.find(USER["name"]) is not None
    (entry,) = entries(iam, "&result=UNFINISHED")
    shown = {name: entry[name] for name in ("user", "proof", "path", "action", "status", "details")}
    assert shown == {
        "user": {"id": 1, "name": "admin"},
        "proof": "password",
        "path": "/api/v2/iam/users",
        "action": "users.create_user",
        "status": 0,
        "details": {},
    }
    iam.call("POST", "/iam/tokens", {"name": "a"})
    assert [entry["result"] for entry in entries(iam)] == ["SUCCESSFUL", "UNFINISHED"]


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/iam/users", USER),
    ("PATCH", "/iam/users/2", {"enabled": False}),
    ("DELETE", "/iam/users/2", None),
    ("POST", "/iam/me/password", {"currentPassword": PASSWORD, "password": "planted-third"}),
    ("POST", "/iam/tokens", {"name": "a"}),
    ("POST", "/iam/accessKeys", {"name": "a"}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_what_is_acknowledged_is_on_the_disk(
    iam: Iam, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    confirmed: list[Disk] = []
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "confirm", lambda disk: confirmed.append(disk))
        made = iam.data(method, path, body)
        assert len(confirmed) >= 1
        if path in ("/iam/tokens", "/iam/accessKeys"):
            confirmed.clear()
            iam.data("DELETE", f"{path}/{made['id']}")
            assert len(confirmed) == 1


def test_a_change_that_is_not_on_the_disk_in_time_is_told_to_stand(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(disk: Disk) -> None:
        raise NotDurable

    monkeypatch.setattr(Disk, "confirm", late)
    error = error_of(iam.call("POST", "/iam/users", USER), 503, 10010)
    assert error["message"].startswith("The change was made, but Redis could not put it on its disk in time")
    assert iam.users.find(USER["name"]) is not None


def test_a_password_is_in_no_entry(iam: Iam) -> None:
    made = iam.data("POST", "/iam/users", USER)
    iam.data("PATCH", f"/iam/users/{made['id']}", {"password": "planted-second"})
    iam.call("POST", "/iam/me/password", {"currentPassword": PASSWORD, "password": "planted-third"}, user="viewer")
    text = json.dumps(entries(iam))
    assert "passwordChanged" in text
    assert "planted" not in text
    assert PASSWORD not in text
