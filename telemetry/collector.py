"""Sends spans to an OpenTelemetry collector (OTLP over HTTP, protobuf); needs the extra `muster[otel]`.

Our traces have their ids before anybody asks whether they are recorded. So OpenTelemetry's tracer is told the ids of
each span, and makes it when it has ended.
"""

import os
import threading
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from dag.trace import Trace
from telemetry.span import Span, Spans

STOP_SECONDS = 1.0
PATH = "/v1/traces"
_NS = 1_000_000_000


class _Given(IdGenerator):
    """Gives the ids of the span that this thread is telling of."""

    def __init__(self) -> None:
        self._told = threading.local()

    def give(self, trace: Trace) -> None:
        """Give this one's ids next."""
        self._told.trace = trace

    def generate_span_id(self) -> int:
        return int(self._told.trace.span_id, 16)

    def generate_trace_id(self) -> int:
        return int(self._told.trace.trace_id, 16)


class CollectorSpans(Spans):
    """Sends the sampled spans of this process in batches, from a thread of its own. A collector may be away.

    `exporter` takes the place of the one for `endpoint` ("": OpenTelemetry's own variables say where).
    """

    def __init__(
        self, service: str, version: str, endpoint: str, ratio: float, exporter: SpanExporter | None = None
    ) -> None:
        self.ratio = ratio
        self._names: Mapping[str, str] = {SERVICE_NAME: service, SERVICE_VERSION: version}
        self._endpoint, self._exporter = endpoint, exporter
        self._ids = _Given()
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    def start(self) -> None:
        """Begin to send. Names by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over ours."""
        names = {} if "OTEL_SERVICE_NAME" in os.environ else self._names
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(dict(names)), shutdown_on_exit=False, id_generator=self._ids
        )
        exporter = self._exporter or OTLPSpanExporter(endpoint=_full(self._endpoint) or None)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("muster")

    def wants(self, trace: Trace | None) -> bool:
        """Tell whether the trace is sampled: by its caller, or by our own ratio where it has none."""
        return trace is not None and trace.is_sampled

    def tell(self, span: Span) -> None:
        """Send a span that has ended, sooner or later."""
        if self._tracer is None:
            return
        self._ids.give(span.trace)
        made = self._tracer.start_span(
            span.name,
            context=_parent(span.trace),
            kind=SpanKind[span.kind.upper()],
            attributes=dict(span.attributes),
            start_time=int(span.began_at * _NS),
        )
        if span.fault:
            made.set_status(Status(StatusCode.ERROR, span.fault))
        made.end(int(span.ended_at * _NS))

    def stop(self) -> None:
        """Send what is left; who waits for a collector that is away waits for a second only."""
        if self._provider is None:
            return
        ending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)


def _parent(trace: Trace) -> Context:
    """Return the context in which the span's parent is current; without a parent an empty one."""
    if not trace.parent_id:
        return set_span_in_context(NonRecordingSpan(SpanContext(0, 0, is_remote=False)))
    parent = SpanContext(
        int(trace.trace_id, 16), int(trace.parent_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    return set_span_in_context(NonRecordingSpan(parent))


def _full(endpoint: str) -> str:
    if not endpoint or endpoint.endswith(PATH):
        return endpoint
    return endpoint.rstrip("/") + PATH
