"""A scheduler over the real store, and a worker that is played: it does at once what it is sent."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dag.host import Agent
from dag.inquiry import Inquiries, Look, SeenProcess
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.roster import Move, Roster
from dag.scheduler import Dispatch, Inquiry, Loss, Scheduler, SchedulerLimits
from dag.store import Store

LIMITS = SchedulerLimits(
    lease_seconds=15,
    begin_within_seconds=20,
    most_lost=3,
    sweep_seconds=60,
    claim_after_seconds=60,
    balance_seconds=60,
    retention_seconds=60,
    shards_per_zone=8,
    block_ms=20,
)
NAMES = ("ocp_agentd", "ocp_mgragent", "ocp_monagent")
OPERABLE = ("ocp_mgragent", "ocp_monagent", "pos_proxy")


def running(*names: str) -> Look:
    """A look at an agent of which these run, pids from 101 in the order of the profile."""
    now = time.time_ns() // 1_000_000
    processes = [
        SeenProcess(name, name in OPERABLE, 101 + at, "ocp", f"/opt/bin/{name}", (62888,), now - 7_500)
        if name in names
        else SeenProcess(name, name in OPERABLE)
        for at, name in enumerate((*NAMES, "pos_proxy"))
    ]
    return Look(version="4.2", home="/opt/agent", processes=tuple(processes), main=NAMES)


@dataclass
class PlayedWorker:
    """The publisher of the scheduler and the workers behind it: it does at once what it is sent."""

    store: Store
    sight: Callable[[], Look | None] = lambda: running(*NAMES, "pos_proxy")
    step: Callable[[Dispatch], str | None] = lambda dispatch: None
    looks: list[int] = field(default_factory=list)
    parameters: list[dict[str, str]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    idle: threading.Event = field(default_factory=threading.Event)

    def publish(self, dispatches: Sequence[Dispatch]) -> None:
        leases = Leases(self.store, lease_seconds=60, retention_seconds=60)
        for dispatch in dispatches:
            run = Run(dispatch.task_id, dispatch.offset, dispatch.attempt, dispatch.host_id, dispatch.index)
            fault = self.step(dispatch)
            if fault == "wait":
                continue
            begun = leases.begin(run, "played")
            assert begun is not None
            self.parameters.append(begun.parameters)
            assert leases.fail(run, Report(f"head\n{fault}\n")) if fault else leases.complete(run, Report())

    def inquire(self, inquiry: Inquiry) -> None:
        self.looks.append(inquiry.host_id)
        look = self.sight()
        if look is not None:
            agent = Agent(look.status, look.version, seen_at=1) if not look.reason else None
            Inquiries(self.store).answer(inquiry.host_id, inquiry.number, look, agent, keep_seconds=1.0)

    def waiting(self, queues: Collection[str]) -> Mapping[str, int]:
        return dict.fromkeys(queues, 0)

    def tell(self, loss: Loss) -> None:
        self.losses.append(loss)

    def steer(self, moves: Sequence[Move]) -> None:
        assert moves == []


@contextmanager
def at_work(store: Store, registry: HostRegistry) -> Iterator[PlayedWorker]:
    """Let a scheduler and the played worker work inside the block."""
    worker = PlayedWorker(store)
    scheduler = Scheduler(store, registry, Roster(store, alive_seconds=4), worker, "one", LIMITS)
    stop = threading.Event()
    thread = threading.Thread(target=scheduler.run, args=(stop,))
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join()
