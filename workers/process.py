"""The worker process: Celery's thread pool around the runner, with its heartbeat and its way to stop."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down
from redis import Redis

from config.settings import Settings
from dag.inquiry import Inquiries
from dag.lease import Leases, Run
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.store import Store
from workers.action.registry import ACTIONS
from workers.app import IDLE_QUEUE, create_celery
from workers.held import Heartbeat, HeldRuns
from workers.looker import Looker, register_looks
from workers.remote.executor import Executor
from workers.remote.settings import ssh_options
from workers.runner import Runner, Step, StepFailed

log = logging.getLogger(__name__)

ALIVE_SECONDS = 4.0


def worker_name(zone: str) -> str:
    """Return a name that no other live worker has."""
    return f"{zone}-{os.getpid()}@{socket.gethostname()}"


def register(app: Celery, runner: Runner) -> None:
    """Make one Celery task of each action, under its own name, so that Flower shows what the DAG shows."""
    for action in ACTIONS:

        def step(*, _action: str = action, **message: Any) -> str:
            return runner.run(_step(_action, message))

        app.task(step, name=action, throws=(StepFailed,), ignore_result=True, serializer="json")


def _step(action: str, message: dict[str, Any]) -> Step:
    run = Run(message["task"], message["offset"], message["attempt"], message["host"], message["index"])
    return Step(run, action, message["timeout"], message["trace"])


def run_worker(settings: Settings, redis: Redis) -> None:
    """Run a worker in this process until SIGTERM (finishes what runs) or SIGQUIT (stops at once)."""
    store = Store(redis)
    name = worker_name(settings.worker.zone)
    engine = settings.engine
    leases = Leases(store, lease_seconds=engine.lease_seconds, retention_seconds=engine.retention_seconds)
    held = HeldRuns(engine.lease_seconds)
    executor = Executor(ssh_options(settings.ssh))
    folder = Path(settings.worker.profile_dir) if settings.worker.profile_dir else None
    app = create_celery(settings)
    hosts = HostRegistry(redis)
    register(app, Runner(leases, hosts, executor, ACTIONS, held, name, folder))
    limits = (settings.worker.look_seconds, settings.worker.look_keep_seconds)
    register_looks(app, Looker(Inquiries(store), hosts, executor, *limits, folder))
    state = _State(name, settings.worker.zone)
    heartbeat = Heartbeat(leases, Roster(store, alive_seconds=ALIVE_SECONDS), held, state.describe)
    worker_ready.connect(state.ready, weak=False)
    worker_shutting_down.connect(state.draining, weak=False)
    worker = app.Worker(
        hostname=name,
        pool="threads",
        concurrency=settings.worker.threads,
        queues=[IDLE_QUEUE],
        loglevel="INFO",
        without_mingle=True,
        without_gossip=True,
        task_events=True,
    )
    heartbeat.start()
    try:
        worker.start()
    finally:
        heartbeat.stop()
        held.cancel_all()
        executor.close()


class _State:
    """What the heartbeat tells of this worker: Celery's own view of the queues that it consumes."""

    def __init__(self, name: str, zone: str) -> None:
        self._name, self._zone = name, zone
        self._consumer: Any = None
        self._draining = False

    def ready(self, sender: Any, **_signal: Any) -> None:
        self._consumer = sender

    def draining(self, **_signal: Any) -> None:
        self._draining = True

    def describe(self) -> Worker:
        consumer = getattr(self._consumer, "task_consumer", None)
        queues = [queue.name for queue in consumer.queues] if consumer else []
        shards = frozenset(name for name in queues if name.startswith("hosts."))
        # Not started yet: it could not be steered, so it is not offered shards.
        return Worker(self._name, self._zone, shards, draining=self._draining or consumer is None)
