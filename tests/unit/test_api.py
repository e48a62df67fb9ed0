"""Restarts and tasks over the real store on fakeredis: answers, and refusals, which write nothing."""

import gzip
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from api import error
from dag import error as engine_error
from tests.small import ADMIN, CREATE, DELETE, LIMIT, VIEWER, SmallApi, refused, small_api

RESTART = "/compute/hosts/batchRestartAgents"


@pytest.fixture
def api() -> Iterator[SmallApi]:
    with small_api() as found:
        yield found


BAD_IDS = [
    ("a", "must be an integer", "a"),
    ("2", "must be an integer", "2"),
    (1.0, "must be an integer", 1.0),
    (1.5, "must be an integer", 1.5),
    (True, "must be an integer", True),
    (None, "must be an integer", None),
    ([1], "must be an integer", "[1]"),
    ({"id": 1}, "must be an integer", '{"id": 1}'),
    (-1, "must be positive", -1),
    (0, "must be positive", 0),
    (2**63, "must be at most 9223372036854775807", str(2**63)),
    (10**200, "must be at most 9223372036854775807", "1" + "0" * 99 + "..."),
    (1, "names the same host as the entry at 0", 1),
]


@pytest.mark.parametrize("field", ["hostIds", "hostids"])
@pytest.mark.parametrize(("value", "message", "shown"), BAD_IDS)
def test_a_bad_id_is_named_by_its_place(api: SmallApi, field: str, value: Any, message: str, shown: Any) -> None:
    before = api.dump()
    found = refused(api.post(RESTART, {field: [1, value, 2]}), 400, 10001)
    place = f"{field}[1]"
    assert found["subErrors"] == [{"object": "HostIds", "field": place, "rejectedValue": shown, "message": message}]
    assert found["target"] == field
    assert place in found["message"]
    assert api.dump() == before


def test_every_bad_id_is_named_and_the_list_is_capped(api: SmallApi) -> None:
    found = refused(api.post(RESTART, {"hostIds": [-1, 1, "x", 0]}), 400, 10001)
    assert [sub["field"] for sub in found["subErrors"]] == ["hostIds[0]", "hostIds[2]", "hostIds[3]"]
    extra = {f"f{n}": 1 for n in range(150)}
    found = refused(api.post(RESTART, {"hostIds": [1], **extra}), 400, 10001)
    assert len(found["subErrors"]) == 100
    assert "150 faults, the first 100" in found["message"]


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({}, "hostIds"),
        ({"hostIds": []}, "hostIds"),
        ({"hostids": []}, "hostids"),
        ({"hostIds": None}, "hostIds"),
        ({"hostIds": 1}, "hostIds"),
        ({"hostIds": "1"}, "hostIds"),
        ({"hostIds": {"0": 1}}, "hostIds"),
        ({"hostIds": list(range(1, LIMIT + 2))}, "hostIds"),
        ({"hostIds": [1], "hostids": [1]}, "hostids"),
        ({"hostIds": [1], "force": True}, "force"),
        ({"HOSTIDS": [1]}, "HOSTIDS"),
        ({"hostIds": ["\x00" * 500]}, "hostIds"),
    ],
)
def test_a_wrong_body_names_its_field(api: SmallApi, body: Any, target: str) -> None:
    before = api.dump()
    found = refused(api.post(RESTART, body), 400, 10001)
    assert target in {sub["field"].split("[")[0] for sub in found["subErrors"]}
    assert api.dump() == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hostIds=1",
        b"[1]",
        b"null",
        b"1",
        b'"x"',
        b'{"hostIds":[NaN]}',
        b'{"hostIds":[Infinity]}',
        b'{"hostIds":[1],"hostIds":[2]}',
        b'{"hostIds":[1]} x',
        b'{"hostIds":["\\ud800"]}',
        b'{"hostIds":["\xff"]}',
        b'{"hostIds":[' + b"9" * 4000 + b"9" * 80 + b"]",  # and no closing brace
        b"[" * 4000,
        '{"hostIds":[1]}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_object_is_refused(api: SmallApi, body: bytes) -> None:
    before = api.dump()
    refused(api.post(RESTART, body), 400, 10001)
    assert api.dump() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Malformed JSON request"),
        (
            b'{"hostIds":[1],"hostIds":[2]}',
            "The request body is ambiguous: a name is given twice in one object: 'hostIds'.",
        ),
        (b'{"hostIds":[' + b"9" * 4000 + b"]}", "Illegal argument hostIds[0]: must be at most 9223372036854775807"),
        (b'{"hostIds":null}', "Illegal argument hostIds: must not be null"),
        (b'{"hostIds":[1],"force":1}', "Illegal argument force: is no field of this request"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_body(api: SmallApi, body: bytes, message: str) -> None:
    assert refused(api.post(RESTART, body), 400, 10001)["message"] == message


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/compute/host", 404, "There is nothing at /compute/host."),
        ("PUT", RESTART, 405, f"PUT is not allowed at {RESTART}; allowed are OPTIONS, POST."),
        ("POST", RESTART, 413, "The body is larger than 4096 bytes."),
    ],
)
def test_what_can_t_be_served_is_said_with_what_was_asked(
    api: SmallApi, method: str, path: str, status: int, message: str
) -> None:
    answer = api.client.open(path, method=method, auth=ADMIN, json={"x": "y" * 5000})
    assert refused(answer, status, 10002 if status == 404 else 10001)["message"] == message


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_another_media_type_is_refused(api: SmallApi, kind: str | None) -> None:
    before = api.dump()
    refused(api.post(RESTART, {"hostIds": [1]}, content_type=kind), 415, 10001)
    assert api.dump() == before


