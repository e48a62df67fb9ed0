"""How much one caller may ask: a rate of calls for each user, and ever fewer attempts to log in after failed ones.

Both are counted in Redis, by its own clock, for all API processes together.
"""

import hashlib
import ipaddress
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from api.audit import Addition
from dag.error import MusterError
from dag.script import translated

# A few typing errors are free. An address stands for many people where they come through one proxy or NAT.
FREE_ATTEMPTS, FREE_OF_ADDRESS = 5, 100
LONGEST_WAIT_SECONDS, FORGOTTEN_SECONDS = 60, 15 * 60

_LUA = Path(__file__).parent / "lua"


class TooManyCalls(MusterError):
    """A user calls too often."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"This user calls too often. Try again in {retry_after} s.")


class TooManyAttempts(MusterError):
    """Too many failed logins."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"Too many failed logins. Try again in {retry_after} s.")


class RateLimit:
    """So many calls a second for each user, and a burst at once; a rate of 0: no limit."""

    def __init__(self, redis: Any, per_second: float, burst: int) -> None:
        self._script = redis.register_script((_LUA / "rate.lua").read_text())
        self._step = round(1_000_000 / per_second) if per_second else 0
        self._burst = burst

    def admit(self, user_id: int, opened: Addition | None = None) -> str:
        """Count a call and, where it is let through, add the entry that it opens; return that one's id ("" for none).

        Raises:
            TooManyCalls: it is one too many; its text says when the next may come.
            StoreUnavailable: Redis is away; a change without its entry must not be made.

        """
        if not self._step and not opened:
            return ""
        keys: list[str] = [f"{{iam}}:rate:{user_id}"]
        args: list[int | bytes] = [self._step, self._burst]
        if opened:
            keys, args = [*keys, opened.key], [*args, opened.entry, opened.most]
        with translated():
            wait, begun = self._script(keys=keys, args=args)
        if wait:
            raise TooManyCalls(math.ceil(wait / 1_000_000))
        return str(begun)


class Attempts:
    """Attempts to log in with a name (or the id of a token or an access key) from an address.

    Each is counted before it is checked, so that many at once gain nothing, and forgotten when it was right. While one
    has to wait, right passwords are refused, too: otherwise guesses would not be slowed at all.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._script: Any = redis.register_script((_LUA / "attempt.lua").read_text())

    def check(self, name: str, address: str, also: Callable[[Any], object] = lambda _pipe: None) -> list[Any]:
        """Ask, in one round trip, for what `also` puts into the pipeline, and return its answers.

        Raises:
            TooManyAttempts: this name or address has to wait.
            StoreUnavailable: Redis is away.

        """
        _, of_name, _, of_address = _keys(name, address)
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            pipe.pttl(of_name)
            pipe.pttl(of_address)
            also(pipe)
            answers: list[Any] = pipe.execute()
        _refuse(max(answers[:2]))
        return answers[2:]

    def begin(self, name: str, address: str) -> None:
        """Count an attempt that is about to be made; the same errors as `check`."""
        limits = (FREE_ATTEMPTS, FREE_OF_ADDRESS, LONGEST_WAIT_SECONDS, FORGOTTEN_SECONDS)
        with translated():
            _refuse(self._script(keys=_keys(name, address), args=limits))

    def succeed(self, name: str, address: str) -> None:
        """Forget the attempts of this name, of which the last was right."""
        attempts, wait, of_address, _ = _keys(name, address)
        with translated(), self._redis.pipeline() as pipe:
            pipe.delete(attempts, wait)
            pipe.decr(of_address)
            pipe.expire(of_address, FORGOTTEN_SECONDS)
            pipe.execute()


def _refuse(wait_ms: int) -> None:
    if wait_ms > 0:
        raise TooManyAttempts(math.ceil(wait_ms / 1000))


def _keys(name: str, address: str) -> tuple[str, str, str, str]:
    # Names are what strangers send: as digests they are short, and no password that was typed for a name stays.
    network = _network(address)
    subject = hashlib.sha256(f"{network}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    found = [f"{{iam}}:{what}:{who}" for who in (subject, network) for what in ("attempts", "wait")]
    return found[0], found[1], found[2], found[3]


def _network(address: str) -> str:
    """Return the address, of IPv6 its first 64 bits: whoever has one address there has all of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address
