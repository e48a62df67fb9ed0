"""Makes the Flask app."""

from flask import Flask, Response
from flask_compress import Compress
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from api import call, envelope, error, trail, unreadable
from api.codec import OrjsonProvider
from api.conditional import CACHED, PUBLIC, UNCHANGING
from api.resource.access_keys import access_keys
from api.resource.agents import agents
from api.resource.audit import audit
from api.resource.console import console
from api.resource.documentation import documentation
from api.resource.events import events
from api.resource.health import health
from api.resource.host_import import host_import
from api.resource.hosts import hosts
from api.resource.overview import overview
from api.resource.page import page
from api.resource.processes import processes
from api.resource.session import session
from api.resource.tasks import tasks
from api.resource.tokens import tokens
from api.resource.users import users as user_routes
from api.resource.webhooks import webhooks
from api.service import NAME, open_services
from api.user import UserStore
from config.settings import Settings
from dag.registry import HostRegistry
from dag.store import Store
from telemetry.call import CallMetrics
from telemetry.span import NO_SPANS, Spans

# JSON beyond a packet's size, also where it is sent in parts; streams of events are not held up by it. Of the 23 MB of
# a task of 10,000 hosts zstd makes 0.3 MB in 10 ms, gzip 1.1 MB in 45 ms (level 6: 0.9 MB in 100 ms).
COMPRESSION = {
    "COMPRESS_ALGORITHM": ["zstd", "gzip"],
    "COMPRESS_ALGORITHM_STREAMING": ["zstd", "gzip"],
    "COMPRESS_MIMETYPES": ["application/json", "text/css", "text/javascript"],
    "COMPRESS_MIN_SIZE": 1400,
    "COMPRESS_LEVEL": 1,
    "COMPRESS_ZSTD_LEVEL": 1,
    # The routes answer 304 by themselves, before the work is done.
    "COMPRESS_EVALUATE_CONDITIONAL_REQUEST": False,
}
CONTRACT = (
    *(agents, processes, hosts, host_import, tasks, overview, events),
    *(user_routes, tokens, access_keys, audit, webhooks),
)


class MusterFlask(Flask):
    """Flask with fast and strict JSON."""

    json_provider_class = OrjsonProvider


class IdConverter(IntegerConverter):
    """An id in a path: up to 19 ASCII digits; anything else is no such page."""

    regex = "[0-9]{1,19}"


def create_app(
    store: Store,
    registry: HostRegistry,
    users: UserStore,
    settings: Settings,
    metrics: CallMetrics | None = None,
    spans: Spans = NO_SPANS,
) -> Flask:
    """Return the app; every call of the contract answers with and without the prefix `/api/v2`."""
    app = MusterFlask("muster", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.api.max_body_bytes
    app.config.update(COMPRESSION)
    app.extensions[NAME] = open_services(store, registry, users, settings, metrics or CallMetrics(), spans)
    app.before_request(envelope.open_call)
    app.before_request(unreadable.refuse)
    # The last one, for Flask calls them from the end: it sees the answer as it is sent.
    app.after_request(call.record)
    app.after_request(_guard_answer)
    app.after_request(trail.record)
    Compress(app)
    error.register(app)
    _add_routes(app)
    if settings.api.proxies:
        # Only so many last entries of X-Forwarded-For are believed: those before them are the caller's own words. Of
        # X-Forwarded-Proto each proxy overwrites what was there.
        app.__dict__["wsgi_app"] = ProxyFix(app.wsgi_app, x_for=settings.api.proxies, x_proto=1)
    return app


def _add_routes(app: Flask) -> None:
    app.url_map.converters["id"] = IdConverter
    # A doubled slash is no such page, not a redirect: a redirected POST loses its body with many clients.
    app.url_map.merge_slashes = False
    for blueprint in (*CONTRACT, documentation):
        app.register_blueprint(blueprint, url_prefix=envelope.PREFIX)
        app.register_blueprint(blueprint, name=f"{blueprint.name}_plain")
    for blueprint in (health, page, console, session):
        app.register_blueprint(blueprint)


def _guard_answer(response: Response) -> Response:
    """Keep answers, which are for one caller and one moment, out of caches, unless their route knows better."""
    if response.headers.get("Cache-Control") not in (CACHED, PUBLIC, UNCHANGING):
        response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
