"""JSON in and out: strict on the way in, fast on the way out."""

import json
from collections import Counter
from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider

LONGEST_SHOWN = 100
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class NameTwice(ValueError):
    """A request's JSON gives a name twice in one object, so that nobody can tell which is meant."""


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson: a task of 10,000 hosts has 50,004 subtasks."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return `obj` as JSON text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return what the JSON says; ValueError where it is malformed (see `parse`)."""
        return parse(s.encode() if isinstance(s, str) else s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a response with the object as its body, without a detour over str."""
        body = orjson.dumps(self._prepare_response_obj(args, kwargs))
        return Response(body, mimetype="application/json")


def parse(body: bytes) -> Any:
    """Return what a request's JSON says.

    Raises:
        NameTwice: a name stands twice in one object.
        ValueError: no UTF-8, no JSON, NaN or Infinity, half of a surrogate pair, or nested too deeply. Python's own
            parser would let the middle two pass, and a name given twice.

    """
    text = body.decode("utf-8")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_int=_whole)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name, _times = Counter(name for name, _value in pairs).most_common(1)[0]
        raise NameTwice(f"a name is given twice in one object: {shorten(name)!r}")
    return found


def _whole(digits: str) -> int:
    # Python refuses to read thousands of digits; the first 101 are far too large for any field, and all that is shown.
    return int(digits[: LONGEST_SHOWN + 1])


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def shown(value: Any) -> Any:
    """Return a refused value as an error may show it: itself, or its first 100 characters."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if _SMALLEST <= value <= _LARGEST else shorten(str(value))
    if isinstance(value, str):
        return shorten(value)
    try:
        return shorten(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "..."


def shorten(text: str) -> str:
    """Return at most the first 100 characters, and dots where some are missing."""
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
