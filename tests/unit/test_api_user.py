"""Users: hashes, permissions, and the memory that keeps argon2 out of the way of a poll."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import fakeredis
import pytest

from api import password, user
from api.user import (
    Change,
    IllegalUser,
    LastAdministrator,
    Permission,
    Role,
    UnknownUser,
    UserExists,
    UserStore,
    permissions_of,
)

pytestmark = pytest.mark.usefixtures("owasp_hasher")


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
    real = password._matches

    def counting(stored: str, given: str) -> bool:
        asked.append(stored)
        return real(stored, given)

    monkeypatch.setattr(password, "_matches", counting)
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


def test_a_hash_costs_what_owasp_recommends() -> None:
    assert password.hash_password("open sesame").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


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
    clock.now += password.KNOWN_SECONDS
    assert users.verify("ann", "x")
    assert len(hashed) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda users: users.remove("ann"),
        lambda users: users.change("ann", Change(enabled=False)),
        lambda users: users.change("ann", Change(password.hash_password("y"))),
    ],
    ids=["removed", "disabled", "another password"],
)
def test_a_change_is_in_force_at_once_in_another_process(
    redis: fakeredis.FakeRedis, change: Callable[[UserStore], object]
) -> None:
    here, there = UserStore(redis), UserStore(redis)
    here.add("admin", "x", [Role.ADMIN])
    here.add("ann", "x", [Role.VIEWER])
    assert there.verify("ann", "x")
    change(here)
    assert there.verify("ann", "x") is None


def test_many_threads_with_one_password_ask_argon2_once(redis: fakeredis.FakeRedis, hashed: list[str]) -> None:
    users, attempts = UserStore(redis), []
    users.add("ann", "x", [])
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: users.verify("ann", "x", lambda: attempts.append(1)), range(16)))
    assert all(found)
    assert (len(hashed), len(attempts)) == (1, 1)


def test_roles_hold_permissions() -> None:
    assert permissions_of([Role.ADMIN]) == frozenset(Permission)
    assert permissions_of([Role.OPERATOR]) == frozenset(Permission) - {Permission.SYSTEM_MANAGER}
    assert permissions_of([Role.VIEWER]) == {Permission.HOST_VIEWER, Permission.TASK_VIEWER}
    assert permissions_of([Role.TASK_MANAGER]) == {Permission.TASK_MANAGER, Permission.TASK_VIEWER}
    assert {role for role in Role if Permission.SYSTEM_MANAGER in permissions_of([role])} == {
        Role.ADMIN,
        Role.SYSTEM_MANAGER,
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda users: users.remove("admin"),
        lambda users: users.change("admin", Change(enabled=False)),
        lambda users: users.change("admin", Change(roles=(Role.OPERATOR,))),
    ],
    ids=["removed", "disabled", "other roles"],
)
def test_the_last_administrator_stays(redis: fakeredis.FakeRedis, change: Callable[[UserStore], object]) -> None:
    users = UserStore(redis)
    users.add("admin", "x", [Role.ADMIN])
    users.add("ann", "x", [Role.OPERATOR])
    users.add("asleep", "x", [Role.ADMIN])
    users.change("asleep", Change(enabled=False))
    kept = redis.hgetall(user.KEY)
    with pytest.raises(LastAdministrator):
        change(users)
    assert redis.hgetall(user.KEY) == kept
    users.change("asleep", Change(enabled=True))
    change(users)


def test_of_two_administrators_who_remove_each_other_one_stays(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    for name in ("ann", "bob"):
        users.add(name, "x", [Role.SYSTEM_MANAGER])
    both, refused = Barrier(2), []

    def remove(name: str) -> None:
        both.wait(30)
        try:
            UserStore(redis).remove(name)
        except LastAdministrator:
            refused.append(name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(remove, ("ann", "bob")))
    assert len(refused) == 1
    assert [one.name for one in users.all()] == refused


def test_an_unknown_user_can_not_be_changed(redis: fakeredis.FakeRedis) -> None:
    users = UserStore(redis)
    users.add("admin", "x", [Role.ADMIN])
    for change in (
        lambda: users.change("ann", Change(enabled=True)),
        lambda: users.remove("ann"),
        lambda: users.get(7),
    ):
        with pytest.raises(UnknownUser):
            change()


def test_an_unknown_name_costs_what_a_known_one_does(redis: fakeredis.FakeRedis, hashed: list[str]) -> None:
    users = UserStore(redis)
    users.add("ann", "x", [])
    users.verify("ann", "wrong")
    users.verify("nobody", "wrong")
    assert len(hashed) == 2
    assert hashed[0].split("$")[:4] == hashed[1].split("$")[:4]


def test_the_memory_is_bounded_and_holds_no_password() -> None:
    memory = password.PasswordMemory()
    for n in range(password.MOST_KEPT + 10):
        memory._remember(n.to_bytes(4, "big"), True)
    assert len(memory._verdicts) == password.MOST_KEPT
    assert memory.is_right("ann", "open sesame", password.hash_password("open sesame"), lambda: None)
    assert len(memory._verdicts) == password.MOST_KEPT
    assert b"sesame" not in b"".join(memory._verdicts)
