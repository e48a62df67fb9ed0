"""Limits of one caller: a rate of calls, and slower and slower attempts to log in; on both kinds of store."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from werkzeug.test import TestResponse

from api import auth, throttle
from api.throttle import Attempts, RateLimit, TooManyAttempts, TooManyCalls
from api.user import Permission
from config.settings import ApiSettings
from tests.iam import PASSWORD, SECRET_KEY, Iam, bearer, call, error_of
from tests.wait import until


def attempts_until_refused(attempts: Attempts, name: str, address: str) -> int:
    for n in range(1000):
        try:
            attempts.begin(name, address)
        except TooManyAttempts:
            return n
    pytest.fail("no attempt was refused")


def forget_waits(redis: Redis) -> None:
    """What time would do."""
    for key in redis.keys("{iam}:wait:*"):
        redis.delete(key)


def test_attempts_are_few_for_a_name_and_more_for_an_address(redis: Redis) -> None:
    attempts = Attempts(redis)
    assert attempts_until_refused(attempts, "ann", "10.0.0.1") == throttle.FREE_ATTEMPTS
    attempts.check("bob", "10.0.0.1")
    attempts.check("ann", "10.0.0.2")
    with pytest.raises(TooManyAttempts):
        Attempts(redis).check("ann", "10.0.0.1")
    for n in range(throttle.FREE_ATTEMPTS, throttle.FREE_OF_ADDRESS):
        attempts.begin(f"name {n}", "10.0.0.1")
    with pytest.raises(TooManyAttempts):
        attempts.begin("one more", "10.0.0.1")


def test_each_further_attempt_waits_twice_as_long_up_to_a_minute(redis: Redis) -> None:
    attempts, waits = Attempts(redis), []
    for _ in range(throttle.FREE_ATTEMPTS - 1):
        attempts.begin("ann", "10.0.0.1")
    for _ in range(9):
        attempts.begin("ann", "10.0.0.1")
        with pytest.raises(TooManyAttempts) as refused:
            attempts.check("ann", "10.0.0.1")
        waits.append(refused.value.retry_after)
        forget_waits(redis)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    for key in redis.keys("{iam}:attempts:*"):
        assert 0 < redis.ttl(key) <= throttle.FORGOTTEN_SECONDS


def test_of_many_attempts_at_once_no_more_are_made(redis: Redis) -> None:
    def attempt(_: int) -> bool:
        try:
            Attempts(redis).begin("ann", "10.0.0.1")
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(attempt, range(64)))
    assert made.count(True) == throttle.FREE_ATTEMPTS


def test_success_forgets_the_name(redis: Redis) -> None:
    attempts = Attempts(redis)
    for _ in range(throttle.FREE_ATTEMPTS - 1):
        attempts.begin("ann", "10.0.0.1")
    attempts.succeed("ann", "10.0.0.1")
    assert attempts_until_refused(attempts, "ann", "10.0.0.1") == throttle.FREE_ATTEMPTS


def test_an_ipv6_network_is_one_address(redis: Redis) -> None:
    attempts = Attempts(redis)
    attempts_until_refused(attempts, "ann", "2001:db8::1")
    with pytest.raises(TooManyAttempts):
        attempts.check("ann", "2001:db8::2")
    attempts.check("ann", "2001:db8:0:1::1")


def login(iam: Iam, name: str, password: str, address: str = "10.0.0.1") -> TestResponse:
    return call(iam.app, "GET", "/iam/me", auth=(name, password), environ_overrides={"REMOTE_ADDR": address})


@pytest.mark.parametrize("name", ["viewer", "nobody", ""])
def test_failed_logins_are_slowed_whoever_is_named(iam: Iam, name: str) -> None:
    # Made now: it takes its time, and the wait is one second.
    other = iam.another()
    answers = [login(iam, name, f"guess {n}") for n in range(throttle.FREE_ATTEMPTS)]
    messages = {error_of(answer, 401, 30000)["message"] for answer in answers}
    assert messages == {"Name or password is wrong."}
    for password in ("another guess", PASSWORD):
        answer = login(iam, name, password)
        assert error_of(answer, 429, 30000)["message"] == "Too many failed logins. Try again in 1 s."
        assert answer.headers["Retry-After"] == "1"
    iam.app = other
    error_of(login(iam, name, PASSWORD), 429, 30000)
    assert login(iam, "operator", PASSWORD).status_code == 200
    assert login(iam, "viewer", PASSWORD, "10.0.0.2").status_code == 200


def test_one_waits_out_the_first_second(iam: Iam) -> None:
    for n in range(throttle.FREE_ATTEMPTS - 1):
        login(iam, "viewer", f"guess {n}")
    began = time.monotonic()
    login(iam, "viewer", "guess")
    until(lambda: login(iam, "viewer", PASSWORD).status_code == 200)
    assert time.monotonic() - began > 0.5


def test_the_same_wrong_password_again_and_again_is_one_attempt(iam: Iam) -> None:
    statuses = [login(iam, "viewer", "old password").status_code for _ in range(3 * throttle.FREE_ATTEMPTS)]
    assert set(statuses) == {401}
    assert login(iam, "viewer", PASSWORD).status_code == 200


@pytest.mark.usefixtures("owasp_hasher")
def test_right_passwords_never_wait(iam: Iam) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: login(iam, "viewer", PASSWORD).status_code, range(64)))
    assert set(statuses) == {200}


def test_guessed_tokens_and_signatures_are_slowed(iam: Iam) -> None:
    def guess(header: str) -> TestResponse:
        return call(iam.app, "GET", "/iam/me", headers={"Authorization": header})

    for header in ("Bearer x", "OCP-ACCESS-KEY-HMACSHA1 AK1:AAAAAAAAAAAAAAAAAAAAAAAAAAA="):
        for _ in range(throttle.FREE_ATTEMPTS):
            error_of(guess(header), 401, 30000)
        error_of(guess(header), 429, 30000)
    token = iam.data("POST", "/iam/tokens", {"name": "t"})["token"]
    assert call(iam.app, "GET", "/iam/me", headers=bearer(token)).status_code == 200


def test_the_present_password_can_not_be_guessed_with_a_stolen_token(iam: Iam) -> None:
    headers = bearer(iam.data("POST", "/iam/tokens", {"name": "t"})["token"])

    def guess(password: str) -> TestResponse:
        body = {"currentPassword": password, "password": "mine from now on"}
        return call(iam.app, "POST", "/iam/me/password", body, headers=headers)

    for n in range(throttle.FREE_ATTEMPTS):
        error_of(guess(f"guess {n}"), 400, 10001)
    error_of(guess(PASSWORD), 429, 30000)


@pytest.mark.parametrize(("proxies", "forged"), [(0, 401), (1, 429)])
def test_only_the_proxies_in_front_are_believed(redis: Redis, proxies: int, forged: int) -> None:
    """Behind one proxy the last entry counts, which it wrote; without one, none."""
    iam = Iam(redis, ApiSettings(secret_key=SECRET_KEY, proxies=proxies))
    statuses = []
    for n in range(throttle.FREE_ATTEMPTS + 1):
        headers = {"X-Forwarded-For": f"10.9.9.{n}, 10.0.0.7"}
        overrides = {"REMOTE_ADDR": f"127.0.0.{n}"}
        answer = call(iam.app, "GET", "/iam/me", auth=("viewer", f"{n}"), headers=headers, environ_overrides=overrides)
        statuses.append(answer.status_code)
    assert statuses == [401] * throttle.FREE_ATTEMPTS + [forged]


def test_a_bucket_holds_a_burst_and_fills_again(redis: Redis) -> None:
    limit = RateLimit(redis, 1, 5)
    let_through = sum(admits(limit, 1) for _ in range(50))
    # The store's own clock runs meanwhile, a call in 1 s.
    assert 5 <= let_through <= 15
    with pytest.raises(TooManyCalls, match="Try again in 1 s"):
        limit.admit(1)
    RateLimit(redis, 1, 5).admit(2)
    until(lambda: admits(limit, 1))
    # As soon as there is one, and not only once the whole bucket is full again.
    assert sum(admits(limit, 1) for _ in range(4)) < 4
    (key, *_) = redis.keys("{iam}:rate:1")
    assert 0 < redis.pttl(key) <= 5000


def admits(limit: RateLimit, user: int) -> bool:
    try:
        limit.admit(user)
    except TooManyCalls:
        return False
    return True


def test_a_rate_of_0_is_no_limit(redis: Redis) -> None:
    limit = RateLimit(redis, 0, 1)
    for _ in range(1000):
        limit.admit(1)
    assert redis.keys("{iam}:rate:*") == []


def test_who_calls_too_often_is_told_when_to_come_again(redis: Redis) -> None:
    iam = Iam(redis, ApiSettings(secret_key=SECRET_KEY, rate_per_second=0.1, rate_burst=3))
    apps = [iam.app, iam.another()]
    statuses = [call(app, "GET", "/iam/me", auth=("viewer", PASSWORD)).status_code for app in apps * 2]
    assert statuses == [200, 200, 200, 429]
    answer = iam.call("POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1]}, user="viewer")
    error_of(answer, 429, 10001)
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert json.loads(answer.data)["error"]["message"].startswith("This user calls too often.")
    assert iam.call("GET", "/iam/me", user="operator").status_code == 200


@pytest.mark.usefixtures("owasp_hasher")
@pytest.mark.parametrize("redis", ["valkey"], indirect=True)
@pytest.mark.parametrize("how", ["password", "token"])
def test_who_is_known_is_let_in_by_few_commands_and_without_argon2(
    iam: Iam, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iam.data("POST", "/iam/tokens", {"name": "t"})
    credentials: dict[str, Any] = (
        {"auth": ("admin", PASSWORD)} if how == "password" else {"headers": bearer(made["token"])}
    )
    with iam.app.test_request_context("/iam/me", **credentials):
        auth.enter(Permission.SYSTEM_MANAGER)
        monkeypatch.setattr("api.password._matches", lambda *_: pytest.fail("argon2 was asked"))
        iam.redis.config_resetstat()
        for _ in range(100):
            auth.enter(Permission.SYSTEM_MANAGER)
    stats: Any = iam.redis.info("commandstats")
    # Those in a script are counted, too.
    assert sum(found["calls"] for name, found in stats.items() if name != "cmdstat_config|resetstat") <= 8 * 100