def test_a_compressed_body_is_refused_by_name(api: SmallApi) -> None:
    body = gzip.compress(b'{"hostIds":[1]}')
    error = refused(api.post(RESTART, body, headers={"Content-Encoding": "gzip"}), 415, 10001)
    assert error["message"] == "The body must be sent as it is, not with Content-Encoding: gzip."


def test_a_large_body_is_refused(api: SmallApi) -> None:
    refused(api.post(RESTART, {"hostIds": [1], "x": "y" * 5000}), 413, 10001)


@pytest.mark.parametrize(("padding", "status"), [(5000, 413), (10, 200)])
def test_a_body_in_chunks_has_the_same_limit(api: SmallApi, padding: int, status: int) -> None:
    answer = api.client.post(
        RESTART,
        input_stream=BytesIO(b'{"hostIds":[1]}' + b" " * padding),
        environ_overrides={"wsgi.input_terminated": True},
        content_type="application/json",
        auth=ADMIN,
    )
    assert answer.status_code == status


def test_unknown_hosts_are_each_named(api: SmallApi) -> None:
    api.registry.delete([2])
    before = api.dump()
    found = refused(api.post(RESTART, {"hostids": [1, 2, 2**63 - 1]}), 404, 10002)
    assert [(sub["field"], sub["rejectedValue"]) for sub in found["subErrors"]] == [
        ("hostids[1]", 2),
        ("hostids[2]", 2**63 - 1),
    ]
    assert found["target"] == "hostids"
    assert api.dump() == before


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
@pytest.mark.parametrize("field", ["hostIds", "hostids"])
def test_a_submission_can_be_followed(api: SmallApi, prefix: str, field: str) -> None:
    answer = api.post(prefix + RESTART, {field: [1, 3]}).json
    assert answer is not None
    assert answer["data"]["context"]["listMap"]["host_ids"] == ["1", "3"]
    for path in ("/tasks/instances/", "/tasks/"):
        task = json.loads(api.get(f"{prefix}{path}{answer['data']['id']}").data)["data"]
        assert task["creator"] == {"id": 1, "name": "admin"}
        assert "context" not in task
        assert (task["prohibitRollback"], task["finishTime"]) == (False, None)
        assert {"executor", "createTime", "startTime", "finishTime"} <= set(task["subtasks"][0])
        assert [node["id"] for node in task["subtasks"]] == [node["id"] for node in answer["data"]["subtasks"]]
    assert api.store.load(answer["data"]["id"]).trace_id.endswith(answer["traceId"])


def test_a_busy_host_waits(api: SmallApi) -> None:
    first, second = (json.loads(api.post(RESTART, {"hostIds": [1]}).data)["data"] for _ in range(2))
    assert [n["status"] for n in first["subtasks"]] == ["READY"] + ["PENDING"] * 8
    assert [n["status"] for n in second["subtasks"]] == ["PENDING"] * 9


