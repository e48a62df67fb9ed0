"""The worker process: Celery's thread pool around the runner, with what keeps it alive and its way to stop."""

import time
import warnings
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import task_received, worker_ready, worker_shutting_down
from redis import Redis

from config.settings import EngineSettings, Settings
from dag.inquiry import Inquiries
from dag.lease import Leases, Run
from dag.registry import HostRegistry
from dag.roster import Roster
from dag.running_log import RunningLogs
from dag.store import Store
from dag.trace import current_id
from telemetry.span import NO_SPANS, Spans
from telemetry.worker import WorkerMetrics
from workers.action.action import LIBRARY, Action
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
from workers.presence import Presence
from workers.profile.profile import profile_folder
from workers.remote.executor import Executor
from workers.remote.settings import ssh_options
from workers.runner import Runner, Step, StepFailed
from workers.strategy import NodeTask


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
    name, limits = worker_name(settings.worker.zone), settings.worker
    store, hosts, folder = Store(redis), HostRegistry(redis), profile_folder(limits)
    held, telling, app = HeldRuns(settings.engine.lease_seconds), Telling(settings), create_celery(settings)
    metrics, spans = telling.metrics, telling.spans
    metrics.expect(actions)
    executor = Executor(ssh_options(settings.ssh), metrics, spans, LIBRARY)
    live = LiveLogs()
    logs = LogSender(live, RunningLogs(store), limits.log_seconds)
    leases = _open_leases(store, settings.engine)
    runner = Runner(leases, hosts, executor, actions, UNDOS, held, name, folder, metrics=metrics, live=live)
    register(app, runner, spans)
    looker = Looker(Inquiries(store), hosts, executor, limits.look_seconds, limits.look_keep_seconds, folder)
    register_looks(app, looker, spans)
    presence, beating = Presence(name, settings, held), Store(impatient)
    heartbeat = Heartbeat(_open_leases(beating, settings.engine), Roster(beating), held, presence.describe)
    ear = _open_ear(app, Roster(beating), presence, held)
    _connect_signals(presence, ear, metrics)
    telling.watch(held, executor, heartbeat)
    heartbeat.start()
    logs.start()
    telling.start(WorkerHealth(name, beating, heartbeat, ear, QueueLengths(app)).checks(presence.is_draining))
    try:
        _create_worker(app, name, limits.threads).start()
    finally:
        ear.stop()
        logs.stop()
        heartbeat.stop()
        held.cancel_all()
        executor.close()
        telling.stop()


def _open_leases(store: Store, engine: EngineSettings) -> Leases:
    return Leases(store, lease_seconds=engine.lease_seconds, retention_seconds=engine.retention_seconds)


def _open_ear(app: Celery, roster: Roster, presence: Presence, held: HeldRuns) -> Ear:
    return Ear(QueueLengths(app), presence.describe, roster.orders, lambda: replace_process(held))


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


def _connect_signals(presence: Presence, ear: Ear, metrics: WorkerMetrics) -> None:
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
