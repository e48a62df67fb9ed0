"""Users: hashes, permissions, and the memory that keeps argon2 out of the way of a poll."""

import time
from collections.abc import Iterator

import fakeredis
import pytest

from api import user
from api.user import IllegalUser, Permission, UserExists, UserStore


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def redis() -> Iterator[fakeredis.FakeRedis]:
    server = fakeredis.FakeRedis(decode_responses=True)
    yield server
    server.close()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that argon2 was asked about."""
    asked: list[str] = []
    real = user._matches

    def counting(stored: str, password: str) -> bool:
        asked.append(stored)
        return real(stored, password)

    monkeypatch.setattr(user, "_matches", counting)
    return asked


def test_a_password_is_kept_as_a_hash_only(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    users.add("ann", "open sesame", [Permission.HOST_MANAGER])
    kept = str(redis.hgetall(user.KEY))
    assert "open sesame" not in kept
    assert "$argon2id$" in kept
    assert users.verify("ann", "open sesame") == users.find("ann")
    assert users.verify("ann", "open sesam") is None
    assert users.verify("bob", "open sesame") is None


def test_a_manager_may_view_and_no_more(redis: fakeredis.FakeRedis) -> None:
    ann = UserStore(redis).add("ann", "x", [Permission.HOST_MANAGER])
    assert ann.permissions == {Permission.HOST_MANAGER, Permission.HOST_VIEWER}
    assert not ann.may(Permission.TASK_VIEWER)


def test_names_are_taken_once_and_numbered(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    assert [users.add(name, "x", []).id for name in ("ann", "bob")] == [1, 2]
    with pytest.raises(UserExists):
        users.add("ann", "y", [])
    assert users.verify("ann", "x")


@pytest.mark.parametrize(
    ("name", "password"),
    [("", "x"), ("a:b", "x"), ("a\n", "x"), ("a" * 65, "x"), ("a", ""), ("a", "x" * 1025)],
)
def test_what_basic_cannot_carry_is_refused(redis: fakeredis.FakeRedis, name: str, password: str) -> None:
    with pytest.raises(IllegalUser):
        UserStore(redis).add(name, password, [])
    assert not redis.keys()


def test_the_admin_is_made_once_and_follows_its_password(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    first = users.ensure_admin("admin", "one")
    kept = redis.hgetall(user.KEY)
    assert first.permissions == frozenset(Permission)
    assert users.ensure_admin("admin", "one") == first
    assert redis.hgetall(user.KEY) == kept
    assert users.ensure_admin("admin", "two") == first
    assert users.verify("admin", "one") is None
    assert users.verify("admin", "two") == first


def test_a_poll_does_not_ask_argon2(redis: fakeredis.FakeRedis, hashed: list[str]) -> None:
    clock = Clock()
    users = UserStore(redis, clock=clock)
    users.add("ann", "x", [])
    for _ in range(5):
        assert users.verify("ann", "x")
    assert len(hashed) == 1
    began = time.perf_counter()
    for _ in range(100):
        users.verify("ann", "x")
    assert (time.perf_counter() - began) / 100 < 0.002
    clock.now += user.KNOWN_SECONDS
    assert users.verify("ann", "x")
    assert len(hashed) == 2


def test_a_user_who_is_gone_or_changed_is_refused_at_once(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    users.add("ann", "x", [])
    assert users.verify("ann", "x")
    redis.hdel(user.KEY, "ann")
    assert users.verify("ann", "x") is None


def test_an_unknown_name_costs_what_a_known_one_does(redis: fakeredis.FakeRedis, hashed: list[str]) -> None:
    users = UserStore(redis)
    users.add("ann", "x", [])
    users.verify("ann", "wrong")
    users.verify("nobody", "wrong")
    assert len(hashed) == 2
    assert hashed[0].split("$")[:4] == hashed[1].split("$")[:4]


def test_the_memory_is_bounded_and_holds_no_password(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    for n in range(user.MOST_KEPT + 10):
        users._remember(n.to_bytes(4, "big"), True)
    assert len(users._verdicts) == user.MOST_KEPT
    users.add("ann", "open sesame", [])
    users.verify("ann", "open sesame")
    assert b"sesame" not in b"".join(users._verdicts)
