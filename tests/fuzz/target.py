"""What is called: an API on fakeredis."""

from base64 import b64encode
from ipaddress import ip_address
from itertools import count
from typing import Any

import fakeredis
from flask import Flask

from api.app import create_app
from api.user import KEY, Role, UserStore
from config.settings import ApiSettings, Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store
from tests.iam import PASSWORD, SECRET_KEY

ADMIN = "admin"
# Nobody answers for hosts here, and a flood of calls is what this is about.
LIMITS = ApiSettings(
    secret_key=SECRET_KEY, look_seconds=0.01, operation_seconds=0.01, rate_per_second=1_000_000, rate_burst=1_000_000
)


class Front:
    """Stands before the app: the administrator is there at each call, whatever became of it, and calls from elsewhere.

    So no failed login slows the next call, and the calls can't lock themselves out.
    """

    def __init__(self, app: Any, redis: Any) -> None:
        self._app, self._redis, self._calls = app, redis, count()
        self._admin = redis.hget(KEY, ADMIN)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self._redis.hset(KEY, ADMIN, self._admin)
        # Schemathesis would not unpack them.
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        environ["REMOTE_ADDR"] = str(ip_address("10.0.0.0") + next(self._calls))
        return self._app(environ, start_response)


def make_app() -> Flask:
    """The app with an administrator and some hosts."""
    redis = fakeredis.FakeRedis(decode_responses=True)
    users, registry = UserStore(redis), HostRegistry(redis)
    users.add(ADMIN, PASSWORD, [Role.ADMIN])
    registry.create([Host(0, f"10.0.0.{n}", name=f"web-{n}") for n in range(1, 4)])
    app = create_app(Store(redis), registry, users, Settings(api=LIMITS))
    app.__dict__["wsgi_app"] = Front(app.wsgi_app, redis)
    return app


def proof() -> dict[str, str]:
    """The header by which the administrator calls."""
    return {"Authorization": "Basic " + b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode()}
