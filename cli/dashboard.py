"""Flower in this process: set up from the settings, so that no secret stands on a command line."""

import logging
import os
import secrets
import signal
import sys
from types import FrameType
from typing import NoReturn

import structlog
from flower.app import Flower
from flower.events import Events
from flower.options import options
from flower.urls import settings as handler_settings
from tornado.ioloop import IOLoop, PeriodicCallback

from cli.connection import open_redis
from cli.flower_page import HANDLERS
from cli.flower_state import NodeState
from cli.flower_store import LOOK_SECONDS, Reconciler
from cli.port import require_free
from config.address import reachable
from config.settings import Settings
from dag.roster import Roster
from dag.store import Store
from workers.app import create_celery

# What its list of tasks shows; each column costs width, and the reason of a failure is to be seen without scrolling.
COLUMNS = "name,uuid,state,args,kwargs,exception,received,runtime,worker,routing_key"

log = structlog.get_logger()


def run_flower(settings: Settings) -> None:
    """Show the workers in a browser until SIGTERM or SIGINT; the first user's name and password open it."""
    host = settings.api.host
    port = require_free(host, settings.flower.port, "Flower", "flower.port (MUSTER_FLOWER_PORT)")
    # A broker that is away would only be told of in its log, again and again.
    store = Store(open_redis(settings))
    _configure(settings, port, _password(settings))
    flower = _create(settings, store)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    look = Reconciler(flower.events.state, store, flower.io_loop).look
    PeriodicCallback(look, LOOK_SECONDS * 1000).start()
    flower.start_http_server()
    log.info("Flower listens", url=f"http://{reachable(host)}:{port}", user=settings.api.admin_user)
    flower.start()


def _create(settings: Settings, store: Store) -> Flower:
    app, loop = create_celery(settings), IOLoop.current()
    events = Events(app, loop, max_tasks_in_memory=options.max_tasks, max_workers_in_memory=options.max_workers)
    events.state = NodeState(max_tasks_in_memory=options.max_tasks, max_workers_in_memory=options.max_workers)
    own = {
        "console_url": settings.api.url,
        "shards_per_zone": settings.engine.shards_per_zone,
        "roster": Roster(store),
    }
    flower = Flower(capp=app, options=options, events=events, io_loop=loop, **{**handler_settings, **own})
    # Asked before Flower's own.
    flower.add_handlers(".*", HANDLERS)
    return flower


def _configure(settings: Settings, port: int, password: str) -> None:
    # It would open the parts that change things to everybody.
    os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)
    options.address = settings.api.host
    options.port = port
    options.basic_auth = [f"{settings.api.admin_user}:{password}"]
    options.max_tasks, options.max_workers = settings.flower.max_tasks, settings.flower.max_workers
    options.purge_offline_workers = settings.flower.forget_seconds
    options.tasks_columns = COLUMNS
    # ms; a worker that has its hands full may take longer than Flower's one second, and would have no page.
    options.inspect_timeout = 3000.0
    # Tasks are steered through the API, which knows their leases; here they are looked at.
    options.read_only = True
    logging.getLogger("tornado.access").setLevel(logging.ERROR)


def _password(settings: Settings) -> str:
    if settings.api.admin_password:
        return settings.api.admin_password
    password = secrets.token_urlsafe(18)
    user = settings.api.admin_user
    print(f"Flower opens to user {user!r} with the password {password} (until it ends).", file=sys.stderr, flush=True)
    return password


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    # It keeps nothing on disk, and its own way to stop waits for calls to a broker that may be gone.
    os._exit(0)
