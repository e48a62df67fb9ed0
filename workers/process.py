"""The worker process: Celery's thread pool around the runner, with what keeps it alive and its way to stop."""

import signal
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import task_received, worker_ready, worker_shutting_down
from redis import Redis

from config.settings import Settings, WorkerSettings
from dag.inquiry import Inquiries
from dag.lease import Leases, Run
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.running_log import RunningLogs
from dag.store import Store
from dag.trace import current_id
from telemetry.span import NO_SPANS, Spans
from telemetry.worker import WorkerMetrics
from workers.action.action import Action
from workers.action.registry import ACTIONS, UNDOS
from workers.app import IDLE_QUEUE, create_celery
from workers.broker import QueueLengths
from workers.condition import Telling, WorkerHealth
from workers.ear import Ear, replace_process
from workers.heartbeat import Heartbeat
from workers.held import HeldRuns
from workers.live_log import LiveLogs, LogSender
from workers.looker import Looker, register_looks
from workers.name import worker_name
from workers.profile.profile import profile_names
from workers.remote.executor import Executor
from workers.remote.settings import ssh_options
from workers.runner import Runner, Step, StepFailed
from workers.strategy import NodeTask


def profile_folder(settings: WorkerSettings) -> Path | None:
    """Return the operator's own folder of profiles, None where there is none."""
    return Path(settings.profile_dir) if settings.profile_dir else None


def register(app: Celery, runner: Runner, spans: Spans = NO_SPANS) -> None:
    """Make one Celery task of each action, under its own name, so that Flower shows what the DAG shows."""
    for action in ACTIONS:

        def step(*, _action: str = action, **message: Any) -> str:
            return runner.run(Step(run_of(message), _action, message["timeout"], current_id()))

        words = {"throws": (StepFailed,), "spans": spans, "ignore_result": True, "serializer": "json"}
        app.task(step, name=action, base=NodeTask, **words)


def run_of(message: dict[str, Any]) -> Run:
    """Return the run that a message's keyword arguments name."""
    return Run(message["task"], message["offset"], message["attempt"], message["host"], message["index"])


def run_worker(settings: Settings, redis: Redis, impatient: Redis, actions: Mapping[str, Action] = ACTIONS) -> None:
    """Run a worker in this process until SIGTERM: what runs is finished, a second one gives it up.

    `impatient` is a client of the same Redis whose calls end within a second or two: the heartbeat must be able to try
    again within a lease. `actions` must have the names of the shipped ones.
    """
    name = worker_name(settings.worker.zone)
    engine = settings.engine
    store = Store(redis)
    leases = Leases(store, lease_seconds=engine.lease_seconds, retention_seconds=engine.retention_seconds)
    held = HeldRuns(engine.lease_seconds)
    telling = Telling(settings)
    metrics, spans = telling.metrics, telling.spans
    executor = Executor(ssh_options(settings.ssh), metrics, spans)
    folder = profile_folder(settings.worker)
    app = create_celery(settings)
    hosts = HostRegistry(redis)
    live = LiveLogs()
    logs = LogSender(live, RunningLogs(store), settings.worker.log_seconds)
    register(
        app, Runner(leases, hosts, executor, actions, UNDOS, held, name, folder, metrics=metrics, live=live), spans
    )
    limits = (settings.worker.look_seconds, settings.worker.look_keep_seconds)
    register_looks(app, Looker(Inquiries(store), hosts, executor, *limits, folder), spans)
    presence = Presence(name, settings, held)
    beating = Store(impatient)
    renewals = Leases(beating, lease_seconds=engine.lease_seconds, retention_seconds=engine.retention_seconds)
    roster = Roster(beating)
    heartbeat = Heartbeat(renewals, roster, held, presence.describe)
    ear = Ear(
        QueueLengths(app), presence.describe, lambda: roster.orders(roster.alive()), lambda: replace_process(held)
    )
    _connect_signals(presence, ear, metrics)
    telling.watch(held, executor, heartbeat)
    heartbeat.start()
    logs.start()
    telling.start(WorkerHealth(name, beating, heartbeat, ear, QueueLengths(app)).checks(presence.is_draining))
    try:
        _create_worker(app, name, settings.worker.threads).start()
    finally:
        ear.stop()
        logs.stop()
        heartbeat.stop()
        held.cancel_all()
        executor.close()
        telling.stop()


def _create_worker(app: Celery, name: str, threads: int) -> Any:
    # It warns of root because of pickle; here messages are JSON and nothing else.
    warnings.simplefilter("ignore", SecurityWarning)
    return app.Worker(
        hostname=name,
        pool="threads",
        concurrency=threads,
        queues=[IDLE_QUEUE],
        loglevel="INFO",
        without_mingle=True,
        without_gossip=True,
        task_events=True,
        quiet=True,
    )


def _connect_signals(presence: "Presence", ear: Ear, metrics: WorkerMetrics) -> None:
    def ready(sender: Any, **_signal: Any) -> None:
        presence.consumer = sender
        ear.start()

    def shutting_down(**_signal: Any) -> None:
        ear.cease()
        presence.drain()

    def received(request: Any, **_signal: Any) -> None:
        # An inquiry is no run: whoever waits for it asks again.
        if request.name not in ACTIONS:
            presence.receive(None)
            return
        presence.receive(run_of(request.kwargs))
        metrics.arrived(request.name, time.time() - request.sent_at)

    worker_ready.connect(ready, weak=False)
    worker_shutting_down.connect(shutting_down, weak=False)
    task_received.connect(received, weak=False)


class Presence:
    """What this worker is and does, as its heartbeat tells it: Celery's own view of the queues that it consumes."""

    def __init__(self, name: str, settings: Settings, held: HeldRuns) -> None:
        self._name, self._settings, self._held = name, settings.worker, held
        self.consumer: Any = None
        self._received = 0
        self._draining = False

    def receive(self, run: Run | None) -> None:
        """Note a message that has reached this worker, and the run that it is about."""
        self._received += 1
        if run:
            self._held.receive(run)

    def is_draining(self) -> bool:
        """Tell whether the process was told to stop."""
        return self._draining

    def drain(self) -> None:
        """Take nothing new; finish what runs, until a second SIGTERM or the end of `drain_seconds` gives it up.

        Called by Celery's handler of a signal, in the main thread, which may hold any lock: hence the threads.
        """
        self._draining = True
        threading.Thread(target=self._held.drop_received, daemon=True).start()
        limit = threading.Timer(self._settings.drain_seconds, self._held.cancel_all)
        limit.daemon = True
        limit.start()
        signal.signal(signal.SIGTERM, self._stop_at_once)

    def _stop_at_once(self, *_signal: object) -> None:
        threading.Thread(target=self._held.cancel_all, daemon=True).start()

    def describe(self) -> Worker:
        """Return this worker as it is now."""
        consumer = getattr(self.consumer, "task_consumer", None)
        # Not started yet, or reconnecting: it could not be steered, so it is not offered shards.
        is_away = self._draining or consumer is None
        queues = [] if consumer is None or is_away else [queue.name for queue in consumer.queues]
        return Worker(
            self._name,
            self._settings.zone,
            frozenset(name for name in queues if name.startswith("hosts.")),
            draining=is_away,
            free=max(0, self._settings.threads - self._held.busy),
            received=self._received,
            profiles=profile_names(profile_folder(self._settings)),
        )
