"""The answers of an operation: the envelope around its data, and its errors by status."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from api.declaration import JSON, Declaration
from api.error import MEANINGS, code_and_status
from api.openapi.schema import SchemaConverter
from api.schema.answer import NOW

Json = dict[str, Any]

FRAME: dict[str, Json] = {
    "duration": {"type": "integer", "minimum": 0, "description": "Milliseconds that the call took."},
    "server": {"type": "string", "description": "The process that answered."},
    "status": {"type": "integer", "description": "The HTTP status."},
    "successful": {"type": "boolean", "description": "Whether the call succeeded."},
    "timestamp": {"type": "string", "format": "date-time", "description": "When it was answered."},
    "traceId": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Finds the call in the logs."},
}
_EXAMPLE = {"duration": 3, "server": "api-1", "timestamp": NOW, "traceId": "39c56b1c3cd7b9f2"}
HEADERS: dict[int, dict[str, Json]] = {
    401: {
        "WWW-Authenticate": {
            "description": "How to prove who calls; left out for the console, where a browser would ask by itself.",
            "schema": {"type": "string"},
        }
    },
    429: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}, "required": True}},
    503: {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}, "required": True}},
}
PLAIN = frozenset(("text/html", "text/css", "text/javascript"))
ETAG: dict[str, Json] = {
    "ETag": {"description": "Names this state of the answer.", "schema": {"type": "string"}, "required": True}
}


def successes(said: Declaration, converter: SchemaConverter) -> Json:
    """Return the answers of an operation that succeeds."""
    if said.envelope:
        content, text = {JSON: _enveloped(said, converter)}, "Done."
    else:
        content, text = {kind: {"schema": _file_schema(kind)} for kind in said.media_types}, "The file."
    found: Json = {"200": {"description": text, "content": content}}
    if said.empty:
        found["204"] = {"description": said.empty}
    if said.is_conditional:
        found["200"]["headers"] = ETAG
        found["304"] = {"description": "It is what the caller has.", "headers": ETAG}
    return found


def _file_schema(media_type: str) -> Json:
    # In OpenAPI 3.1 bytes have no type, and a stream has none, either.
    return {"type": "object"} if media_type == JSON else {"type": "string"} if media_type in PLAIN else {}


def _enveloped(said: Declaration, converter: SchemaConverter) -> Json:
    shape: Json = {"type": "object", "properties": _frame(), "required": sorted(FRAME)}
    frame: Json = {"status": 200, "successful": True, **_EXAMPLE}
    if not said.data:
        return {"schema": shape, "example": frame}
    kinds = [converter.reference(schema) for schema in said.data]
    shape["properties"] = {"data": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}, **shape["properties"]}
    shape["required"] = sorted((*FRAME, "data"))
    shown = {schema.__name__: {"data": dict(schema.example), **frame} for schema in said.data}
    if len(shown) == 1:
        return {"schema": shape, "example": next(iter(shown.values()))}
    return {"schema": shape, "examples": {name: {"value": example} for name, example in shown.items()}}


def failures(kinds: Iterable[type[Exception]]) -> Json:
    """Return the error answers of an operation by status, each a reference to the component `failure` makes."""
    codes: dict[int, set[int]] = {}
    for kind in kinds:
        code, status = code_and_status(kind)
        codes.setdefault(status, set()).add(code)
    return {
        str(status): {"$ref": f"#/components/responses/{name_of(status, found)}"}
        for status, found in sorted(codes.items())
    }


def name_of(status: int, codes: set[int]) -> str:
    """Return what the component of an error answer is called, such as `404-20000`."""
    return "-".join(map(str, (status, *sorted(codes))))


def failure(name: str) -> Json:
    """Return the error answer of this name: with one status, and one of some codes."""
    status, *codes = map(int, name.split("-"))
    shape = {
        "allOf": [{"$ref": "#/components/schemas/Failure"}],
        "properties": {
            "status": {"const": status},
            "error": {"properties": {"code": {"enum": codes}}},
        },
    }
    examples = {str(code): {"summary": MEANINGS[code], "value": _failed(status, code)} for code in codes}
    text = " ".join(f"{code}: {MEANINGS[code]}" for code in codes)
    found: Json = {
        "description": f"{HTTPStatus(status).phrase}. {text}",
        "content": {JSON: {"schema": shape, "examples": examples}},
    }
    headers: Mapping[str, Json] = HEADERS.get(status, {})
    return found | ({"headers": dict(headers)} if headers else {})


def _failed(status: int, code: int) -> Json:
    return {"error": {"code": code, "message": MEANINGS[code]}, "status": status, "successful": False, **_EXAMPLE}


def _frame() -> Json:
    return FRAME | {"status": {"const": 200, **FRAME["status"]}, "successful": {"const": True, **FRAME["successful"]}}


def failure_schema() -> Json:
    """Return the schema of every error answer."""
    sub_error = {
        "type": "object",
        "description": "One fault of the request.",
        "properties": {
            "object": {"type": "string", "description": "The request's name."},
            "field": {"type": "string", "description": "Where it is, such as `hostIds[1]`."},
            "rejectedValue": {"description": "What was there; null where that may be a secret."},
            "message": {"type": "string", "description": "What is wrong with it."},
        },
        "required": ["field", "message", "object", "rejectedValue"],
    }
    error = {
        "type": "object",
        "description": "Why the call was refused.",
        "properties": {
            "code": {"type": "integer", "enum": sorted(MEANINGS), "description": code_table()},
            "message": {"type": "string", "description": "The reason, for people."},
            "target": {"type": "string", "description": "The part of the request that is at fault."},
            "subErrors": {"type": "array", "items": sub_error, "description": "All faults, the first 100 of them."},
        },
        "required": ["code", "message"],
    }
    failed = {"const": False, **FRAME["successful"]}
    return {
        "type": "object",
        "description": "A call that was refused or failed.",
        "properties": {"error": error, **FRAME, "successful": failed},
        "required": sorted((*FRAME, "error")),
    }


def code_table() -> str:
    """Return all codes and what they mean, as Markdown."""
    return "\n".join(("| code | meaning |", "|---|---|", *(f"| {code} | {text} |" for code, text in MEANINGS.items())))
