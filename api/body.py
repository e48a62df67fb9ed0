"""Reads a request's body or query through its schema."""

from typing import Any

from flask import g, request
from gunicorn.http.errors import ParseException
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from api.codec import NameTwice, parse, shorten
from api.error import HostsNamed, InvalidRequest
from api.schema.field import RequestSchema


def body_bytes() -> bytes:
    """Return the body as it was sent; a second call returns it again.

    Raises:
        BadRequest: it is sent in chunks that are none.
        RequestEntityTooLarge: more than `max_body_bytes`.

    """
    try:
        body = request.get_data()
    except ParseException:
        raise BadRequest("The request body is not chunked as HTTP/1.1 has it.") from None
    if request.content_length is None and len(body) >= (request.max_content_length or 0):
        # Werkzeug cuts a chunked body off at the limit without a word.
        raise RequestEntityTooLarge
    return body


def read(schema: Schema) -> Any:
    """Return the JSON body as the schema gives it.

    Raises:
        BadRequest: no body, no JSON, a name twice, or no object.
        RequestEntityTooLarge: more than `max_body_bytes`.
        UnsupportedMediaType: a body that is not declared as JSON, or is compressed.
        ValidationError: the body breaks the schema.

    """
    body = body_bytes()
    if not body:
        raise BadRequest("The request body is missing.")
    if coding := request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType(f"The body must be sent as it is, not with Content-Encoding: {shorten(coding)}.")
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("The body must be sent as Content-Type: application/json.")
    try:
        value = parse(body)
    except NameTwice as error:
        raise BadRequest(f"The request body is ambiguous: {error}.") from None
    except ValueError:
        raise BadRequest("Malformed JSON request") from None
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object.")
    return schema.load(value)


class Nothing(RequestSchema):
    """The body of a call that says everything in its path."""


def read_nothing() -> None:
    """Take no body or an empty object; refuse any field, for the caller means something by it.

    Raises:
        what `read` raises.

    """
    if body_bytes():
        read(Nothing())


def refuse_query() -> None:
    """Refuse any parameter of a change that takes none: a `dryRun` that nobody reads would delete hosts.

    Raises:
        ValidationError: there is one.

    """
    if request.args:
        read_query(Nothing())


def read_hosts(schema: Schema) -> list[int]:
    """Return the host ids of the body, and note where they stood for errors about single hosts.

    The schema must give exactly one list of ids, whatever the field is called.

    Raises:
        what `read` raises.

    """
    found: dict[str, list[int]] = read(schema)
    ((field, ids),) = found.items()
    g.hosts_named = HostsNamed(type(schema).__name__, field, ids)
    return ids


def read_query(schema: Schema) -> Any:
    """Return the query string as the schema gives it; a name that is given twice is a list to the schema.

    Raises:
        ValidationError: the query breaks the schema.

    """
    given = {name: values[0] if len(values) == 1 else values for name, values in request.args.lists()}
    once = {field.data_key or name for name, field in schema.fields.items() if not getattr(field, "may_repeat", False)}
    twice = {name: ["must be given once"] for name, value in given.items() if name in once and isinstance(value, list)}
    if twice:
        raise InvalidRequest(ValidationError(twice), given, type(schema).__name__)
    return schema.load(given)
