"""The console's sessions: their cookie, what ends them, and that another site can do nothing with them."""

import json
from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.session import MOST_A_USER, SessionStore
from api.user import Role, User
from config.settings import ApiSettings
from dag.error import StoreUnavailable
from tests.iam import PASSWORD, SECRET_KEY, Iam, error_of

PATH = "/console/session"
CHANGE = "/compute/hosts/batchDelete"
BY_USER = {"X-Muster-Console": "user"}


@pytest.fixture
def browser(iam: Iam) -> FlaskClient:
    """A client that keeps cookies, of which nobody has signed in."""
    return iam.app.test_client()


def sign_in(browser: FlaskClient, user: str = "admin", password: str = PASSWORD, **kwargs: Any) -> TestResponse:
    return browser.post(PATH, json={"name": user, "password": password}, **kwargs)


def token_of(answer: TestResponse) -> dict[str, str]:
    """The header that a change needs."""
    assert answer.status_code == 200, answer.text
    return {"X-Muster-CSRF": json.loads(answer.data)["data"]["csrfToken"]}


def test_a_session_stands_for_its_user_and_knows_what_he_may(browser: FlaskClient) -> None:
    data = json.loads(sign_in(browser, "operator").data)["data"]
    assert data["user"]["name"] == "operator"
    assert data["permissions"] == ["HOST_MANAGER", "HOST_VIEWER", "TASK_MANAGER", "TASK_VIEWER"]
    assert browser.get(PATH).get_json()["data"] == data
    assert browser.get("/iam/me").get_json()["data"]["proof"] == "session"
    error_of(browser.get("/iam/users"), 403, 30014)


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(browser: FlaskClient) -> None:
    [cookie] = sign_in(browser).headers.getlist("Set-Cookie")
    name, value = cookie.partition(";")[0].split("=")
    assert (name, len(value)) == ("muster", 43)
    assert {part.strip() for part in cookie.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Strict"}


def test_by_tls_the_cookie_is_for_tls_only(browser: FlaskClient) -> None:
    [cookie] = sign_in(browser, base_url="https://localhost").headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-muster=")
    assert "; Secure;" in cookie
    assert browser.get("/iam/me", base_url="https://localhost").status_code == 200
    assert browser.get("/iam/me").status_code == 401


@pytest.mark.parametrize(("proxies", "is_secure"), [(0, False), (1, True)])
def test_a_proxy_that_is_known_says_whether_there_is_tls(iam: Iam, proxies: int, is_secure: bool) -> None:
    iam.settings = ApiSettings(secret_key=SECRET_KEY, proxies=proxies)
    answer = sign_in(iam.another().test_client(), headers={"X-Forwarded-Proto": "https"})
    assert ("Secure" in answer.headers["Set-Cookie"]) is is_secure


def test_redis_and_the_log_do_not_know_the_cookie(iam: Iam, browser: FlaskClient) -> None:
    answer = sign_in(browser)
    secret = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    token = token_of(answer)["X-Muster-CSRF"]
    kept = [str(key) + str(iam.redis.get(key)) for key in iam.redis.scan_iter("{iam}:session:*")]
    assert len(kept) == 1
    assert [text for text in kept if secret in text or token in text] == []
    assert secret not in repr(iam.app.extensions["muster"].access.sessions.find(secret))


@pytest.mark.parametrize("given", [{}, {"X-Muster-CSRF": ""}, {"X-Muster-CSRF": "é" * 43}])
def test_a_change_needs_the_token(browser: FlaskClient, given: dict[str, str]) -> None:
    token = token_of(sign_in(browser))
    for method, path in (("POST", CHANGE), ("PATCH", "/iam/users/1"), ("DELETE", "/compute/hosts/1")):
        error = error_of(browser.open(path, method=method, headers=given), 403, 30014)
        assert error["target"] == "X-Muster-CSRF"
        assert "X-Muster-CSRF" in error["message"]
    assert browser.post(CHANGE, json={"hostIdList": [1]}, headers=token).status_code == 200


def test_the_token_of_another_session_is_none(iam: Iam, browser: FlaskClient) -> None:
    sign_in(browser)
    other = token_of(sign_in(iam.app.test_client()))
    error_of(browser.post(CHANGE, json={"hostIdList": [1]}, headers=other), 403, 30014)


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8480"},
    ],
)
def test_another_site_can_neither_change_anything_nor_sign_in(browser: FlaskClient, sent: dict[str, str]) -> None:
    token = token_of(sign_in(browser))
    error_of(browser.post(CHANGE, json={"hostIdList": [1]}, headers={**token, **sent}), 403, 30014)
    error_of(sign_in(browser, headers=sent), 403, 30014)
    assert browser.get("/compute/hosts/1").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {"Origin": "https://localhost"}],
)
def test_the_console_itself_may_change(browser: FlaskClient, sent: dict[str, str]) -> None:
    token = token_of(sign_in(browser, headers=sent))
    assert browser.post(CHANGE, json={"hostIdList": [1]}, headers={**token, **sent}).status_code == 200


