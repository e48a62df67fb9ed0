"""What an API process counts."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from telemetry.registry import QUICK

LABELS = ("method", "route", "status")


class CallMetrics:
    """The calls of one API process; used by all of its threads. Without a registry nobody reads them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._calls = Counter(
            "muster_http_requests", "Calls answered, by the template of their path.", LABELS, registry=registry
        )
        self._seconds = Histogram(
            "muster_http_request_seconds",
            "From a call's arrival to the end of its answer; streams of events last as long as they are followed.",
            LABELS,
            registry=registry,
            buckets=QUICK,
        )
        self._streams = Gauge("muster_event_streams", "Streams of events that are open.", registry=registry)
        self._known: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a call; all three are of small sets, whatever callers send."""
        place = method, route, status
        found = self._known.get(place)
        if found is None:
            counter, histogram = self._calls.labels(*place), self._seconds.labels(*place)
            found = self._known[place] = counter.inc, histogram.observe
        count, observe = found
        count()
        observe(seconds)

    def watch_streams(self, count: Callable[[], float]) -> None:
        """Ask `count` for the number of open streams whenever somebody wants to know."""
        self._streams.set_function(count)
