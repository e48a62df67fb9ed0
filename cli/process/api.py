"""`muster api`: settings in, a process that answers calls until it is told to stop."""

import atexit
import os
import secrets
import socket
import sys

import structlog
from prometheus_client import CollectorRegistry

from api.app import create_app
from api.server import LimitedWorker, is_ending, serve
from api.user import IllegalUser, Role, UserExists, UserStore
from api.webhook.deliverer import Deliverer
from api.webhook.delivery import Deliveries
from api.webhook.hook import Hooks
from cli.connection import open_redis
from cli.error import UsageError
from cli.port import require_free
from config.address import reachable
from config.settings import ApiSettings, MetricsSettings, Settings
from dag.registry import HostRegistry
from dag.store import Store
from telemetry.call import CallMetrics
from telemetry.health import Health, answering, turning
from telemetry.listener import listen
from telemetry.registry import new_registry
from telemetry.span import Spans
from telemetry.tracing import open_spans

SHORTEST_SECRET_KEY = 32

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
