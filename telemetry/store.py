"""What a scheduler tells of the store and the broker, asked for when somebody reads it, and at most every few seconds.

Every scheduler tells the same of them: `max by (...)` over their series, not `sum`.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dag.backlog import backlog
from dag.census import Census
from dag.error import StoreUnavailable
from dag.registry import HostRegistry
from dag.roster import Roster
from dag.state import NodeStatus
from dag.store import Store
from telemetry.timely import Timely, deadline

KEPT_SECONDS = 5.0

Lengths = Callable[[Collection[str]], Mapping[str, int]]


class StoreCollector(Collector):
    """Reads the store and the queues of the broker; what is away is told to be so, and its series are left out."""

    def __init__(self, store: Store, lengths: Lengths, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._roster, self._census = store, Roster(store), Census(store)
        self._registry = HostRegistry(store.redis, keys=store.keys)
        self._lengths, self._clock = lengths, clock
        self._lock = threading.Lock()
        self._asked_store = Timely(lambda: [*self._nodes(), *self._ready(), self._workers()])
        self._asked_broker = Timely(self._depths)
        self._kept: list[Metric] = []
        self._read_at = -KEPT_SECONDS
        # An action that was seen stays: a series that comes and goes can't be told from a scheduler that is away.
        self._actions: set[str] = set()
        # The zones of the hosts, and which hosts these are: they are read anew only where some came or went.
        self._zones: set[str] = set()
        self._enrolled: tuple[int, ...] = ()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: to be registered, it need not be asked."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return all series."""
        with self._lock:
            if self._clock() - self._read_at >= KEPT_SECONDS:
                store, broker, left = self._asked_store.ask(), self._asked_broker.ask(), deadline()
                self._kept = [
                    *_told(store, left(), "muster_store_up", "Whether Redis answered."),
                    *_told(broker, left(), "muster_broker_up", "Whether the broker told how long its queues are."),
                ]
                self._read_at = self._clock()
            return self._kept

    def _nodes(self) -> Iterable[Metric]:
        counts = self._census.take()
        self._actions |= {action for action, _status in counts.nodes}
        nodes = GaugeMetricFamily("muster_nodes", "Nodes of the tasks that run.", labels=("state", "action"))
        for action in sorted(self._actions):
            for status in NodeStatus:
                nodes.add_metric((status, action), counts.nodes.get((action, status), 0))
        return [_gauge("muster_tasks_running", "Tasks that run.", counts.tasks), nodes]

    def _ready(self) -> Iterable[Metric]:
        ready = backlog(self._store)
        return [
            _gauge("muster_ready_entries", "Messages of the ready stream that no scheduler has done.", ready.entries),
            _gauge("muster_ready_lag_seconds", "For how long the oldest of them stands there.", ready.oldest_seconds),
        ]

    def _workers(self) -> Metric:
        text = "Live workers, by the zone that they reach and by whether they take nodes."
        family = GaugeMetricFamily("muster_workers", text, labels=("zone", "state"))
        workers = self._roster.alive()
        counts = Counter((worker.zone, "draining" if worker.draining else "taking") for worker in workers)
        # One with hosts and without a worker is told, too: its tasks wait.
        zones = {worker.zone for worker in workers} | self._zones_of_hosts()
        for zone in zones or {"default"}:
            for state in ("taking", "draining"):
                family.add_metric((zone, state), counts[zone, state])
        return family

    def _zones_of_hosts(self) -> set[str]:
        enrolled = self._registry.enrolled()
        if enrolled != self._enrolled:
            self._zones, self._enrolled = self._registry.zones(), enrolled
        return self._zones

    def _depths(self) -> list[Metric]:
        depth = GaugeMetricFamily("muster_queue_messages", "Messages in a shard's queue.", labels=("shard",))
        # Without Redis the shards are not known.
        for shard, count in sorted(self._lengths(sorted(self._roster.wanted())).items()):
            depth.add_metric((shard,), count)
        return [depth]


def _told(answer: "Future[list[Metric]]", seconds: float, name: str, text: str) -> Iterable[Metric]:
    try:
        found = answer.result(seconds)
    except (StoreUnavailable, TimeoutError):
        return [_gauge(name, text, 0)]
    return [_gauge(name, text, 1), *found]


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric((), value)
    return family
