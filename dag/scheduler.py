"""The scheduler: hands out what is READY, finds what was lost, gives free hosts on, spreads the shards.

Any number may run. Each message of the ready stream goes to one of them; one that dies keeps its messages in the
group's pending list, from which the others take them over. Everything here may happen twice without harm: the scripts
refuse what is not the newest.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from dag.catalogue import Catalogue
from dag.dispatch import Entry, HandOut, ReadyStream, TaskInfo
from dag.error import MusterError, StoreUnavailable, UnknownHosts
from dag.graph import Graph
from dag.hearing import OTHERS_DEAF_SECONDS, Hearing
from dag.host import Host
from dag.observer import Observer
from dag.outage import Outage
from dag.registry import HostRegistry
from dag.roster import Move, Roster, Worker
from dag.shard import shard_of
from dag.store import Store
from dag.trace import enter, parse, scope

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dispatch:
    """One node as it is handed to the workers: all that a message holds; `traceparent` is the span of the call."""

    task_id: int
    subtask_id: int
    offset: int
    attempt: int
    host_id: int | None
    index: int
    action: str
    title: str
    timeout_seconds: int
    queue: str
    address: str
    trace_id: str
    traceparent: str = ""


@dataclass(frozen=True)
class Inquiry:
    """One inquiry about a host as it is handed to the workers."""

    host_id: int
    number: int
    queue: str
    address: str
    traceparent: str = ""


@dataclass(frozen=True)
class Loss:
    """A run of a node that was lost: another attempt follows (`goes_on`), or it was one too many."""

    subtask_id: int
    attempt: int
    goes_on: bool

    @property
    def reason(self) -> str:
        """Say what became of it."""
        lost = f"Lost: the worker of attempt {self.attempt} fell silent, or its message never arrived."
        return f"{lost} Attempt {self.attempt + 1} follows." if self.goes_on else f"{lost} It was the last."


class Publisher(Protocol):
    """The way to the workers; Celery's lives with the workers."""

    def publish(self, dispatches: Sequence[Dispatch]) -> None:
        """Send one message a node; StoreUnavailable where the broker is away (some may have gone)."""

    def inquire(self, inquiry: Inquiry) -> None:
        """Send one inquiry; StoreUnavailable where the broker is away."""

    def tell(self, loss: Loss) -> None:
        """Tell whoever watches that a run was lost; StoreUnavailable where the broker is away."""

    def waiting(self, queues: Collection[str]) -> Mapping[str, int]:
        """Return how many messages stand in each of the queues; StoreUnavailable where the broker is away."""

    def steer(self, moves: Sequence[Move]) -> None:
        """Tell workers which queues to consume from now on."""


@dataclass(frozen=True)
class SchedulerLimits:
    """The scheduler's numbers; what each is for stands beside its default in the settings."""

    lease_seconds: float
    begin_within_seconds: float
    most_lost: int
    sweep_seconds: float
    claim_after_seconds: float
    balance_seconds: float
    retention_seconds: int
    shards_per_zone: int
    # Messages at once: what a scheduler is slow with is claimed by another, and sent twice.
    batch: int = 8
    block_ms: int = 500


# What is known of a task; asked once in a pass, never kept: a server that lost its data gives out its ids again.
TaskLookup = Callable[[int], TaskInfo | None]

# While messages stand in its queue, a node that is not begun is looked for only so often.
QUEUED_SECONDS = 30.0
# A task stands in several lists.
SWEEP_LISTS_SECONDS = 10.0
# A scheduler reads twice a second; one that was silent for so long has ended.
RETIRE_SECONDS = 600.0


