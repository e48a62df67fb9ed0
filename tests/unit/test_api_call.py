"""What is told of each call: its trace, its line in the log, its metrics."""

import json
from collections.abc import Iterator, MutableMapping
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from api.app import create_app
from api.user import UserStore
from config.settings import LogSettings, Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store
from telemetry.call import CallMetrics

ADMIN = ("admin", "correct horse")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
RESTART = "/compute/hosts/batchRestartAgents"
Line = MutableMapping[str, Any]


class Watched:
    """An API with one host, whose metrics are read."""

    def __init__(self, log: LogSettings) -> None:
        self.redis = fakeredis.FakeRedis(decode_responses=True)
        self.store, users = Store(self.redis), UserStore(self.redis)
        users.ensure_admin(*ADMIN)
        hosts = HostRegistry(self.redis)
        hosts.create([Host(0, "10.0.0.1")])
        self.registry = CollectorRegistry()
        app = create_app(self.store, hosts, users, Settings(log=log), CallMetrics(self.registry))
        self.client: FlaskClient = app.test_client()

    def restart(self, **headers: str) -> dict[str, Any]:
        answer = self.client.post(RESTART, json={"hostIds": [1]}, auth=ADMIN, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def count(self, method: str, route: str, status: int) -> float:
        labels = {"method": method, "route": route, "status": str(status)}
        found = self.registry.get_sample_value("muster_http_requests_total", labels) or 0
        timed = self.registry.get_sample_value("muster_http_request_seconds_count", labels) or 0
        assert found == timed
        return found


@pytest.fixture
def api() -> Iterator[Watched]:
    found = Watched(LogSettings())
    yield found
    found.redis.close()


def calls(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line["event"] == "call"]


def test_the_callers_trace_is_taken_up_and_goes_to_the_task(api: Watched) -> None:
    with capture_logs() as lines:
        answer = api.restart(traceparent=PARENT)
    assert answer["traceId"] == TRACE[-16:]
    assert [line["trace_id"] for line in calls(lines)] == [TRACE]
    assert api.store.load(answer["data"]["id"]).trace_id == TRACE
    version, trace, span, flags = api.store.traceparent_of(answer["data"]["id"]).split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != SPAN


@pytest.mark.parametrize("sent", ["00-1-2-01", PARENT.upper(), f"{PARENT}, {PARENT}", "ä"])
def test_what_is_no_traceparent_is_ignored(api: Watched, sent: str) -> None:
    answer = api.restart(traceparent=sent)
    assert answer["traceId"] != TRACE[-16:]
    assert api.store.load(answer["data"]["id"]).trace_id.endswith(answer["traceId"])


def test_two_calls_of_one_trace_are_told_apart_by_their_spans(api: Watched) -> None:
    """A client that calls again does so in the same trace: the second answer is a replay all the same."""
    headers = {"Idempotency-Key": "k", "traceparent": PARENT}
    answers = [api.client.post(RESTART, json={"hostIds": [1]}, auth=ADMIN, headers=headers) for _ in range(2)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]


def test_each_call_has_one_line_without_its_query(api: Watched) -> None:
    with capture_logs() as lines:
        answer = api.client.get("/api/v2/tasks/instances?keyword=planted", auth=ADMIN)
        api.client.get("/api/v2/compute/hosts/99", auth=ADMIN)
        api.client.get("/nowhere?planted", auth=("admin", "planted"))
        api.client.get("/healthz")
    first, second, third = calls(lines)
    duration = first.pop("duration_ms")
    assert 0 < duration < 60_000
    assert first == {
        "event": "call",
        "log_level": "info",
        "trace_id": first["trace_id"],
        "method": "GET",
        "route": "/tasks/instances",
        "path": "/api/v2/tasks/instances",
        "status": 200,
        "user": "admin",
        "address": "127.0.0.1",
    }
    assert str(first["trace_id"]).endswith(json.loads(answer.data)["traceId"])
    assert (second["route"], second["path"], second["status"]) == (
        "/compute/hosts/<id:host_id>",
        "/api/v2/compute/hosts/99",
        404,
    )
    assert (third["route"], third["status"], third["user"]) == ("none", 404, "")
    assert "planted" not in str(lines)


def test_a_refusal_is_logged_with_its_trace_also_without_lines_for_calls() -> None:
    api = Watched(LogSettings(calls=False))
    with capture_logs() as lines:
        answer = api.client.get("/tasks/instances", headers={"traceparent": PARENT})
    assert answer.status_code == 401
    assert [(line["event"], line["trace_id"]) for line in lines] == [("call refused", TRACE)]
    api.redis.close()


def test_calls_are_counted_by_template_and_unknown_methods_as_one(api: Watched) -> None:
    for host in (1, 1, 7):
        api.client.get(f"/api/v2/compute/hosts/{host}", auth=ADMIN)
    api.client.get("/compute/hosts/1", auth=ADMIN)
    for number in range(3):
        api.client.open(f"/x{number}", method=f"BREW{number}")
    assert api.count("GET", "/compute/hosts/<id:host_id>", 200) == 3
    assert api.count("GET", "/compute/hosts/<id:host_id>", 404) == 1
    assert api.count("OTHER", "none", 404) == 3


def test_a_stream_is_told_of_when_it_has_ended(api: Watched) -> None:
    task = api.restart()["data"]["id"]
    route = "/tasks/instances/<id:task_id>/events"
    with capture_logs() as lines:
        answer = api.client.get(f"/tasks/instances/{task}/events", auth=ADMIN, buffered=False)
        first = next(iter(answer.response))
        assert first
        assert api.registry.get_sample_value("muster_event_streams") == 1
        assert (calls(lines), api.count("GET", route, 200)) == ([], 0)
        answer.close()
    assert [line["route"] for line in calls(lines)] == [route]
    assert (api.count("GET", route, 200), api.registry.get_sample_value("muster_event_streams")) == (1, 0)
