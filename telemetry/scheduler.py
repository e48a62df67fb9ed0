"""What a scheduler counts."""

from collections import Counter as Tally
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from dag.observer import Observer

# What becomes of a run that was lost.
RESULTS = {"ready": "again", "failed": "failed"}


class SchedulerMetrics(Observer):
    """The work of one scheduler process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._published = counter("muster_messages_published", "Messages sent to workers, one a node.", "action")
        self._counts: dict[str, Callable[[float], None]] = {}
        self._unpublished = counter(
            "muster_messages_unpublished", "Nodes not sent, as the broker is away; they are sent again.", "action"
        )
        self._messages = counter(
            "muster_messages_lost", "Nodes sent and not begun in time: their message never arrived.", "result"
        )
        self._leases = counter("muster_leases_expired", "Runs whose lease ran out: their worker fell silent.", "result")
        for result in RESULTS.values():
            self._messages.labels(result)
            self._leases.labels(result)
        self._moved = counter("muster_shard_orders", "Orders to workers to consume a shard, or no longer.")
        self._shunned = Gauge("muster_workers_deaf", "Live workers that do not hear messages.", registry=registry)

    def published(self, actions: Sequence[str]) -> None:
        """Count messages: mostly one, or many for the same action."""
        for action in set(actions):
            count = self._counts.get(action)
            if count is None:
                count = self._counts[action] = self._published.labels(action).inc
            count(actions.count(action))

    def unpublished(self, actions: Sequence[str]) -> None:
        """Count nodes that could not be sent."""
        for action, count in Tally(actions).items():
            self._unpublished.labels(action).inc(count)

    def lost(self, *, is_begun: bool, answer: str) -> None:
        """Count a run that was lost."""
        if answer in RESULTS:
            (self._leases if is_begun else self._messages).labels(RESULTS[answer]).inc()

    def moved(self, count: int) -> None:
        """Count orders to workers."""
        self._moved.inc(count)

    def shunned(self, count: int) -> None:
        """Note how many workers are deaf."""
        self._shunned.set(count)
