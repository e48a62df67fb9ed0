"""Durations as they are typed: 30s, 30m, 2h, 7d."""

import re
from datetime import timedelta

from cli.error import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


def parse_duration(text: str) -> timedelta | None:
    """Return the duration, None where the text is none."""
    found = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def seconds_of(text: str, option: str) -> int:
    """Return the duration that an option says in seconds; UsageError where it says none."""
    found = parse_duration(text)
    if found is None:
        raise UsageError(f"{option} must be a duration such as 0s, 30m, 2h or 7d, not {text!r}.")
    return int(found.total_seconds())
