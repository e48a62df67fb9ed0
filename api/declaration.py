"""What a route says of itself: the request is read by it, and the OpenAPI document shows it.

    @hosts.post("/compute/hosts/batchDelete")
    @require(Permission.HOST_MANAGER)
    @answers(raises=(UnknownHosts, HostsInUse))
    @takes_hosts(HostIdDeletion)
    def batch_delete(ids: list[int]) -> Response:

What is read is the function's first argument; of several such lines the one nearest to the function gives the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from flask import Response
from werkzeug.exceptions import HTTPException

from api.body import Nothing, read, read_hosts, read_nothing, read_query
from api.schema.answer import AnswerSchema
from api.schema.field import RequestSchema
from api.schema.host_id import HostList
from api.service import services
from dag.error import MusterError

P = ParamSpec("P")
View = Callable[P, Response]
Reader = Callable[Concatenate[Any, P], Response]
Error = type[MusterError] | type[HTTPException]

JSON = "application/json"


@dataclass(frozen=True)
class Declaration:
    """What a route takes and answers.

    `data` are the schemas that the envelope's `data` may have (none: the answer has none); without `envelope` the
    answer is a file of one of the media types. `headers` are names, meanings and patterns; `empty` says when the answer
    is 204. A conditional answer has an ETag, and is 304 to whom has it. `raises` are the route's own errors, beside
    those that follow from the rest.
    """

    query: type[RequestSchema] | None = None
    body: type[RequestSchema] | None = None
    data: tuple[type[AnswerSchema], ...] = ()
    headers: tuple[tuple[str, str, str], ...] = ()
    empty: str = ""
    media_types: tuple[str, ...] = (JSON,)
    envelope: bool = True
    is_conditional: bool = False
    raises: tuple[Error, ...] = ()
    is_complete: bool = False


def declaration_of(view: Callable[..., object]) -> Declaration:
    """Return what a view says of itself."""
    found: Declaration = view.__dict__.get("declaration", Declaration())
    return found


def takes(schema: type[RequestSchema]) -> Callable[[Reader[P]], View[P]]:
    """Give the route the JSON body as the schema loads it, and document it."""
    return _reading(lambda: read(_made(schema)), body=schema)


def takes_hosts(schema: type[HostList]) -> Callable[[Reader[P]], View[P]]:
    """Give the route the host ids of the body, note their places for errors, and document the body."""
    return _reading(lambda: read_hosts(_made(schema)), body=schema)


def takes_query(schema: type[RequestSchema]) -> Callable[[Reader[P]], View[P]]:
    """Give the route the query as the schema loads it, and document its parameters."""
    return _reading(lambda: read_query(_made(schema)), query=schema)


def takes_nothing(route: View[P]) -> View[P]:
    """Take no body, or an empty object."""

    @wraps(route)
    def reading(*args: P.args, **kwargs: P.kwargs) -> Response:
        read_nothing()
        return route(*args, **kwargs)

    return _declared(reading, body=Nothing)


def answers(
    data: type[AnswerSchema] | tuple[type[AnswerSchema], ...] | None = None,
    raises: tuple[Error, ...] = (),
    *,
    is_conditional: bool = False,
    empty: str = "",
) -> Callable[[View[P]], View[P]]:
    """Document that the route answers with such `data` (None: with none; several: with one of them), or refuses so.

    `empty` says when it answers 204 and nothing.
    """
    kinds = () if data is None else data if isinstance(data, tuple) else (data,)
    words = {"data": kinds, "raises": raises, "is_conditional": is_conditional, "empty": empty}
    return lambda route: _declared(route, **words, is_complete=True)


def answers_file(
    *media_types: str, is_conditional: bool = False, raises: tuple[Error, ...] = (), empty: str = ""
) -> Callable[[View[P]], View[P]]:
    """Document that the route answers with a file instead of the envelope (`empty`: when with 204 and nothing)."""
    words = {"media_types": media_types, "is_conditional": is_conditional, "raises": raises, "empty": empty}
    return lambda route: _declared(route, **words, envelope=False, is_complete=True)


def knows_header(name: str, meaning: str, pattern: str) -> Callable[[View[P]], View[P]]:
    """Document a header that the route reads by itself."""
    return lambda route: _declared(route, headers=(*declaration_of(route).headers, (name, meaning, pattern)))


def _made(schema: type[RequestSchema]) -> RequestSchema:
    return schema.of(services().settings.api)


def _reading(read_it: Callable[[], Any], **words: Any) -> Callable[[Reader[P]], View[P]]:
    def read_first(route: Reader[P]) -> View[P]:
        @wraps(route)
        def reading(*args: P.args, **kwargs: P.kwargs) -> Response:
            return route(read_it(), *args, **kwargs)

        return _declared(reading, **words)

    return read_first


def _declared(view: View[P], **words: Any) -> View[P]:
    view.__dict__["declaration"] = replace(declaration_of(view), **words)
    return view
