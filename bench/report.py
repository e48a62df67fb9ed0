"""What a benchmark says: progress on stderr, and as the last line of stdout all its figures as one line of JSON."""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence


def tell(text: str) -> None:
    """Say on stderr what happens meanwhile, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def emit(figures: Mapping[str, object]) -> None:
    """Print the figures; floats are rounded to four digits that count."""
    print(json.dumps({name: _rounded(value) for name, value in figures.items()}), flush=True)


def _rounded(value: object) -> object:
    match value:
        case float():
            return float(f"{value:.4g}")
        case Mapping():
            return {name: _rounded(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_rounded(inner) for inner in value]
        case _:
            return value


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least `share` (0 to 1) of them do not exceed; ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("No values were measured.")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
