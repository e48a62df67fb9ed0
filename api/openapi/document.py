"""The OpenAPI document of the app, made from its routes, their declarations and the schemas that validate."""

import inspect
import re
from importlib.metadata import version
from typing import Any

from apispec import APISpec
from flask import Flask
from werkzeug.routing import Rule

from api.envelope import PREFIX
from api.openapi.operation import Json, camel_case, operation, tag_of
from api.openapi.response import code_table, failure, failure_schema
from api.openapi.schema import Plugin
from api.openapi.security import ANY_PROOF, SECURITY
from config.settings import ApiSettings

ABOUT = f"""Muster restarts the agents of whole fleets. It speaks OCP's contract.

Each path is also served without `{PREFIX}`. Every answer has the envelope of the contract (`data` or `error`,
`duration`, `server`, `status`, `successful`, `timestamp`, `traceId`); so have those to paths that do not exist (404,
code 10002), to methods that a path does not take (405, code 10001, with `Allow`) and to what can't be read as HTTP
(400, 414, 417, 431, 501). JSON bodies are sent as `application/json` and not compressed. A field that is not known here
is refused; so is any parameter of a change that has none.

An operation's `x-permission` is the permission that it needs; null: any user may call it. Codes of errors:

{code_table()}
"""


def document(app: Flask, settings: ApiSettings) -> Json:
    """Return the document: each route once, with the prefix where it has one, and the limits of these settings."""
    plugin = Plugin()
    spec = APISpec(
        title="Muster",
        version=version("muster"),
        openapi_version="3.1.0",
        plugins=[plugin],
        info={
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        servers=[{"url": "/"}],
        security=ANY_PROOF,
    )
    spec.components.schema("Failure", failure_schema())
    for name, scheme in SECURITY.items():
        spec.components.security_scheme(name, scheme)
    rules = shown_rules(app)
    for tag in dict.fromkeys(tag_of(rule) for rule in rules):
        spec.tag({"name": tag, "description": _tag_text(app, tag, rules)})
    taken: dict[str, int] = {}
    for rule in rules:
        view = app.view_functions[rule.endpoint]
        said = operation(rule, view, settings, plugin.schemas)
        # A view with two paths is two operations.
        times = taken[said["operationId"]] = taken.get(said["operationId"], 0) + 1
        said["operationId"] += "" if times == 1 else str(times)
        spec.path(path_of(rule), operations={method_of(rule): said})
        for answer in said["responses"].values():
            _add_failure(spec, answer.get("$ref", "").rpartition("/")[2])
    found: Json = spec.to_dict()
    return found


def _add_failure(spec: APISpec, name: str) -> None:
    if name and name not in spec.components.responses:
        spec.components.response(name, failure(name))


def shown_rules(app: Flask) -> list[Rule]:
    """Return the routes that the document shows, in the order in which they were made."""
    rules = list(app.url_map.iter_rules())
    prefixed = {rule.rule for rule in rules if rule.rule.startswith(PREFIX)}
    return [rule for rule in rules if f"{PREFIX}{rule.rule}" not in prefixed]


def path_of(rule: Rule) -> str:
    """Return the path of a route as the document writes it."""
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", lambda found: f"{{{camel_case(found[1])}}}", rule.rule)


def method_of(rule: Rule) -> str:
    """Return the one method of a route in lower case."""
    (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
    return method.lower()


def _tag_text(app: Flask, tag: str, rules: list[Rule]) -> str:
    view: Any = next(app.view_functions[rule.endpoint] for rule in rules if tag_of(rule) == tag)
    module = inspect.getmodule(inspect.unwrap(view))
    return inspect.cleandoc((module.__doc__ if module else "") or "")