class Every:
    """A step that is taken at most once in so many seconds."""

    def __init__(self, seconds: float, step: Callable[[], object]) -> None:
        self._seconds, self._step, self._next = seconds, step, 0.0

    def maybe(self) -> None:
        """Take the step where it is time."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._seconds
            self._step()


class Scheduler:
    """One scheduler process's work, until `stop` is set."""

    def __init__(
        self,
        store: Store,
        hosts: HostRegistry,
        roster: Roster,
        publisher: Publisher,
        name: str,
        limits: SchedulerLimits,
        observer: Observer | None = None,
    ) -> None:
        self._store, self._hosts, self._roster, self._publisher = store, hosts, roster, publisher
        self._name, self._limits, self._observer = name, limits, observer or Observer()
        self._outage = Outage()
        self._turned_at = time.monotonic()
        self._shunned: set[str] = set()
        self._stream = ReadyStream(store, name)
        self._hand = HandOut(store, retention_seconds=limits.retention_seconds)
        self._hearing = Hearing(OTHERS_DEAF_SECONDS)
        self._chores = (
            Every(limits.sweep_seconds, self.sweep),
            Every(limits.sweep_seconds, store.admit_waiting),
            Every(limits.claim_after_seconds / 4, self._claim),
            Every(SWEEP_LISTS_SECONDS, Catalogue(store).sweep),
            Every(RETIRE_SECONDS, lambda: self._stream.retire(idle_ms=int(RETIRE_SECONDS * 1000))),
            Every(limits.balance_seconds, self._balance),
        )

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; while Redis is away, try again every half second."""
        opened = False
        while not stop.is_set():
            self._turned_at = time.monotonic()
            try:
                if not opened:
                    self._stream.open()
                    opened = True
                self.tick()
                self._outage.is_over()
            except StoreUnavailable as error:
                self._outage.goes_on(error)
                opened = False
                stop.wait(0.5)

    @property
    def turned_at(self) -> float:
        """When its loop last began anew (s, monotonic); it does so twice a second, also while Redis is away."""
        return self._turned_at

    @property
    def fault(self) -> str:
        """What it waits for now, "" where it works."""
        return self._outage.reason

    def tick(self) -> None:
        """Do the chores that are due, then hand out what has become ready since."""
        for chore in self._chores:
            chore.maybe()
        self._handle(self._stream.read(count=self._limits.batch, block_ms=self._limits.block_ms))

    def _handle(self, entries: Sequence[Entry]) -> None:
        done: list[Entry] = []
        lookup = cache(self._hand.info)
        try:
            for entry in entries:
                if self._settle(entry, lookup):
                    done.append(entry)
        finally:
            self._stream.done(done)

    def _settle(self, entry: Entry, lookup: TaskLookup) -> bool:
        """Do what a message asks for; True where it can come off the stream."""
        with scope():
            return self._try(entry, lookup)

    def _try(self, entry: Entry, lookup: TaskLookup) -> bool:
        try:
            self._step(entry.fields, lookup)()
        except StoreUnavailable:
            raise
        except MusterError as error:
            # Of a newer release, perhaps. It must not keep this scheduler from the messages behind it.
            log.error("message %s is dropped: %s", entry.id, error)
        except Exception:
            # A fault of ours: the message stays with the group and is claimed again, the others go on.
            log.exception("message %s failed: %s", entry.id, entry.fields)
            return False
        return True

    def _step(self, fields: dict[str, str], lookup: TaskLookup) -> Callable[[], object]:
        try:
            match fields:
                case {"kind": "nodes", "task": task, "first": first, "count": count}:
                    nodes = int(first), int(count)
                    return partial(self._hand_out, lookup, int(task), *nodes, fields.get("parent", ""))
                case {"kind": "host", "host": host}:
                    return partial(self._hand.grant, int(host))
                case {"kind": "release", "task": task}:
                    return partial(self._release, lookup, int(task))
                case {"kind": "look", "host": host, "inquiry": number}:
                    return partial(self._inquire, int(host), int(number), fields.get("parent", ""))
        except ValueError:
            pass  # a number that is none
        raise MusterError(f"The ready stream has a message that nobody understands: {fields}.")

    def _release(self, lookup: TaskLookup, task_id: int) -> None:
        if task := lookup(task_id):
            enter(parse(task.traceparent))
            self._hand.release(task)

    def _inquire(self, host_id: int, number: int, traceparent: str) -> None:
        enter(parse(traceparent))
        if host := self._find({host_id}).get(host_id):
            queue = shard_of(host_id, host.zone, self._limits.shards_per_zone)
            self._publisher.inquire(Inquiry(host_id, number, queue, host.address, traceparent))

    def _hand_out(self, lookup: TaskLookup, task_id: int, first: int, count: int, traceparent: str) -> None:
        task = lookup(task_id)
        if task is None:
            return
        task = task.caused_by(traceparent)
        enter(parse(task.traceparent))
        within = int(self._limits.begin_within_seconds * 1000)
        nodes = self._hand.ready_nodes(task_id, first, count, begin_within_ms=within)
        graph = Graph(task.stages, len(task.host_ids), task.base)
        places = [(offset, attempt, *graph.place(offset)) for offset, attempt in nodes]
        hosts = self._find({task.host_ids[inner] for _o, _a, _s, inner in places})
        if places:
            self._publish([self._dispatch(task, hosts, *place) for place in places])
            log.debug("task %s: %s nodes from %s on were handed out", task_id, len(places), first)

    def _publish(self, dispatches: Sequence[Dispatch]) -> None:
        actions = [dispatch.action for dispatch in dispatches]
        try:
            self._publisher.publish(dispatches)
        except StoreUnavailable:
            self._observer.unpublished(actions)
            raise
        self._observer.published(actions)

    def _find(self, ids: set[int]) -> dict[int, Host]:
        try:
            return self._hosts.find(ids)
        except UnknownHosts as error:
            # A host that was deleted since: its node is handed out all the same, and fails with that reason.
            return self._find(ids - set(error.ids))

    def _dispatch(
        self, task: TaskInfo, hosts: dict[int, Host], offset: int, attempt: int, stage: int, inner: int
    ) -> Dispatch:
        step, host_id = task.stages[stage], task.host_ids[inner]
        host = hosts.get(host_id)
        zone = host.zone if host else "default"
        return Dispatch(
            task_id=task.id,
            subtask_id=task.base + offset,
            offset=offset,
            attempt=attempt,
            host_id=host_id,
            index=inner,
            action=step.action,
            title=step.name,
            timeout_seconds=step.timeout_seconds,
            queue=shard_of(host_id, zone, self._limits.shards_per_zone),
            address=host.address if host else "",
            trace_id=task.trace_id,
            traceparent=task.traceparent,
        )

    def sweep(self) -> None:
        """Find runs whose lease or dispatch has run out, and hand them out again or fail them."""
        lookup = cache(self._hand.info)

        @cache
        def waiting(queue: str) -> int:
            return self._publisher.waiting([queue])[queue]

        for task_id, offset, attempt in self._hand.due(limit=1000):
            with scope():
                self._look_after(lookup, (task_id, offset, attempt), waiting)

    def _look_after(self, lookup: TaskLookup, run: tuple[int, int, int], waiting: Callable[[str], int]) -> None:
        try:
            if task := lookup(run[0]):
                enter(parse(task.traceparent))
                self._expire(task, *run[1:], waiting)
            else:
                self._hand.forget(*run)
        except StoreUnavailable:
            raise
        except Exception:
            # A fault of ours in one run: it stays due, the others go on.
            log.exception("run %s:%s:%s can't be looked after", *run)

    def _expire(self, task: TaskInfo, offset: int, attempt: int, waiting: Callable[[str], int]) -> None:
        stage, inner = Graph(task.stages, len(task.host_ids), task.base).place(offset)
        host = self._find({task.host_ids[inner]}).get(task.host_ids[inner])
        queue = shard_of(task.host_ids[inner], host.zone if host else "default", self._limits.shards_per_zone)
        limit = task.stages[stage].timeout_seconds
        longest = int((limit + self._limits.lease_seconds) * 1000)
        is_begun = self._hand.is_begun(task.id, offset)
        answer = self._hand.expire(
            task.id,
            offset,
            attempt,
            most_lost=self._limits.most_lost,
            longest_ms=longest,
            log=(
                f"Attempt {attempt} was lost: its worker fell silent (its lease ran out) or its message never arrived, "
                f"as with those before; {self._limits.most_lost} may be lost, and none may pass {limit} s. FAILED.\n"
            ),
            # Still in its queue: the message is not lost, it waits for a worker.
            wait_ms=int(QUEUED_SECONDS * 1000) if waiting(queue) else 0,
        )
        self._observer.lost(is_begun=is_begun, answer=answer)
        if answer in ("ready", "failed"):
            log.warning("task %s: run %s of subtask %s was lost: %s", task.id, attempt, task.base + offset, answer)
            self._publisher.tell(Loss(task.base + offset, attempt, goes_on=answer == "ready"))

    def _claim(self) -> None:
        idle = int(self._limits.claim_after_seconds * 1000)
        self._handle(self._stream.claim(idle_ms=idle, count=self._limits.batch))

    def _balance(self) -> None:
        zones = {"default": self._limits.shards_per_zone}
        moves = self._roster.balance(zones, leader=self._name, shunned=self._deaf)
        self._publisher.steer(moves)
        self._observer.moved(len(moves))

    def _deaf(self, workers: list[Worker], orders: list[Move]) -> set[str]:
        queues = sorted({queue for worker in workers for queue in worker.queues})
        deaf = self._hearing.deaf(workers, self._publisher.waiting(queues) if queues else {}, orders)
        for name in sorted(deaf - self._shunned):
            log.error("worker %s does not receive messages or orders: its shards go to others", name)
        self._shunned = deaf
        self._observer.shunned(len(deaf))
        return deaf
