"""A small API on fakeredis, for tests of what it takes and refuses: three hosts, an administrator and a viewer."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fakeredis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.user import KEY, Permission, UserStore
from config.settings import ApiSettings, Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store

ADMIN = ("admin", "correct horse")
VIEWER = ("viewer", "battery staple")
CREATE = "/compute/hosts/batchCreate"
DELETE = "/compute/hosts/batchDelete"
LIMIT = 8


@dataclass
class SmallApi:
    """A client, and what is behind it; hosts 1 to 3, at most LIMIT of which a call may name."""

    client: FlaskClient
    redis: fakeredis.FakeRedis
    registry: HostRegistry
    store: Store

    def dump(self) -> dict[str, Any]:
        """All that is kept, but for the traces of each call (audit log, counters)."""
        keys = sorted(key for key in map(str, self.redis.keys()) if key == KEY or not key.startswith("{iam}:"))
        return {key: self.redis.dump(key) for key in keys}

    def post(self, path: str, body: Any, auth: tuple[str, str] | None = ADMIN, **kwargs: Any) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data=data, auth=auth, **{"content_type": "application/json", **kwargs})

    def get(self, path: str, auth: tuple[str, str] | None = ADMIN) -> TestResponse:
        return self.client.get(path, auth=auth)


@contextmanager
def small_api() -> Iterator[SmallApi]:
    redis = fakeredis.FakeRedis(decode_responses=True)
    store, registry, users = Store(redis), HostRegistry(redis), UserStore(redis)
    users.ensure_admin(*ADMIN)
    users.add(*VIEWER, [Permission.HOST_VIEWER])
    registry.create([Host(0, f"10.0.0.{n}", name=f"web-{n}") for n in range(1, 4)])
    settings = Settings(api=ApiSettings(max_hosts=LIMIT, max_body_bytes=4096, server_name="here"))
    yield SmallApi(create_app(store, registry, users, settings).test_client(), redis, registry, store)
    redis.close()


def refused(answer: TestResponse, status: int, code: int) -> dict[str, Any]:
    """Check the envelope of a failure and return its error."""
    body = json.loads(answer.data)
    assert (answer.status_code, body["status"], body["error"]["code"]) == (status, status, code)
    assert set(body) == {"duration", "error", "server", "status", "successful", "timestamp", "traceId"}
    assert body["successful"] is False
    assert re.fullmatch(r"[0-9a-f]{16}", body["traceId"])
    found: dict[str, Any] = body["error"]
    return found
