"""Users: who may call, kept in one Redis hash with their roles and the argon2 hashes of their passwords."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
from redis import Redis

from api.password import LONGEST_PASSWORD, PasswordMemory, hash_password
from api.printable import is_printable
from dag.durable import Disk
from dag.error import MusterError
from dag.script import translated

# All keys about callers share a hash tag, so that they live in one slot of a Redis Cluster.
KEY, DISK = "{iam}:users", "{iam}:disk"
LONGEST_NAME = 64


class Permission(StrEnum):
    """The contract's permissions, and SYSTEM_MANAGER: users, everybody's tokens and access keys, the audit log."""

    HOST_VIEWER = "HOST_VIEWER"
    HOST_MANAGER = "HOST_MANAGER"
    TASK_VIEWER = "TASK_VIEWER"
    TASK_MANAGER = "TASK_MANAGER"
    SYSTEM_MANAGER = "SYSTEM_MANAGER"


class Role(StrEnum):
    """What a user is given: one for each permission, and three that hold several."""

    HOST_VIEWER = "HOST_VIEWER"
    HOST_MANAGER = "HOST_MANAGER"
    TASK_VIEWER = "TASK_VIEWER"
    TASK_MANAGER = "TASK_MANAGER"
    SYSTEM_MANAGER = "SYSTEM_MANAGER"
    VIEWER = "VIEWER"
    OPERATOR = "OPERATOR"
    ADMIN = "ADMIN"


_IMPLIED = {Permission.HOST_MANAGER: Permission.HOST_VIEWER, Permission.TASK_MANAGER: Permission.TASK_VIEWER}
_SEVERAL = {
    Role.VIEWER: (Permission.HOST_VIEWER, Permission.TASK_VIEWER),
    Role.OPERATOR: (Permission.HOST_MANAGER, Permission.TASK_MANAGER),
    Role.ADMIN: tuple(Permission),
}


def with_implied(permissions: Iterable[Permission]) -> frozenset[Permission]:
    """Return the permissions and what they imply: who may change may look."""
    held = frozenset(permissions)
    return held | {_IMPLIED[permission] for permission in held if permission in _IMPLIED}


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """Return all that these roles permit."""
    return with_implied(p for role in roles for p in _SEVERAL.get(role) or (Permission(role.value),))


class UserExists(MusterError):
    """A user of this name exists already."""


class IllegalUser(MusterError):
    """A user needs a name of 1 to 64 printable characters without a colon, and a password of 1 to 1024."""


class UnknownUser(MusterError):
    """There is no such user."""


class LastAdministrator(MusterError):
    """No enabled user would be left who has the permission SYSTEM_MANAGER, and nobody could make one."""


@dataclass(frozen=True)
class User:
    """Somebody who may call; `permissions` holds what is implied, too. Created: ms since the epoch.

    `epoch` is another one once the password was changed or the user disabled or enabled: what stands for the user of
    an earlier one has ended.
    """

    id: int
    name: str
    permissions: frozenset[Permission]
    roles: tuple[Role, ...] = ()
    enabled: bool = True
    created_at: int = 0
    epoch: int = field(default=0, compare=False)

    def may(self, permission: Permission) -> bool:
        """Tell whether the user has the permission."""
        return permission in self.permissions


@dataclass(frozen=True)
class Change:
    """What is to become of a user; None leaves it as it is."""

    password_hash: str | None = field(default=None, repr=False)
    roles: tuple[Role, ...] | None = None
    enabled: bool | None = None

    @property
    def ends_sessions(self) -> bool:
        """Tell whether whoever has signed in as this user must do so again."""
        return self.password_hash is not None or self.enabled is not None


Records = dict[str, dict[str, Any]]


def _unasked() -> None:
    """Let argon2 be asked without further ado."""


class UserStore:
    """The users in Redis. Every call raises StoreUnavailable while Redis is away.

    A change returns when the server has confirmed it, and raises NotDurable where it was made and that did not come.
    A user's record is read from Redis for each request, so that a change is in force on all API processes at once.
    """

    def __init__(self, redis: Redis, *, key: str = KEY, clock: Callable[[], float] = time.monotonic) -> None:
        # Replies are text (decode_responses); redis-py types them as bytes, text or awaitables of either.
        self.redis: Any = redis
        self._key = key
        self._memory = PasswordMemory(clock)
        self._disk = Disk(redis, DISK)

    def add(self, name: str, password: str, roles: Iterable[str]) -> User:
        """Make a user and return it.

        Raises:
            UserExists: the name is taken.
            IllegalUser: the name or the password can't be used with HTTP Basic.

        """
        _check(name, password)
        record = self._new_record(password, roles)
        with translated():
            if not self.redis.hsetnx(self._key, name, orjson.dumps(record).decode()):
                raise UserExists(f"User {name} exists already.")
        self._disk.confirm()
        return _user(name, record)

    def ensure_admin(self, name: str, password: str) -> User:
        """Return the user `name`, who is enabled, may do everything and has this password from now on.

        Raises:
            IllegalUser: the name or the password can't be used with HTTP Basic.

        """
        _check(name, password)
        known = self.verify(name, password)
        if known and known.permissions == frozenset(Permission):
            return known
        if self.find(name) is None:
            return self.add(name, password, [Role.ADMIN])
        return self.change(name, Change(hash_password(password), (Role.ADMIN,), enabled=True))

    def find(self, name: str) -> User | None:
        """Return the user of this name, None where there is none."""
        record = self._read(name)
        return _user(name, record) if record else None

    def all(self) -> list[User]:
        """Return all users in the order in which they were made."""
        with translated():
            texts = self.redis.hgetall(self._key)
        return sorted((_user(name, orjson.loads(text)) for name, text in texts.items()), key=lambda user: user.id)

    def get(self, user_id: int) -> User:
        """Return the user of this id; UnknownUser where there is none."""
        found = next((user for user in self.all() if user.id == user_id), None)
        if found is None:
            raise UnknownUser(f"User {user_id} does not exist.")
        return found

    def change(self, name: str, change: Change) -> User:
        """Change a user and return it.

        Raises:
            UnknownUser: there is none of this name.
            LastAdministrator: nobody would be left who may change users.

        """
        wanted = {"hash": change.password_hash, "roles": change.roles, "enabled": change.enabled}
        fields = {key: value for key, value in wanted.items() if value is not None}

        def apply(records: Records) -> None:
            epoch = records[name].get("epoch", 0) + change.ends_sessions
            records[name] = {**records[name], **fields, "epoch": epoch}

        return _user(name, self._transact(name, apply)[name])

    def remove(self, name: str) -> None:
        """Forget a user; the same errors as `change`."""

        def apply(records: Records) -> None:
            del records[name]

        self._transact(name, apply)

    def verify(self, name: str, password: str, before: Callable[[], None] = _unasked) -> User | None:
        """Return the enabled user if name and password are right, else None; all that is refused takes the same time.

        `before` is called before argon2 is asked, and may refuse that by raising.
        """
        with translated():
            text = self.ask(self.redis, name)
        return self.judge(name, password, text, before)

    def ask(self, redis: Any, name: str) -> Any:
        """Ask Redis, or let a pipeline ask, for what `judge` needs to know of the user of this name."""
        return redis.hget(self._key, name if len(name) <= LONGEST_NAME else "")

    def judge(self, name: str, password: str, text: str | None, before: Callable[[], None]) -> User | None:
        """Return what `verify` does, of the answer to `ask`."""
        record = orjson.loads(text) if text else None
        right = self._memory.is_right(name, password, record["hash"] if record else None, before)
        return _user(name, record) if right and record and record["enabled"] else None

    def _read(self, name: str) -> dict[str, Any] | None:
        with translated():
            text = self.ask(self.redis, name)
        return orjson.loads(text) if text else None

    def _new_record(self, password: str, roles: Iterable[str]) -> dict[str, Any]:
        with translated():
            number = int(self.redis.incr(f"{self._key}:id"))
            seconds, _ = self.redis.time()
        held = sorted({Role(str(role)) for role in roles})
        return {
            "id": number,
            "hash": hash_password(password),
            "roles": held,
            "enabled": True,
            "created_at": 1000 * int(seconds),
        }

    def _transact(self, name: str, apply: Callable[[Records], None]) -> Records:
        """Apply a change of user `name` to all records, unless it leaves no administrator; all or nothing."""

        def write(pipe: Any) -> Records:
            records = {who: orjson.loads(text) for who, text in pipe.hgetall(self._key).items()}
            if name not in records:
                raise UnknownUser(f"User {name} does not exist.")
            apply(records)
            if not any(_administers(record) for record in records.values()):
                raise LastAdministrator
            pipe.multi()
            if name in records:
                pipe.hset(self._key, name, orjson.dumps(records[name]).decode())
            else:
                pipe.hdel(self._key, name)
            return records

        with translated():
            changed: Records = self.redis.transaction(write, self._key, value_from_callable=True)
        self._disk.confirm()
        return changed


def _administers(record: dict[str, Any]) -> bool:
    return record["enabled"] and Permission.SYSTEM_MANAGER in permissions_of(map(Role, record["roles"]))


def _check(name: str, password: str) -> None:
    named = 0 < len(name) <= LONGEST_NAME and is_printable(name) and ":" not in name
    if not named or not 0 < len(password) <= LONGEST_PASSWORD:
        raise IllegalUser


def _user(name: str, record: dict[str, Any]) -> User:
    roles = tuple(Role(text) for text in record["roles"])
    return User(
        record["id"],
        name,
        permissions_of(roles),
        roles,
        record["enabled"],
        record["created_at"],
        record.get("epoch", 0),
    )
