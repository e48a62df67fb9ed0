"""Wires the processes of Muster: settings in, a process that runs until it is told to stop."""

import atexit
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog
from prometheus_client import CollectorRegistry
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.app import create_app
from api.server import LimitedWorker, is_ending, serve
from api.user import IllegalUser, Role, UserExists, UserStore
from api.webhook.deliverer import Deliverer
from api.webhook.delivery import Deliveries
from api.webhook.hook import Hooks
from cli.connection import connect, open_redis, require_version
from cli.error import UsageError
from cli.port import require_free
from config.address import reachable
from config.settings import ApiSettings, MetricsSettings, Settings
from dag.registry import HostRegistry
from dag.roster import Roster
from dag.scheduler import Scheduler, SchedulerLimits
from dag.store import Store
from telemetry.call import CallMetrics
from telemetry.health import Health, answering, turning
from telemetry.listener import listen
from telemetry.registry import new_registry
from telemetry.scheduler import SchedulerMetrics
from telemetry.span import Spans
from telemetry.store import StoreCollector
from telemetry.tracing import open_spans
from workers.action.action import Action
from workers.app import create_celery
from workers.broker import QueueLengths
from workers.publisher import CeleryPublisher

# A renewal that takes longer is tried again: the shortest lease is 2 s.
HEARTBEAT_TIMEOUT_SECONDS = 1.0
SHORTEST_SECRET_KEY = 32
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = structlog.get_logger()


def run_api(settings: Settings) -> None:
    """Answer calls until SIGTERM or SIGINT."""
    api = settings.api
    if 0 < len(api.secret_key) < SHORTEST_SECRET_KEY:
        raise UsageError(
            f"api.secret_key (MUSTER_API_SECRET_KEY) must have at least {SHORTEST_SECRET_KEY} characters; "
            "`openssl rand -hex 32` makes one."
        )
    port = require_free(api.host, api.port, "The API", "api.port (MUSTER_API_PORT)")
    redis = open_redis(settings)
    users = UserStore(redis)
    make_first_user(users, api)
    store, registry = Store(redis), new_registry("api")
    spans = open_spans(settings.otel, "api")
    app = create_app(store, HostRegistry(redis), users, settings, CallMetrics(registry), spans)
    deliverer = create_deliverer(store, settings)

    def start(worker: LimitedWorker) -> None:
        _start_telling(worker, settings.metrics, registry, store, spans)
        deliverer.start()

    url = f"http://{reachable(api.host)}:{port}"
    serve(
        app,
        api.host,
        port,
        api.threads + api.streams,
        timeout_seconds=api.request_timeout_seconds,
        on_ready=lambda: log.info("the API listens", url=url),
        on_start=start,
    )


def _start_telling(
    worker: LimitedWorker, settings: MetricsSettings, registry: CollectorRegistry, store: Store, spans: Spans
) -> None:
    """Tell how the API is; called in the process that gunicorn has forked to answer."""
    spans.start()
    atexit.register(spans.stop)
    alive = {"connections": turning(lambda: worker.turned_at, "The thread that takes connections")}
    ready = {
        "redis": answering(store.ping),
        "stopping": lambda: "The API was told to stop." if is_ending() else "",
    }
    listen(settings, settings.api_port, registry, Health(alive, ready))


def create_deliverer(store: Store, settings: Settings) -> Deliverer:
    """Return what tells webhooks' receivers, to be started; UsageError where the denied networks are none."""
    limits = settings.webhook
    hooks = Hooks(store.redis, settings.api.secret_key)
    deliveries = Deliveries(store.redis, most=limits.keep, keep_seconds=limits.keep_seconds)
    name = f"api-{os.getpid()}@{socket.gethostname()}"
    try:
        return Deliverer(store, hooks, deliveries, limits, settings.api.url, name)
    except ValueError as error:
        raise UsageError(f"webhook.denied_networks (MUSTER_WEBHOOK_DENIED_NETWORKS): {error}.") from None


def make_first_user(users: UserStore, api: ApiSettings) -> None:
    """Make the first user, who may do everything; one that exists stays as it is."""
    if users.find(api.admin_user):
        return
    password = api.admin_password or secrets.token_urlsafe(18)
    try:
        users.add(api.admin_user, password, [Role.ADMIN])
    except UserExists:
        # Another API was quicker; it has told the password.
        return
    except IllegalUser as error:
        raise UsageError(f"api.admin_user or api.admin_password can't be used: {error}") from None
    if not api.admin_password:
        text = f"User {api.admin_user!r} was made with the password {password} (not shown again)."
        print(text, file=sys.stderr, flush=True)


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


def run_worker(settings: Settings, actions: Mapping[str, Action] | None = None) -> None:
    """Run nodes until SIGTERM: what runs is finished, a second one gives it up.

    `actions` take the place of the shipped ones, under the same names (a benchmark's do nothing).
    """
    # Fabric takes a while to import, which the other processes need not wait for.
    from workers import process
    from workers.action.registry import ACTIONS
    from workers.remote.error import KeyFileError

    redis = open_redis(settings)
    require_version(redis)
    seconds = min(settings.redis.timeout_seconds, HEARTBEAT_TIMEOUT_SECONDS)
    impatient = connect(settings, seconds, Retry(NoBackoff(), 1))
    try:
        process.run_worker(settings, redis, impatient, actions or ACTIONS)
    except KeyFileError as error:
        raise UsageError(str(error)) from None