@pytest.mark.parametrize(
    ("method", "path", "needs"),
    [
        ("POST", RESTART, 403),
        ("POST", CREATE, 403),
        ("POST", DELETE, 403),
        ("GET", "/compute/hosts", 200),
        ("GET", "/compute/hosts/1", 200),
        ("GET", "/tasks/instances/1", 403),
        ("GET", "/tasks/1", 403),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_who_may_call(api: SmallApi, prefix: str, method: str, path: str, needs: int) -> None:
    before = api.dump()
    for auth in (None, ("admin", "wrong"), ("nobody", "x"), ("", "")):
        answer = api.client.open(prefix + path, method=method, auth=auth, json={"hostIds": [1]})
        refused(answer, 401, 30000)
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="muster", Bearer'
    answer = api.client.open(prefix + path, method=method, auth=VIEWER, json={"hostIds": [1]})
    if needs == 403:
        refused(answer, 403, 30014)
    else:
        assert answer.status_code == 200
    assert api.dump() == before


@pytest.mark.parametrize(
    "header", ["Bearer x", "Basic", "Basic !!!", "Basic \xff", "Basic /////w==", "Basic bm9jb2xvbg==", "x"]
)
def test_a_strange_authorization_is_refused(api: SmallApi, header: str) -> None:
    refused(api.client.get("/compute/hosts", headers={"Authorization": header}), 401, 30000)


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_what_is_not_there(api: SmallApi, prefix: str) -> None:
    assert refused(api.get(prefix + "/tasks/instances/99"), 404, 20000)["message"] == "Task 99 does not exist."
    refused(api.get(prefix + "/tasks/99"), 404, 20000)
    found = refused(api.get(prefix + "/compute/hosts/99"), 404, 10002)
    assert found["subErrors"][0]["rejectedValue"] == 99
    for path in (
        "/compute/hosts/x",
        "/compute/hosts/-1",
        "/tasks/instances/1.0",
        "/tasks/" + "9" * 5000,
        "/nothing",
    ):
        refused(api.get(prefix + path), 404, 10002)
    refused(api.get(prefix + "/compute//hosts"), 404, 10002)


def test_another_method(api: SmallApi) -> None:
    answer = api.get(RESTART)
    refused(answer, 405, 10001)
    assert "POST" in answer.headers["Allow"]


def test_redis_away(api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> Any:
        raise RedisAway("no route to secret-host:6379")

    monkeypatch.setattr(api.redis.connection_pool, "get_connection", away)
    for call, warned in (
        (lambda: api.post(RESTART, {"hostIds": [1]}), True),
        (lambda: api.get("/tasks/1"), False),
        (lambda: api.get("/readyz"), False),
    ):
        answer = call()
        told = refused(answer, 503, 10010)["message"]
        assert ("look first whether the change was made" in told) is warned
        assert answer.headers["Retry-After"] == "2"
        assert "secret-host" not in answer.text
    assert api.get("/healthz", auth=None).status_code == 200


def test_health_needs_no_login(api: SmallApi) -> None:
    assert api.get("/healthz", auth=None).status_code == 200
    assert api.get("/readyz", auth=None).status_code == 200


def test_the_unexpected_tells_nothing_and_is_logged(api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(api.store, "versions", broken)
    with capture_logs() as lines:
        answer = api.get("/tasks/1")
    refused(answer, 500, 10010)
    assert "inner workings" not in answer.text
    assert "inner workings" in lines[0]["traceback"]
    assert lines[0]["trace_id"].endswith(json.loads(answer.data)["traceId"])


def test_refusals_are_logged_without_secrets(api: SmallApi) -> None:
    with capture_logs() as lines:
        answers = [
            api.get("/compute/hosts", auth=("admin", "hunter2")),
            api.post(CREATE, {"hostBasicDataList": [], "variables": {"pass": "hunter2\n"}, "hunter2": 1}),
            api.post(RESTART, b"{", headers={"X-Note": "hunter2"}),
        ]
    refusals = [line for line in lines if line["event"] == "call refused"]
    assert [line["trace_id"][-16:] for line in refusals] == [json.loads(answer.data)["traceId"] for answer in answers]
    assert [line["status"] for line in refusals] == [401, 400, 400]
    assert ADMIN[1] not in str(lines)
    assert "hunter2\n" not in str(lines)
    assert "hunter2" not in answers[0].text + str(lines[0])


def test_each_error_of_the_engine_is_mapped() -> None:
    def below(kind: type[Exception]) -> Iterator[type[Exception]]:
        for inner in kind.__subclasses__():
            yield inner
            yield from below(inner)

    assert error.MAPPED.keys() >= set(below(engine_error.MusterError))