def test_programs_with_a_password_need_no_token(iam: Iam) -> None:
    assert iam.call("POST", CHANGE, {"hostIdList": [1]}).status_code == 200


def test_a_password_that_is_sent_counts_for_more_than_a_cookie(browser: FlaskClient) -> None:
    sign_in(browser)
    assert browser.get("/iam/me", auth=("viewer", PASSWORD)).get_json()["data"]["name"] == "viewer"
    error_of(browser.get("/iam/me", auth=("viewer", "wrong")), 401, 30000)


def test_signing_out_ends_the_session_for_whoever_knows_its_cookie(iam: Iam, browser: FlaskClient) -> None:
    answer = sign_in(browser)
    secret = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    gone = browser.delete(PATH, headers=token_of(answer))
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    assert browser.get_cookie("muster") is None
    other = iam.app.test_client()
    other.set_cookie("muster", secret)
    error = error_of(other.get("/iam/me"), 401, 30000)
    assert error["message"] == "You are signed out, or have been away for too long. Sign in again."


def test_signing_in_anew_ends_the_session_before(iam: Iam, browser: FlaskClient) -> None:
    sign_in(browser, "viewer")
    [key] = iam.redis.keys("{iam}:session:*")
    sign_in(browser)
    [other] = iam.redis.keys("{iam}:session:*")
    assert key != other
    assert browser.get("/iam/me").get_json()["data"]["name"] == "admin"


def test_who_has_no_session_has_nothing_to_sign_out_of(iam: Iam) -> None:
    assert iam.call("DELETE", PATH).status_code == 200
    assert iam.data("GET", PATH)["csrfToken"] is None


def test_that_nobody_has_signed_in_is_no_refusal_but_a_wrong_proof_is(iam: Iam, browser: FlaskClient) -> None:
    answers = [browser.get(PATH)]
    browser.set_cookie("muster", "of a session that has ended")
    answers.append(browser.get(PATH))
    assert [(one.status_code, one.data, one.headers["Cache-Control"]) for one in answers] == [
        (204, b"", "no-store")
    ] * 2
    error_of(browser.get(PATH, auth=("admin", "wrong")), 401, 30000)
    sign_in(browser, "viewer")
    assert browser.get(PATH).get_json()["data"]["user"]["name"] == "viewer"
    viewer = iam.users.find("viewer")
    assert viewer is not None
    iam.data("PATCH", f"/iam/users/{viewer.id}", {"enabled": False})
    assert browser.get(PATH).status_code == 204


@pytest.mark.parametrize("change", [{"enabled": False}, {"password": "battery staple"}])
def test_a_session_ends_when_its_user_is_disabled_or_gets_another_password(
    iam: Iam, browser: FlaskClient, change: dict[str, Any]
) -> None:
    sign_in(browser, "viewer")
    user = iam.users.find("viewer")
    assert user is not None
    iam.data("PATCH", f"/iam/users/{user.id}", change)
    error_of(browser.get("/iam/me"), 401, 30000)
    # Nor does it come back.
    iam.data("PATCH", f"/iam/users/{user.id}", {"enabled": True})
    error_of(browser.get("/iam/me"), 401, 30000)


def test_a_session_ends_with_its_user_and_is_not_that_of_another_of_the_same_name(
    iam: Iam, browser: FlaskClient
) -> None:
    sign_in(browser, "viewer")
    iam.users.remove("viewer")
    error_of(browser.get("/iam/me"), 401, 30000)
    iam.users.add("viewer", PASSWORD, [Role.VIEWER])
    error_of(browser.get("/iam/me"), 401, 30000)


def test_other_roles_are_in_force_at_once_and_end_no_session(iam: Iam, browser: FlaskClient) -> None:
    sign_in(browser, "viewer")
    user = iam.users.find("viewer")
    assert user is not None
    iam.data("PATCH", f"/iam/users/{user.id}", {"roles": ["HOST_VIEWER"]})
    assert browser.get("/compute/hosts").status_code == 200
    error_of(browser.get("/tasks/instances"), 403, 30014)


def test_a_wrong_password_is_slowed_as_everywhere(browser: FlaskClient) -> None:
    for _ in range(6):
        answer = sign_in(browser, password=f"wrong {_}")
    error_of(answer, 429, 30000)
    error_of(sign_in(browser), 429, 30000)
    error_of(browser.get("/iam/me", auth=("admin", PASSWORD)), 429, 30000)


