"""Signed requests: fixed vectors, and the whole way with a client that computes its signatures on its own."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api.access_key import SKEW_SECONDS, AccessKeys, SpentSignature
from api.cipher import Cipher, WrongKey
from api.credential import CredentialStore, Wish
from api.signature import Message, is_signed, sign, strings_to_sign
from config.settings import ApiSettings
from tests.iam import Iam, call, error_of
from tests.signing import signed_headers, url

HOST = "localhost"
DATE = "Tue, 17 Jan 2023 03:36:01 GMT"
AT = 1673926561.0

# Computed with `openssl dgst -sha1 -hmac s3cr3t-of-the-vectors -binary | base64` and `md5sum`.
VECTORS = [
    ("GET", "/api/v2/compute/hosts", {}, b"", "XHW1gG9VMFFbAp7Vhta5R7AZ3xQ="),
    (
        "GET",
        "/api/v2/compute/hosts?size=10&page=1&keyword=a%20b",
        {"content-type": "application/json", "x-ocp-origin": "mcp-server"},
        b"",
        "P4RqhOYFevEwk0n0pTnJwzDE91I=",
    ),
    (
        "POST",
        "/compute/hosts/batchRestartAgents",
        {"content-type": "application/json", "x-ocp-origin": "mcp-server", "x-ocp-date": "today"},
        b'{"hostIds": [1, 2]}',
        "ArvhPPLAaw+pUCv3YVNv2eEQ5zA=",
    ),
    # As Java's URLEncoder spells it.
    ("GET", "/tasks/instances?keyword=a+b*&size=10", {}, b"", "SYZCz5rqnereRgk4930na1UrCOo="),
    # In any order and spelling on the way.
    ("GET", "/tasks/instances?b=1&a&b=%c3%bc/", {}, b"", "WKTP9WuCtf63ta7wXLMOjFCHG+k="),
]


@pytest.mark.parametrize(("method", "target", "headers", "body", "signature"), VECTORS)
def test_fixed_vectors(method: str, target: str, headers: dict[str, str], body: bytes, signature: str) -> None:
    message = Message(method, target, {"host": "ocp.example:8080", "date": DATE, **headers}, body)
    assert is_signed(message, "s3cr3t-of-the-vectors", signature)
    for other in (
        Message("PUT", target, message.headers, body),
        Message(method, target + "x", message.headers, body),
        Message(method, target, {**message.headers, "host": "ocp.example"}, body),
        Message(method, target, {**message.headers, "x-ocp-origin": "other"}, body),
        Message(method, target, {**message.headers, "content-type": "text/plain"}, body),
        Message(method, target, {**message.headers, "date": "Tue, 17 Jan 2023 03:36:02 GMT"}, body),
        Message(method, target, message.headers, body + b" "),
    ):
        assert not is_signed(other, "s3cr3t-of-the-vectors", signature)
    assert not is_signed(message, "another secret", signature)


def make_key(iam: Iam, **wish: Any) -> dict[str, Any]:
    found: dict[str, Any] = iam.data("POST", "/iam/accessKeys", {"name": "mcp", **wish})
    return found


def send(iam: Iam, key: dict[str, Any], method: str, path: str, **how: Any) -> TestResponse:
    params, body = how.pop("params", None), how.pop("body", b"")
    headers = signed_headers(key, method, HOST, path, params, body, **how)
    return call(iam.app, method, url(path, params), headers=headers, data=body)


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
@pytest.mark.parametrize("extra", [{}, {"x-ocp-origin": "mcp-server", "x-ocp-a": "1"}])
def test_a_signed_call_is_its_owners(iam: Iam, prefix: str, extra: dict[str, str]) -> None:
    key = make_key(iam, user="operator")
    params = {"size": "5", "keyword": "web & co/ü", "page": "1"}
    assert send(iam, key, "GET", f"{prefix}/compute/hosts", params=params, extra=extra).status_code == 200
    body = json.dumps({"hostIds": [1]}).encode()
    answer = send(iam, key, "POST", f"{prefix}/compute/hosts/batchRestartAgents", body=body, extra=extra)
    assert json.loads(answer.data)["data"]["creator"] == "operator"
    error_of(send(iam, key, "GET", f"{prefix}/iam/users", extra=extra), 403, 30014)


def test_a_signature_counts_once_on_all_api_processes(iam: Iam) -> None:
    headers = signed_headers(make_key(iam), "GET", HOST, "/compute/hosts")
    assert call(iam.app, "GET", "/compute/hosts", headers=headers).status_code == 200
    for app in (iam.app, iam.another()):
        found = error_of(call(app, "GET", "/compute/hosts", headers=headers), 401, 30000)
        assert "used before" in found["message"]


def test_who_polls_within_a_second_or_has_a_wrong_clock_is_told_and_not_locked_out(iam: Iam) -> None:
    """OCP's clients sign the same call in the same way all second long; a wrong secret is slowed after five."""
    key = make_key(iam)
    headers = signed_headers(key, "GET", HOST, "/compute/hosts")
    assert call(iam.app, "GET", "/compute/hosts", headers=headers).status_code == 200
    for _ in range(8):
        assert "x-ocp-nonce" in error_of(call(iam.app, "GET", "/compute/hosts", headers=headers), 401, 30000)["message"]
    for late, said in ((-1200, "20.0 minutes behind"), (1200, "20.0 minutes ahead")):
        assert said in error_of(send(iam, key, "GET", "/compute/hosts", late=late), 401, 30000)["message"]
    assert send(iam, key, "GET", "/compute/hosts", extra={"x-ocp-nonce": "2"}).status_code == 200


