"""What a worker counts. Labels are actions, outcomes and reasons: their number does not grow with hosts or tasks."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from telemetry.registry import LONG

Observe = Callable[[float], None]
# Why a connection does not open: the errors of workers/remote/error.py.
UNCONNECTED = ("HostUnreachable", "HostKeyUnknown", "HostKeyChanged", "AuthenticationFailed", "KeyFileError")


class WorkerMetrics:
    """The work of one worker process; used by all of its threads. Without a registry nobody reads it."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry or CollectorRegistry()
        self._run = self._histogram("muster_node_seconds", "From a run's begin to its outcome.", "action", "outcome")
        self._queued = self._histogram(
            "muster_node_queue_seconds",
            "From a dispatch to its arrival, by the clocks of two machines.",
            "action",
        )
        self._command = self._histogram("muster_remote_command_seconds", "One script on one host.", "outcome")
        self._refused = self._counter("muster_attempts_refused", "Attempts that were not carried out.", "reason")
        self._failed = self._counter("muster_ssh_connections_failed", "Connections that did not open.", "reason")
        for reason in ("doubled", "stale", "superseded", "fenced"):
            self._refused.labels(reason)
        for reason in UNCONNECTED:
            self._failed.labels(reason)
        self.opened = self._counter("muster_ssh_connections_opened", "SSH connections opened.").inc
        self.reused = self._counter("muster_ssh_connections_reused", "Scripts on a connection that was open.").inc
        # A child of a metric is found by its labels once; looking it up costs more than counting.
        self._runs: dict[tuple[str, str], Observe] = {}
        self._arrivals: dict[str, Observe] = {}

    def expect(self, actions: Iterable[str]) -> None:
        """Tell of these actions from now on, with nothing that has ended.

        A rate sees no rise where a series begins: a fleet that fails within one scrape would alarm nobody.
        """
        for action in actions:
            for outcome in ("successful", "failed"):
                self._run.labels(action, outcome)

    def ended(self, action: str, outcome: str, seconds: float) -> None:
        """Note a run that has come to its outcome."""
        observe = self._runs.get((action, outcome))
        if observe is None:
            observe = self._runs[action, outcome] = self._run.labels(action, outcome).observe
        observe(seconds)

    def arrived(self, action: str, seconds: float) -> None:
        """Note a message that has arrived so long after it was sent."""
        observe = self._arrivals.get(action)
        if observe is None:
            observe = self._arrivals[action] = self._queued.labels(action).observe
        observe(max(0.0, seconds))

    def commanded(self, outcome: str, seconds: float) -> None:
        """Note a script that ended, or was ended, on a host."""
        self._command.labels(outcome).observe(seconds)

    def refused(self, reason: str) -> None:
        """Count an attempt that was not carried out, or whose outcome was not taken."""
        self._refused.labels(reason).inc()

    def unconnected(self, error: Exception) -> None:
        """Count a connection that did not open, by the kind of the error."""
        self._failed.labels(type(error).__name__).inc()

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Ask `value` for a gauge whenever somebody wants to know; once for each name."""
        Gauge(name, text, registry=self._registry).set_function(value)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self._registry, buckets=LONG)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)
