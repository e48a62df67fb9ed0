"""Ansible's ranges of host names: `web[01:20]`, `db-[a:f]`, `node[1:9:2].rack[1:4]`."""

import re
import string
from collections.abc import Sequence
from itertools import product
from math import prod

_RANGE = re.compile(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]{1,6}))?\]")
_DIGITS = 10
MOST_NAMES = 100_000


def expand(pattern: str) -> list[str]:
    """Return the names that a pattern stands for, in order.

    Raises:
        ValueError: a range makes no sense, or there are more than 100,000 names.
    """
    texts: list[str] = []
    ranges: list[Sequence[str]] = []
    at = 0
    for found in _RANGE.finditer(pattern):
        texts.append(pattern[at : found.start()])
        ranges.append(_values(*found.groups()))
        at = found.end()
    if prod(map(len, ranges)) > MOST_NAMES:
        raise ValueError(f"stands for more than {MOST_NAMES} names")
    rest = pattern[at:]
    return ["".join(a + b for a, b in zip(texts, values, strict=True)) + rest for values in product(*ranges)]


def _values(first: str, last: str, step: str | None) -> Sequence[str]:
    stride = int(step or "1")
    if stride < 1 or first.isdigit() != last.isdigit():
        raise ValueError(f"has a range that makes no sense: [{first}:{last}{':' + step if step else ''}]")
    if first.isdigit():
        return _numbers(first, last, stride)
    letters = string.ascii_letters
    chosen = letters[letters.index(first) : letters.index(last) + 1 : stride]
    if not chosen or first.islower() != last.islower():
        raise ValueError(f"has a range that runs backwards: [{first}:{last}]")
    return chosen


def _numbers(first: str, last: str, stride: int) -> Sequence[str]:
    if max(len(first), len(last)) > _DIGITS:
        raise ValueError(f"has a range with more than {_DIGITS} digits")
    # A leading zero means a fixed width, which both ends must have.
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and len(last) != width:
        raise ValueError(f"has a range whose ends differ in width: [{first}:{last}]")
    low, high = int(first), int(last)
    if high < low:
        raise ValueError(f"has a range that runs backwards: [{first}:{last}]")
    if (high - low) // stride >= MOST_NAMES:
        raise ValueError(f"stands for more than {MOST_NAMES} names")
    return [str(number).zfill(width) for number in range(low, high + 1, stride)]
