"""The envelope of every answer, as the contract's "Paths and the envelope" has it."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response, current_app, g, request

from api import instant
from api.service import services
from dag import trace

# Each path of the contract is there with it and without.
PREFIX = "/api/v2"
MOST_SHOWN = 100


@dataclass(frozen=True)
class SubError:
    """One fault of a request: where it is, what was there and what is wrong with it."""

    object: str
    field: str
    rejected: Any
    message: str


@dataclass(frozen=True)
class Refusal:
    """Why a call was refused: the contract's code, the HTTP status and what to tell the caller.

    `target` names the part of the request that is at fault ("" where there is none).
    """

    code: int
    status: int
    message: str
    target: str = ""
    sub_errors: Sequence[SubError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def open_call() -> None:
    """Note when the call came, and open its span in the caller's trace (`traceparent`) or in a new one.

    `g.trace_id` are the 16 hex digits that the contract wants: the last ones of the trace id, which so find the
    lines of all logs.
    """
    g.began = time.perf_counter()
    g.trace = trace.begin(request.headers.get("traceparent", ""), services().spans.ratio)
    g.trace_id = g.trace.short_id
    trace.enter(g.trace)


def server_name() -> str:
    """Return what the envelope's `server` says: the setting, else host name and process id."""
    return services().settings.api.server_name or f"{socket.gethostname()}-{os.getpid()}"


def success(data: Any = None) -> Response:
    """Return a 200 with `data`; a call that has nothing to tell has no `data`."""
    body = {} if data is None else {"data": data}
    return current_app.make_response(current_app.json.response({**body, **frame(200)}))


def failure(refusal: Refusal) -> Response:
    """Return the refusal in its envelope; of more than 100 faults the first 100 are listed."""
    error: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.target:
        error["target"] = refusal.target
    if refusal.sub_errors:
        error["subErrors"] = [_sub_error(sub) for sub in refusal.sub_errors[:MOST_SHOWN]]
    response = current_app.make_response(current_app.json.response({"error": error, **frame(refusal.status)}))
    response.status_code = refusal.status
    response.headers.update(refusal.headers)
    return response


def _sub_error(sub: SubError) -> dict[str, Any]:
    return {"object": sub.object, "field": sub.field, "rejectedValue": sub.rejected, "message": sub.message}


def frame(status: int) -> dict[str, Any]:
    """Return what stands around the data, or the error, of an answer that is given now."""
    return {
        "duration": round((time.perf_counter() - g.began) * 1000),
        "server": server_name(),
        "status": status,
        "successful": status < 400,
        "timestamp": instant.now(),
        "traceId": g.trace_id,
    }
