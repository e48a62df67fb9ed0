"""Planted secrets: passwords, tokens and secret keys are in no log, no error, no repr, and not in Redis in clear."""

import base64
import json
import logging
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api.user import Change, UserStore
from tests.iam import PASSWORD, SECRET_KEY, Iam, bearer, call
from tests.signing import signed_headers

PLANTED = "planted-password-0815"
WRONG = "planted-mistake-0815"


def everything(redis: Redis) -> str:
    """All that the store holds, as text."""
    found: list[Any] = []
    for key in redis.keys("*"):
        match redis.type(key):
            case "hash":
                found.append(redis.hgetall(key))
            case "string":
                found.append(redis.get(key))
            case "stream":
                found.append(redis.xrange(key))
            case "zset":
                found.append(redis.zrange(key, 0, -1))
            case "list":
                found.append(redis.lrange(key, 0, -1))
            case "none":
                continue  # its time was over between the two commands
            case kind:
                pytest.fail(f"{key!r} is a {kind!r}, which is not looked at")
        found.append(key)
    return str(found)


def test_planted_secrets_stay_where_they_belong(
    iam: Iam, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        iam.data("POST", "/iam/users", {"name": "ann", "password": PLANTED, "roles": ["ADMIN"]})
        auth = ("ann", PLANTED)
        token = json.loads(call(iam.app, "POST", "/iam/tokens", {"name": "t"}, auth=auth).data)["data"]
        key = json.loads(call(iam.app, "POST", "/iam/accessKeys", {"name": "k"}, auth=auth).data)["data"]
        answers = attempts(iam, token["token"], key)
    statuses = [answer.status_code for answer in answers]
    assert [status for status in (200, 400, 401) if status not in statuses] == []
    secrets = [PLANTED, WRONG, token["token"].split("_", 2)[2], key["secretKey"], SECRET_KEY, PASSWORD]
    secrets += [base64.b64encode(f"ann:{password}".encode()).decode() for password in (PLANTED, WRONG)]
    places = {
        "redis": everything(iam.redis),
        "log": str(lines) + caplog.text + "".join(capfd.readouterr()),
        "answers": "".join(answer.text for answer in answers),
    }
    assert len(lines) >= 5
    assert [(place, secret) for place, text in places.items() for secret in secrets if secret in text] == []


def attempts(iam: Iam, token: str, key: dict[str, Any]) -> list[TestResponse]:
    """Calls that carry secrets, most of them wrong in some way."""
    auth = ("ann", PLANTED)

    def post(path: str, body: Any, **how: Any) -> TestResponse:
        return call(iam.app, how.pop("method", "POST"), path, body, **{"auth": auth, **how})

    signed = signed_headers(key, "GET", "localhost", "/compute/hosts")
    return [
        call(iam.app, "GET", "/iam/me", auth=auth),
        call(iam.app, "GET", "/iam/me", auth=("ann", WRONG)),
        call(iam.app, "GET", "/iam/me", auth=(WRONG, PLANTED)),
        call(iam.app, "DELETE", "/iam/users/1", auth=(WRONG, WRONG)),
        call(iam.app, "GET", "/iam/me", headers=bearer(token)),
        call(iam.app, "DELETE", "/iam/users/1", headers=bearer(token + "x")),
        call(iam.app, "GET", "/compute/hosts", headers=signed),
        call(iam.app, "GET", "/compute/hosts", headers=signed),
        call(
            iam.app, "GET", "/compute/hosts", headers={"Authorization": f"OCP-ACCESS-KEY-HMACSHA1 {key['secretKey']}:x"}
        ),
        post("/iam/users", {"name": "ann", "password": PLANTED, "roles": ["ADMIN"]}),
        post("/iam/users", {"name": "bob", "password": [PLANTED], "roles": ["ADMIN"]}),
        post("/iam/users", {"name": "bob", "password": PLANTED + "\n", "roles": ["ADMIN"]}),
        post("/iam/users", {"name": "bob", "pasword": PLANTED, "roles": ["ADMIN"]}),
        post("/iam/users/1", {"password": PLANTED, "enabled": "x"}, method="PATCH"),
        post("/iam/me/password", {"currentPassword": WRONG, "password": PLANTED}),
        post("/iam/me/password", {"currentPassword": PLANTED, "password": PLANTED}),
    ]


def test_no_repr_shows_a_secret(iam: Iam) -> None:
    made = iam.data("POST", "/iam/tokens", {"name": "t"})
    access = iam.app.extensions["muster"].access
    token = access.tokens.verify(made["token"])
    kept = iam.redis.hget("{iam}:tokens", made["id"])
    digest = json.loads(str(kept))["secret"]
    text = repr([token, access, iam.settings, Change("planted-hash"), access.access_keys, UserStore(iam.redis)])
    assert [word for word in (made["token"], digest, SECRET_KEY, "planted-hash") if word in text] == []
