"""One operation of the OpenAPI document, from a route and its view."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    InternalServerError,
    NotFound,
    RequestEntityTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from werkzeug.routing import Rule

from api.auth import is_guarded, is_open, needed_by
from api.body import Nothing
from api.declaration import JSON, Declaration, declaration_of
from api.openapi.response import failures, successes
from api.openapi.schema import SchemaConverter
from api.openapi.security import ANY_PROOF
from api.schema.field import LARGEST_ID, RequestSchema
from api.throttle import TooManyAttempts, TooManyCalls
from config.settings import ApiSettings
from dag.error import StoreUnavailable

Json = dict[str, Any]
View = Callable[..., object]

WHOLE = {"type": "integer", "minimum": 0, "maximum": LARGEST_ID}
# What stands in paths: what it is, its JSON Schema, an example.
PATH: dict[str, tuple[str, Json, Any]] = {
    "host_id": ("The id of the host.", WHOLE, 1),
    "process_id": ("The id of the process, as the list of processes gives it.", WHOLE, 272354907),
    "task_id": ("The id of the task.", WHOLE, 1),
    "subtask_id": ("The id of the subtask.", WHOLE, 1),
    "user_id": ("The id of the user.", WHOLE, 2),
    "token_id": ("The id of the token.", {"type": "string", "minLength": 1, "maxLength": 64}, "26bb2dfc497c"),
    "webhook_id": ("The id of the webhook.", WHOLE, 1),
    "delivery_id": ("The id of the delivery.", {"type": "string", "minLength": 1, "maxLength": 64}, "msg_1_1-0"),
    "file": ("The name of the file.", {"enum": ["start.js", "swagger-ui.css"]}, "start.js"),
    "page": ("Which page; the script that it loads knows them.", {"type": "string", "minLength": 1}, "tasks"),
    "release": ("What tells the files of one release from those of another.", {"type": "string", "minLength": 1}, "0"),
    "asset": ("The name of the file.", {"enum": ["main.js", "style.css"]}, "main.js"),
    "access_key": ("The id of the key.", {"type": "string", "minLength": 1, "maxLength": 64}, "AK3b0c44298fc1c149"),
}


def _header(name: str, meaning: str, pattern: str = "") -> Json:
    schema = {"type": "string", **({"pattern": f"^(?:{pattern})$"} if pattern else {})}
    return {"name": name, "in": "header", "description": meaning, "schema": schema}


IF_NONE_MATCH = _header(
    "If-None-Match", "The ETag of the answer that the caller has: if it still holds, the new one is an empty 304."
)


def operation(rule: Rule, view: View, settings: ApiSettings, converter: SchemaConverter) -> Json:
    """Return what the document says of a route."""
    said = declaration_of(view)
    found: Json = {
        "operationId": camel_case(view.__name__),
        "tags": [tag_of(rule)],
        **_text(view),
        "parameters": [
            *_path_parameters(rule),
            *_query_parameters(said, settings, converter),
            *(_header(name, meaning, pattern) for name, meaning, pattern in said.headers),
            *([IF_NONE_MATCH] if said.is_conditional else []),
        ],
        "responses": {**successes(said, converter), **failures(errors(rule, view))},
    }
    if said.body is not None:
        found["requestBody"] = _body(said.body, settings, converter)
    if is_guarded(view):
        found["x-permission"] = needed_by(view)
        if is_open(view):
            found["security"] = [{}, *ANY_PROOF]
    else:
        found["security"] = []
    return found


def tag_of(rule: Rule) -> str:
    """Return the group that a route is shown in: its blueprint."""
    return str(rule.endpoint).partition(".")[0]


def camel_case(name: str) -> str:
    """Return `list_hosts` as `listHosts`."""
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


def errors(rule: Rule, view: View) -> Iterator[type[Exception]]:
    """Yield the kinds of errors by which a route may refuse a call."""
    said = declaration_of(view)
    if is_guarded(view):
        yield from (Unauthorized, TooManyAttempts, TooManyCalls, StoreUnavailable)
        if needed_by(view) or "GET" not in (rule.methods or ()):
            yield Forbidden
        if "GET" not in (rule.methods or ()):
            # A query that it does not take.
            yield BadRequest
    if said.query:
        yield BadRequest
    if said.body:
        yield from (BadRequest, RequestEntityTooLarge, UnsupportedMediaType)
    if rule.arguments:
        yield NotFound
    yield from (*said.raises, InternalServerError)


def _text(view: View) -> Json:
    head, _, rest = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
    needs = ""
    if is_guarded(view):
        permission = needed_by(view)
        needs = f"Needs the permission {permission}." if permission else "Any user may call it."
    summary = " ".join(head.split()).removesuffix(".")
    return {"summary": summary, "description": "\n\n".join(filter(None, (f"{summary}.", rest, needs)))}


def _path_parameters(rule: Rule) -> Iterator[Json]:
    for name in re.findall(r"<(?:[^:>]+:)?([^>]+)>", rule.rule):
        text, schema, example = PATH[name]
        yield {
            "name": camel_case(name),
            "in": "path",
            "required": True,
            "description": text,
            "schema": schema,
            "example": example,
        }


def _query_parameters(said: Declaration, settings: ApiSettings, converter: SchemaConverter) -> Iterator[Json]:
    if said.query is None:
        return
    schema = said.query.of(settings)
    for parameter in converter.parameters(schema):
        is_list = parameter["schema"]["type"] == "array"
        lists = {"style": "form", "explode": False} if is_list else {}
        example, shape = schema.example.get(parameter["name"]), parameter["schema"]
        # In the schema, not beside it: what stands there the page to try it would fill in, filters that nothing fits.
        shown = {} if example is None else {"examples": [_as_value(example, shape["type"])]}
        yield {**parameter, **lists, "schema": {**shape, **shown}}


def _as_value(text: str, kind: str) -> int | str | list[str]:
    if kind == "array":
        return text.split(",")
    if kind == "boolean":
        return text == "true"
    return int(text) if kind == "integer" else text


def _body(schema: type[RequestSchema], settings: ApiSettings, converter: SchemaConverter) -> Json:
    shape = converter.reference(schema.of(settings))
    example = {"example": dict(schema.example)} if schema.example or schema is Nothing else {}
    return {"required": schema is not Nothing, "content": {JSON: {"schema": shape, **example}}}
