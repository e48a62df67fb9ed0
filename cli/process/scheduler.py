"""`muster scheduler`: settings in, a process that schedules until it is told to stop.

It loads nothing of the API: half of its start would be that.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cli.connection import open_redis
from config.settings import Settings
from dag.registry import HostRegistry
from dag.roster import Roster
from dag.scheduler import Scheduler, SchedulerLimits
from dag.store import Store
from telemetry.health import Health, answering, turning
from telemetry.listener import listen
from telemetry.registry import new_registry
from telemetry.scheduler import SchedulerMetrics
from telemetry.store import StoreCollector
from workers.app import create_celery
from workers.broker import QueueLengths
from workers.publisher import CeleryPublisher

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def run_scheduler(settings: Settings) -> None:
    """Schedule until SIGTERM or SIGINT; ends within about a second."""
    redis = open_redis(settings)
    store, app, registry = Store(redis), create_celery(settings), new_registry("scheduler")
    scheduler = Scheduler(
        store,
        HostRegistry(redis),
        Roster(store),
        CeleryPublisher(app),
        f"scheduler-{os.getpid()}@{socket.gethostname()}",
        limits(settings),
        SchedulerMetrics(registry),
    )
    lengths = QueueLengths(app)
    registry.register(StoreCollector(store, lengths.of))
    alive = {"loop": turning(lambda: scheduler.turned_at, "The scheduler's loop")}
    ready = {"redis": answering(store.ping), "broker": answering(lengths.ask), "loop": lambda: scheduler.fault}

    listen(settings.metrics, settings.metrics.scheduler_port, registry, Health(alive, ready))
    run_until_signal(scheduler.run)


def run_until_signal(work: Callable[[threading.Event], None]) -> None:
    """Run `work` in a thread until SIGTERM or SIGINT sets its event, or until it ends by an error."""
    stop = threading.Event()
    heard, told = socket.socketpair()
    with heard, told:
        told.setblocking(False)
        # The signal comes as a byte: setting an event in its handler can wait for ever on the lock of the wait that it
        # interrupted.
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_signal: None)
        signal.set_wakeup_fd(told.fileno())
        try:
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(work, stop)
                running.add_done_callback(lambda _ended: told.send(b"."))
                heard.recv(1)
                stop.set()
                running.result()
        finally:
            signal.set_wakeup_fd(-1)


def limits(settings: Settings) -> SchedulerLimits:
    """Return the scheduler's numbers."""
    engine = settings.engine
    return SchedulerLimits(
        lease_seconds=engine.lease_seconds,
        begin_within_seconds=engine.begin_within_seconds,
        most_lost=engine.most_lost,
        sweep_seconds=engine.sweep_seconds,
        claim_after_seconds=engine.claim_after_seconds,
        balance_seconds=engine.balance_seconds,
        retention_seconds=engine.retention_seconds,
        shards_per_zone=engine.shards_per_zone,
    )
