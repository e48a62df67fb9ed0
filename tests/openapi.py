"""Holds each answer that a test sees against the OpenAPI document, strictly: no field that it does not show."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import fakeredis
import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from api.app import create_app
from api.envelope import PREFIX
from api.openapi.document import document, path_of
from api.user import UserStore
from config.settings import Settings
from dag.registry import HostRegistry
from dag.store import Store

Json = dict[str, Any]
UNLISTED = "#/components/schemas/Failure"


@cache
def whole_document() -> Json:
    """The document of an app with the default settings; answers look alike under all settings."""
    redis = fakeredis.FakeRedis(decode_responses=True)
    app = create_app(Store(redis), HostRegistry(redis), UserStore(redis), Settings())
    found: Json = json.loads(json.dumps(document(app, Settings().api)))
    return found


def resolved(part: Json) -> Json:
    """The part itself, or what it refers to."""
    found: Any = part
    while "$ref" in found:
        found = whole_document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
    known: Json = found
    return known


def strict(part: Any) -> Any:
    """The same schema, whose objects have no properties but those that it shows."""
    if isinstance(part, list):
        return [strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: strict(one) for name, one in part.items()}
    if part.get("type") == "object" and isinstance(part.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


@cache
def _components() -> Json:
    return {"components": strict(whole_document()["components"])}


@cache
def validator(method: str, path: str, status: int, media_type: str, view: int) -> jsonschema_rs.Draft202012Validator:
    """What holds the JSON of one answer; AssertionError where the document knows no such answer.

    Of several shapes that the data may have, it is the one that was asked for (`view`).
    """
    operation = whole_document()["paths"][path][method.lower()]
    assert str(status) in operation["responses"], f"{method} {path} has no documented answer {status}"
    content = resolved(operation["responses"][str(status)]).get("content", {})
    assert media_type in content, f"{method} {path} has no documented answer {status} as {media_type}"
    schema = content[media_type]["schema"]
    kinds = schema.get("properties", {}).get("data", {}).get("anyOf")
    if kinds:
        schema = {**schema, "properties": {**schema["properties"], "data": kinds[view]}}
    return schema_validator(schema)


def view_of(query: Mapping[str, str]) -> int:
    """Which of the shapes of `with_views` and `with_plan`, or of a log, a query asks for."""
    if query.get("dryRun") == "true":
        return -1
    return 2 if "fields" in query else 1 if {"view", "from"} & query.keys() else 0


def schema_validator(schema: Json) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**strict(schema), **_components()}, validate_formats=True)


@cache
def _unlisted() -> jsonschema_rs.Draft202012Validator:
    return schema_validator({"$ref": UNLISTED})


def check(app: Flask, answer: TestResponse) -> None:
    """Raise AssertionError if the answer is not as the document says."""
    method, path = answer.request.method, answer.request.path
    if method in ("HEAD", "OPTIONS"):
        return
    try:
        rule, _ = app.url_map.bind("").match(path, method, return_rule=True)
    except HTTPException:
        assert answer.status_code in (404, 405), answer.text
        _unlisted().validate(json.loads(answer.data))
        return
    known = path_of(rule)
    if known not in whole_document()["paths"]:
        known = PREFIX + known
    if answer.status_code in (204, 304):
        assert str(answer.status_code) in whole_document()["paths"][known][method.lower()]["responses"], known
        return
    held = validator(method, known, answer.status_code, answer.mimetype, view_of(answer.request.args))
    # Streams are the test's to read, and compressed answers have been held as they are without that.
    is_whole = "Content-Length" in answer.headers and "Content-Encoding" not in answer.headers
    if answer.mimetype == "application/json" and is_whole:
        held.validate(json.loads(answer.data))


class CheckedClient(FlaskClient):
    """Flask's test client, which also checks what it gets."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        check(self.application, answer)
        return answer
