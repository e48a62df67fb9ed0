"""Loads the Lua scripts beside it and calls them; a refusal of Redis becomes an error of Muster.

Each script opens with its keys, arguments and answer. A first line `-- include: a, b` names the files whose
functions it uses. Redis keeps scripts by their SHA1; one that it has forgotten (SCRIPT FLUSH, a restart) is sent
again by redis-py (EVALSHA, then EVAL on NOSCRIPT).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis import exceptions as fault

from dag.error import StoreUnavailable, Unanswered

FOLDER = Path(__file__).parent / "lua"
# Keys and arguments of one call.
Call = tuple[Sequence[str], Sequence[str | int | bytes]]
_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)

# What Redis says when it lives but can't serve: they pass, so they are no faults of the caller. redis-py takes the
# word off where it has a class for it, and leaves it where it has none.
_PASSING_WORDS = frozenset(
    ("LOADING", "READONLY", "MISCONF", "OOM", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY")
)
_PASSING = (
    fault.ReadOnlyError,
    fault.OutOfMemoryError,
    fault.MasterDownError,
    fault.ClusterDownError,
    fault.TryAgainError,
)
_REFUSING = (fault.AuthenticationError, fault.AuthenticationWrongNumberOfArgsError, fault.NoPermissionError)


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

    The address stays out of the message, and so does the command that failed: they may hold a password.
    """
    try:
        yield
    except _REFUSING as error:
        # Not for now but until somebody acts, so the message says what is to be done.
        raise StoreUnavailable(
            f"Redis refuses the user or the password of redis.url (MUSTER_REDIS_URL): {_reason(error)}"
        ) from None
    except (fault.ConnectionError, fault.TimeoutError) as error:
        raise Unanswered(f"Redis can't be reached ({type(error).__name__}).") from None
    except fault.ResponseError as error:
        reason = _reason(error)
        if isinstance(error, _PASSING) or reason.split(" ", 1)[0].lstrip("-") in _PASSING_WORDS:
            raise StoreUnavailable(f"Redis does not take this now: {reason}") from None
        raise


def _reason(error: Exception) -> str:
    # A pipeline puts the whole command before the reason.
    return str(error).rsplit(" of pipeline caused error: ", 1)[-1]


class Scripts:
    """The scripts on one connection pool."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._known: dict[str, Any] = {}

    def call(self, name: str, keys: Sequence[str], *arguments: str | int) -> Any:
        """Run script `name`; the answer is as the script's head says.

        Raises:
            StoreUnavailable: Redis is away (Unanswered), loading, read-only or full.
        """
        script = self._script(name)
        with translated():
            return script(keys=list(keys), args=list(arguments))

    def call_with(
        self, then: Callable[[Any], None], name: str, keys: Sequence[str], *arguments: str | int
    ) -> list[Any]:
        """Run script `name`, and in the same round trip what `then` puts into the pipeline behind it.

        Returned are the script's answer and then those of the others, of which each may be an error (redis.exceptions)
        instead; the same errors as `call`.
        """
        script = self._script(name)

        def run() -> list[Any]:
            with self._redis.pipeline(transaction=False) as pipe:
                # Not the script itself: a pipeline asks for each script whether it is there, in a round trip more.
                pipe.evalsha(script.sha, len(keys), *keys, *arguments)
                then(pipe)
                answers: list[Any] = pipe.execute(raise_on_error=False)
                return answers

        with translated():
            answers = run()
            if isinstance(answers[0], fault.NoScriptError):
                self._redis.script_load(script.script)
                answers = run()
            if isinstance(answers[0], Exception):
                raise answers[0]
        return answers

    def call_each(self, name: str, calls: Sequence[Call]) -> list[Any]:
        """Run script `name` with each of these keys and arguments, all in one round trip; the same errors as `call`."""
        script = self._script(name)
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            for keys, arguments in calls:
                script(keys=list(keys), args=list(arguments), client=pipe)
            answers: list[Any] = pipe.execute()
            return answers

    def _script(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._redis.register_script(source(name))
        return self._known[name]
