"""An API with a user of each role, for tests about who may call."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest.mock import patch

from argon2 import PasswordHasher
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from api import password
from api.app import create_app
from api.user import Role, UserStore
from config.settings import ApiSettings, Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store

SECRET_KEY = "a key that is long enough for tests"
PASSWORD = "correct horse"


@cache
def hashed(hasher: PasswordHasher) -> str:
    """The password's hash, one for all users."""
    return hasher.hash(PASSWORD)


def call(app: Flask, method: str, path: str, body: Any = None, **kwargs: Any) -> TestResponse:
    """Make one call; a body is sent as JSON."""
    if body is not None:
        kwargs |= {"data": json.dumps(body), "content_type": "application/json"}
    return app.test_client().open(path, method=method, **kwargs)


@dataclass
class Iam:
    """The app, and a call as one of its users: `admin`, and one in lower case for each role."""

    redis: Redis
    settings: ApiSettings = field(default_factory=lambda: ApiSettings(secret_key=SECRET_KEY))

    def __post_init__(self) -> None:
        self.users = UserStore(self.redis)
        with patch("api.user.hash_password", return_value=hashed(password._HASHER)):
            for role in (Role.ADMIN, *sorted(set(Role) - {Role.ADMIN})):
                self.users.add(role.lower(), PASSWORD, [role])
        self.registry = HostRegistry(self.redis)
        self.registry.create([Host(0, "10.0.0.1", name="web-1")])
        self.app = self.another(self.registry)

    def another(
        self, registry: HostRegistry | None = None, store: Store | None = None, users: UserStore | None = None
    ) -> Flask:
        """One more API process on the same store."""
        registry, store = registry or HostRegistry(self.redis), store or Store(self.redis)
        return create_app(store, registry, users or UserStore(self.redis), Settings(api=self.settings))

    def call(
        self, method: str, path: str, body: Any = None, *, user: str = "admin", app: Flask | None = None, **kwargs: Any
    ) -> TestResponse:
        return call(app or self.app, method, path, body, auth=(user, PASSWORD), **kwargs)

    def data(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Any:
        """What a call gives that must succeed."""
        answer = self.call(method, path, body, **kwargs)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.data).get("data")

    def refused(self, status: int, code: int, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The error of a call that must be refused so."""
        return error_of(self.call(*args, **kwargs), status, code)


def error_of(answer: TestResponse, status: int, code: int) -> dict[str, Any]:
    body = json.loads(answer.data)
    assert (answer.status_code, body["status"], body.get("error", {}).get("code")) == (status, status, code), body
    assert body["successful"] is False
    found: dict[str, Any] = body["error"]
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
