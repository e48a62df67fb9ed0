"""What is told of each call that was answered: its metrics, and one line in the log, without its query."""

import time
from dataclasses import dataclass

import structlog
from flask import Response, g, request

from api.codec import shorten
from api.envelope import PREFIX
from api.service import services
from dag import trace
from telemetry.call import CallMetrics
from telemetry.span import Attribute, Span, Spans

log = structlog.get_logger()

# Others may be any words of the caller's.
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
# Asked every few seconds by whoever watches the process.
UNTOLD = frozenset(("/healthz", "/readyz"))
NO_ROUTE = "none"


@dataclass(frozen=True)
class Call:
    """One call; `route` is the template of its path, `NO_ROUTE` where it has none, `began` is `time.perf_counter`."""

    method: str
    route: str
    path: str
    address: str
    user: str
    status: int
    began: float
    trace: trace.Trace
    is_logged: bool
    metrics: CallMetrics
    spans: Spans

    def end(self) -> None:
        """Tell of the call, whose answer is out; from now on its thread works for nobody."""
        seconds = time.perf_counter() - self.began
        self.metrics.answered(self.method, self.route, self.status, seconds)
        if self.spans.wants(self.trace):
            self.spans.tell(self._span(seconds))
        self._log(seconds)
        trace.enter(None)

    def _log(self, seconds: float) -> None:
        if self.is_logged:
            log.info(
                "call",
                trace_id=self.trace.trace_id,
                method=self.method,
                route=self.route,
                path=self.path,
                status=self.status,
                duration_ms=round(seconds * 1000, 1),
                user=self.user,
                address=self.address,
            )

    def _span(self, seconds: float) -> Span:
        now = time.time()
        attributes: dict[str, Attribute] = {
            "http.request.method": self.method,
            "http.route": self.route,
            "url.path": self.path,
            "http.response.status_code": self.status,
            "client.address": self.address,
            "user.name": self.user,
        }
        fault = f"HTTP {self.status}" if self.status >= 500 else ""
        return Span(self.trace, f"{self.method} {self.route}", now - seconds, now, "server", attributes, fault)


def record(response: Response) -> Response:
    """Tell of this call: now, or once all of an answer is sent that is sent in parts."""
    rule, caller = request.url_rule, g.get("caller")
    route = rule.rule.removeprefix(PREFIX) if rule else NO_ROUTE
    call = Call(
        request.method if request.method in METHODS else "OTHER",
        route,
        shorten(request.path),
        request.remote_addr or "",
        caller.user.name if caller else "",
        response.status_code,
        g.began,
        g.trace,
        services().settings.log.calls and route not in UNTOLD,
        services().metrics,
        services().spans,
    )
    if response.is_streamed:
        response.call_on_close(call.end)
    else:
        call.end()
    return response