def test_signing_in_stands_in_the_audit_log(iam: Iam, browser: FlaskClient) -> None:
    token = token_of(sign_in(browser, "viewer"))
    sign_in(browser, "viewer", "wrong password")
    browser.delete(PATH, headers=token)
    found = iam.data("GET", "/audit")["contents"]
    shown = [(one["action"], one["user"]["name"], one["proof"], one["result"], one["details"]) for one in found]
    assert shown == [
        ("session.end_session", "viewer", "session", "SUCCESSFUL", {}),
        ("session.begin_session", "", "", "REFUSED", {"claimed": "viewer"}),
        ("session.begin_session", "viewer", "password", "SUCCESSFUL", {}),
    ]


def test_a_session_makes_no_tokens(browser: FlaskClient) -> None:
    token = token_of(sign_in(browser))
    error_of(browser.post("/iam/tokens", json={"name": "ci"}, headers=token), 403, 30014)


def test_a_browser_is_not_made_to_ask_by_itself(iam: Iam, browser: FlaskClient) -> None:
    assert "WWW-Authenticate" in browser.get("/iam/me").headers
    assert "WWW-Authenticate" not in browser.get("/iam/me", headers=BY_USER).headers
    assert "WWW-Authenticate" not in sign_in(browser, password="wrong", headers=BY_USER).headers
    browser.set_cookie("muster", "of a session that has ended")
    # As an EventSource calls, which can't send headers.
    assert "WWW-Authenticate" not in browser.get("/tasks/instances/1/events").headers


@pytest.mark.parametrize(
    "body", [{}, {"name": "admin"}, {"name": 1, "password": "p"}, {"name": "a", "password": "b", "x": 1}]
)
def test_signing_in_needs_a_name_and_a_password(browser: FlaskClient, body: dict[str, Any]) -> None:
    error = error_of(browser.post(PATH, json=body), 400, 10001)
    assert "password" not in str(error.get("subErrors", [{}])[0].get("rejectedValue"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Iterator[tuple[SessionStore, Any, Clock]]:
    redis, clock = fakeredis.FakeRedis(decode_responses=True), Clock()
    yield SessionStore(redis, 3600, 600, clock), redis, clock
    redis.close()


ANN = User(7, "ann", frozenset(), (), epoch=2)


def test_a_session_lasts_for_its_time_and_while_it_is_touched(store: tuple[SessionStore, Any, Clock]) -> None:
    sessions, redis, clock = store
    made = sessions.create(ANN)
    [key] = redis.keys("{iam}:session:*")
    assert 599 <= redis.ttl(key) <= 600
    redis.pexpire(key, 1000)
    sessions.touch(made)
    assert 599 <= redis.ttl(key) <= 600
    clock.now += 3300
    sessions.touch(made)
    # Not beyond its end.
    assert 299 <= redis.ttl(key) <= 300
    assert sessions.find(made.secret) == made
    clock.now += 300
    assert sessions.find(made.secret) is None


def test_only_what_somebody_does_keeps_a_session_alive(iam: Iam, browser: FlaskClient) -> None:
    sign_in(browser)
    [key] = iam.redis.keys("{iam}:session:*")
    idle = iam.settings.session_idle_seconds
    for headers, is_touched in ((None, False), ({"X-Muster-Console": "background"}, False), (BY_USER, True)):
        iam.redis.expire(key, 10)
        assert browser.get("/tasks/instances", headers=headers).status_code == 200
        assert (int(iam.redis.ttl(key)) > 10) is is_touched
    assert int(iam.redis.ttl(key)) >= idle - 5


def test_a_user_has_so_many_sessions_and_the_oldest_go(store: tuple[SessionStore, Any, Clock]) -> None:
    sessions, redis, clock = store
    made = []
    for _ in range(MOST_A_USER + 2):
        clock.now += 1
        made.append(sessions.create(ANN))
    assert [sessions.find(one.secret) is None for one in made] == [True, True] + [False] * MOST_A_USER
    assert len(redis.keys("{iam}:session:*")) == MOST_A_USER


@pytest.mark.parametrize("secret", ["", "x", "a" * 43, "\udcff", "a" * 5000])
def test_what_is_no_secret_of_a_session_finds_none(store: tuple[SessionStore, Any, Clock], secret: str) -> None:
    sessions, _redis, _clock = store
    sessions.create(ANN)
    assert sessions.find(secret) is None


def test_while_redis_is_away_nobody_is_signed_out(iam: Iam, browser: FlaskClient, monkeypatch: Any) -> None:
    sign_in(browser)

    def away(secret: str) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(iam.app.extensions["muster"].access.sessions, "find", away)
    assert browser.get("/iam/me").status_code == 503
