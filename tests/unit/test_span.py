"""Spans: what they say, to whom they go, and that nothing is made of them where nobody wants them."""

import json
import subprocess
import sys
from typing import Any

import fakeredis
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from api.app import create_app
from api.user import UserStore
from config.load import SettingError
from config.settings import OtelSettings, Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store
from dag.trace import begin, parse
from telemetry.collector import CollectorSpans
from telemetry.span import NO_SPANS, Span
from telemetry.tracing import DISABLED, ENDPOINTS, open_spans

ADMIN = ("admin", "correct horse")
RESTART = "/compute/hosts/batchRestartAgents"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Kept:
    """Spans that stay in memory."""

    def __init__(self, ratio: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        self.spans = CollectorSpans("muster-test", "1", "", ratio, self._exporter)
        self.spans.start()

    def finished(self) -> list[ReadableSpan]:
        self.spans.stop()
        return list(self._exporter.get_finished_spans())


def context(span: ReadableSpan) -> tuple[str, str, str]:
    """Trace, span and parent, in hex."""
    assert span.context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def test_a_span_has_the_ids_times_and_parent_that_it_was_given() -> None:
    kept = Kept()
    trace = begin(f"00-{TRACE}-{SPAN}-01")
    kept.spans.tell(Span(trace, "agent.stop", 10.0, 12.5, "consumer", {"muster.task": 7}, "no agent"))
    kept.spans.tell(Span(begin(ratio=1.0), "root", 1.0, 2.0))
    child, root = kept.finished()
    assert context(child) == (TRACE, trace.span_id, SPAN)
    assert (child.name, child.kind, child.start_time, child.end_time) == (
        "agent.stop",
        SpanKind.CONSUMER,
        10_000_000_000,
        12_500_000_000,
    )
    assert dict(child.attributes or {}) == {"muster.task": 7}
    assert (child.status.status_code, child.status.description) == (StatusCode.ERROR, "no agent")
    assert child.resource.attributes["service.name"] == "muster-test"
    assert root.parent is None
    assert root.status.status_code is StatusCode.UNSET


def test_whether_a_trace_is_recorded_is_its_callers_to_say_else_a_share_of_them() -> None:
    spans = Kept().spans
    assert spans.wants(parse(f"00-{TRACE}-{SPAN}-01"))
    assert not spans.wants(begin(f"00-{TRACE}-{SPAN}-00", ratio=1.0))
    assert not spans.wants(None)
    assert sum(spans.wants(begin(ratio=0.25)) for _ in range(4000)) == pytest.approx(1000, abs=200)
    assert not any(spans.wants(begin()) for _ in range(100))


def test_without_a_collector_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_spans(OtelSettings(), "api", {}) is NO_SPANS
    assert open_spans(OtelSettings("http://c:4318"), "api", {DISABLED: "true"}) is NO_SPANS
    for name in ENDPOINTS:
        assert isinstance(open_spans(OtelSettings(), "api", {name: "http://c:4318"}), CollectorSpans)
    assert not NO_SPANS.wants(parse(f"00-{TRACE}-{SPAN}-01"))


def test_a_collector_without_the_packages_for_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "telemetry.collector")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingError, match=r"pip install 'muster\[otel\]'.*MUSTER_OTEL_ENDPOINT"):
        open_spans(OtelSettings("http://c:4318"), "api", {})


def test_a_process_without_a_collector_needs_no_package_for_it() -> None:
    processes = ", ".join(f"cli.process.{name}" for name in ("api", "scheduler", "worker"))
    program = f"import sys; sys.modules['opentelemetry'] = None; import {processes}; print('imported')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr


def test_a_call_and_its_submission_are_spans_of_the_callers_trace() -> None:
    kept, redis = Kept(), fakeredis.FakeRedis(decode_responses=True)
    hosts, users = HostRegistry(redis), UserStore(redis)
    users.ensure_admin(*ADMIN)
    hosts.create([Host(0, "10.0.0.1")])
    client = create_app(Store(redis), hosts, users, Settings(), spans=kept.spans).test_client()
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    answer: Any = json.loads(client.post(RESTART, json={"hostIds": [1]}, auth=ADMIN, headers=headers).data)
    client.get("/tasks/instances?keyword=planted", auth=("admin", "planted"), headers={"traceparent": ""})
    submit, call, refused = kept.finished()
    assert context(call)[::2] == (TRACE, SPAN)
    assert context(submit)[::2] == (TRACE, context(call)[1])
    assert (call.name, call.kind) == (f"POST {RESTART}", SpanKind.SERVER)
    assert dict(submit.attributes or {}) == {
        "muster.task": answer["data"]["id"],
        "muster.operation": "batch_restart",
        "muster.hosts": 1,
    }
    # What the task, and by it each message, goes on from.
    task = parse(Store(redis).traceparent_of(answer["data"]["id"]))
    assert task is not None
    assert (task.trace_id, task.span_id, task.is_sampled) == (TRACE, context(call)[1], True)
    assert (refused.attributes or {})["http.response.status_code"] == 401
    assert "planted" not in str(refused.to_json())
