"""Loads the Lua scripts beside it and calls them; a refusal of Redis becomes an error of Muster.

Each script opens with its keys, arguments and answer. A first line `-- include: a, b` names the files whose
functions it uses. Redis keeps scripts by their SHA1; one that it has forgotten (SCRIPT FLUSH, a restart) is sent
again by redis-py (EVALSHA, then EVAL on NOSCRIPT).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis import exceptions as fault

from dag.error import StoreUnavailable

FOLDER = Path(__file__).parent / "lua"
_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)

# What Redis says when it lives but can't serve: they pass, so they are no faults of the caller.
_PASSING = ("LOADING", "READONLY", "MISCONF", "OOM", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY")


@cache
def source(name: str) -> str:
    """Return the text of script `name` with what it includes before it; FileNotFoundError for an unknown one."""
    text = (FOLDER / f"{name}.lua").read_text()
    found = _INCLUDE.search(text)
    parts = [part.strip() for part in found.group(1).split(",")] if found else []
    return "\n".join([(FOLDER / f"{part}.lua").read_text() for part in parts] + [text])


@contextmanager
def translated() -> Iterator[None]:
    """Turn each way in which Redis can be away or refuse writes into StoreUnavailable.

    The address stays out of the message: it may hold a password.
    """
    try:
        yield
    except (fault.ConnectionError, fault.TimeoutError) as error:
        raise StoreUnavailable(f"Redis can't be reached ({type(error).__name__}).") from None
    except fault.ResponseError as error:
        word = str(error).split(" ", 1)[0].lstrip("-")
        if word in _PASSING or isinstance(error, (fault.ReadOnlyError, fault.OutOfMemoryError)):
            raise StoreUnavailable(f"Redis does not take this now: {error}") from None
        raise


class Scripts:
    """The scripts on one connection pool."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Any] = {}

    def call(self, name: str, keys: Sequence[str], *arguments: str | int) -> Any:
        """Run script `name`; the answer is as the script's head says.

        Raises:
            StoreUnavailable: Redis is away, loading, read-only or full.
        """
        if name not in self._known:
            self._known[name] = self._redis.register_script(source(name))
        with translated():
            return self._known[name](keys=list(keys), args=list(arguments))
