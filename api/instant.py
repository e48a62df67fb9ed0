"""Times as the contract writes them: ISO 8601 with milliseconds and the offset of this machine's zone."""

import time
from datetime import datetime
from functools import lru_cache


def iso(ms: int) -> str:
    """Return ms since the epoch as `2021-09-03T14:20:26.257+08:00`."""
    second, rest = divmod(ms, 1000)
    head, offset = _second(second)
    return f"{head}.{rest:03d}{offset}"


def iso_or_none(ms: int | None) -> str | None:
    """Return the time as text, None for one that has not come."""
    return None if ms is None else iso(ms)


def now() -> str:
    """Return this moment as text."""
    return iso(time.time_ns() // 1_000_000)


# A large task shows 150,000 times that fall into a few seconds: the costly part is done once a second.
@lru_cache(maxsize=4096)
def _second(second: int) -> tuple[str, str]:
    text = datetime.fromtimestamp(second).astimezone().isoformat(timespec="seconds")
    return text[:19], text[19:]