@pytest.mark.parametrize(("late", "status"), [(-890, 200), (890, 200), (-910, 401), (910, 401)])
def test_a_date_may_be_15_minutes_off(iam: Iam, late: float, status: int) -> None:
    assert send(iam, make_key(iam), "GET", "/compute/hosts", late=late).status_code == status


def test_a_signature_is_remembered_for_as_long_as_its_date_would_do(iam: Iam) -> None:
    now = [AT]
    keys = AccessKeys(CredentialStore(iam.redis, "{iam}:access-keys", lambda: now[0]), iam.redis, "k" * 32)
    made, secret = keys.create(iam.users.get(1), Wish("k"))
    message = Message("GET", "/x", {"host": HOST, "date": DATE}, b"")
    signed = sign(secret, next(strings_to_sign(message)))
    now[0] = AT - SKEW_SECONDS
    assert keys.verify(made.id, signed, message) == made
    with pytest.raises(SpentSignature, match="used before"):
        keys.verify(made.id, signed, message)
    (kept,) = iam.redis.keys("{iam}:signature:*")
    assert 2 * SKEW_SECONDS < iam.redis.ttl(kept) <= 2 * SKEW_SECONDS + 60
    assert signed not in str(kept)
    now[0] = AT + SKEW_SECONDS + 1
    iam.redis.delete(kept)
    with pytest.raises(SpentSignature, match=r"15\.0 minutes behind"):
        keys.verify(made.id, signed, message)


@pytest.mark.parametrize("date", ["", "yesterday", "2023-01-17T03:36:01Z", "Tue, 17 Jan 99999 03:36:01 GMT"])
def test_a_date_that_is_none_is_refused(iam: Iam, date: str) -> None:
    error_of(send(iam, make_key(iam), "GET", "/compute/hosts", extra={"Date": date}), 401, 30000)


def test_what_is_changed_on_the_way_is_refused(iam: Iam) -> None:
    key, path, body = make_key(iam), "/compute/hosts/batchRestartAgents", b'{"hostIds": [1]}'
    before = iam.redis.keys("*task*")

    def changed(body: bytes = body, drop: str = "", other: dict[str, str] | None = None) -> TestResponse:
        headers = signed_headers(key, "POST", HOST, path, body=b'{"hostIds": [1]}', extra={"x-ocp-origin": "me"})
        sent = {name: value for name, value in headers.items() if name != drop}
        return call(iam.app, "POST", path, data=body, headers={**sent, **(other or {})})

    answers = [
        changed(body=b'{"hostIds": [2]}'),
        changed(drop="x-ocp-origin"),
        changed(drop="Date"),
        changed(other={"x-ocp-origin": "you"}),
    ]
    answers.append(
        call(iam.app, "POST", path + "?a=1", data=body, headers=signed_headers(key, "POST", HOST, path, None, body))
    )
    for answer in answers:
        error_of(answer, 401, 30000)
    assert iam.redis.keys("*task*") == before


@pytest.mark.parametrize(
    "header",
    [
        "OCP-ACCESS-KEY-HMACSHA1",
        "OCP-ACCESS-KEY-HMACSHA1 x",
        "OCP-ACCESS-KEY-HMACSHA1 {id}:",
        "OCP-ACCESS-KEY-HMACSHA1 {id}:{secretKey}",
        "OCP-ACCESS-KEY-HMACSHA1 nobody:AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "OCP-ACCESS-KEY-HMACSHA256 {id}:AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "ocp-access-key-hmacsha1 {id}:AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ],
)
def test_a_malformed_signature_is_refused(iam: Iam, header: str) -> None:
    headers = {"Authorization": header.format(**make_key(iam)), "Date": DATE}
    error_of(call(iam.app, "GET", "/compute/hosts", headers=headers), 401, 30000)


def test_a_revoked_key_and_one_of_a_disabled_user_are_refused(iam: Iam) -> None:
    key = make_key(iam, user="viewer")
    assert send(iam, key, "GET", "/compute/hosts").status_code == 200
    viewer = iam.data("GET", "/iam/users?name=viewer")["contents"][0]["id"]
    iam.data("PATCH", f"/iam/users/{viewer}", {"enabled": False})
    error_of(send(iam, key, "GET", "/compute/hosts/1"), 401, 30000)
    iam.data("PATCH", f"/iam/users/{viewer}", {"enabled": True})
    iam.data("DELETE", f"/iam/accessKeys/{key['id']}")
    error_of(send(iam, key, "GET", "/compute/hosts?page=1"), 401, 30000)


def test_another_secret_key_is_told_in_the_log_only(iam: Iam) -> None:
    key = make_key(iam)
    iam.settings = ApiSettings(secret_key="another key, as long as the first one")
    iam.app = iam.another()
    with capture_logs() as lines:
        answer = send(iam, key, "GET", "/compute/hosts")
    assert "MUSTER_API_SECRET_KEY" not in error_of(answer, 401, 30000)["message"]
    assert any("MUSTER_API_SECRET_KEY" in str(line.get("reason")) for line in lines)


def test_a_ciphertext_belongs_to_its_label_and_key() -> None:
    sealed = Cipher("one").encrypt("planted", "AK1")
    assert "planted" not in sealed
    assert Cipher("one").decrypt(sealed, "AK1") == "planted"
    assert Cipher("one").encrypt("planted", "AK1") != sealed
    for key, label in (("one", "AK2"), ("two", "AK1")):
        with pytest.raises(WrongKey):
            Cipher(key).decrypt(sealed, label)
