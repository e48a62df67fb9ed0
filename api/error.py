"""What a refused call is told: the one place where errors get their code, HTTP status, target and details.

The codes are the contract's ("Paths and the envelope").
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask, Response, g, request
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from api.access_key import NoSecretKey, SpentSignature
from api.browser import CSRF_HEADER, ForeignCall, is_of_browser
from api.cipher import WrongKey
from api.codec import shorten, shown
from api.credential import TooManyCredentials, UnknownCredential
from api.envelope import MOST_SHOWN, Refusal, SubError, failure, open_call
from api.inventory.row import InventoryError
from api.throttle import TooManyAttempts, TooManyCalls
from api.user import IllegalUser, LastAdministrator, UnknownUser, UserExists
from api.webhook.delivery import UnknownDelivery
from api.webhook.hook import TooManyWebhooks, UnknownWebhook, WebhookDisabled
from dag.error import (
    AgentUnavailable,
    ClaimConflict,
    DuplicateHost,
    HostsInUse,
    IllegalState,
    MusterError,
    NotDurable,
    PartitionMismatch,
    RollbackProhibited,
    StillRunning,
    StoreUnavailable,
    TooManyFollowing,
    TooManyWaiting,
    Unanswered,
    UnknownHosts,
    UnknownProcess,
    UnknownSubtask,
    UnknownTask,
)

ILLEGAL_ARGUMENT = 10001
NOT_FOUND = 10002
UNEXPECTED = 10010
UNKNOWN_TASK = 20000
ILLEGAL_STATE = 20003
ROLLBACK_PROHIBITED = 20004
NOT_AUTHENTICATED = 30000
NOT_PERMITTED = 30014
AGENT_STATE = 40000

# What a code means, whoever answers it: the contract's words where it has some.
MEANINGS = {
    ILLEGAL_ARGUMENT: "Illegal argument, or a call that can't be served as it is sent.",
    NOT_FOUND: "What the path or the body names does not exist.",
    UNEXPECTED: "Unexpected error, or what Muster needs is not available.",
    UNKNOWN_TASK: "The task does not exist.",
    ILLEGAL_STATE: "The state of the task or the subtask does not allow this now.",
    ROLLBACK_PROHIBITED: "The task can't be rolled back.",
    NOT_AUTHENTICATED: "Nobody known calls, or has to wait after failed logins.",
    NOT_PERMITTED: "The caller may not do this.",
    AGENT_STATE: "The agent or the host is not in a state that allows this now.",
}

IDEMPOTENCY_KEY = "Idempotency-Key"
RETRY_LATER = {"Retry-After": "2"}
CHALLENGE = {"WWW-Authenticate": 'Basic realm="muster", Bearer'}
UNKNOWN_FIELD = "is no field of this request"
SECRET_FIELDS = frozenset(("variables", "password", "currentPassword", "secret"))

log = structlog.get_logger()


class InvalidRequest(ValidationError):
    """A body or a query against its schema; `request_name` is the envelope's `object`."""

    def __init__(self, error: ValidationError, data: Any, request_name: str) -> None:
        super().__init__(error.messages, data=data)
        self.request_name = request_name


class HostsNamed:
    """Where a request names hosts: the field and the ids in it, for errors about single hosts."""

    def __init__(self, request_name: str, field: str, ids: Sequence[int]) -> None:
        self.request_name, self.field, self.ids = request_name, field, ids

    def sub_errors(self, faults: Sequence[tuple[int, str]]) -> list[SubError]:
        """Return (host id, message) as the envelope's sub-errors, each with its place in the list."""
        places = {host: f"{self.field}[{at}]" for at, host in enumerate(self.ids)}
        name = self.request_name
        return [SubError(name, places.get(host, self.field), host, text) for host, text in faults]


UNKNOWN_CAUSE = Refusal(UNEXPECTED, 500, "Unexpected error; the log has more under the trace id.")
ANY_HOST = HostsNamed("request", "hostId", ())


Build = Callable[[Any, HostsNamed], Refusal]


@dataclass(frozen=True)
class Answer:
    """How errors of one kind are answered: always under this code and HTTP status."""

    code: int
    status: int
    build: Build


def answered(code: int, status: int, build: Callable[[Any, HostsNamed, int, int], Refusal]) -> Answer:
    """Return the answer that `build` words: it gets the error, where hosts are named, code and status."""
    return Answer(code, status, lambda error, named: build(error, named, code, status))


def _unknown_hosts(error: UnknownHosts, named: HostsNamed, code: int, status: int) -> Refusal:
    subs = named.sub_errors([(host, f"Host {host} does not exist.") for host in error.ids])
    return Refusal(code, status, str(error), named.field, subs)


def _hosts_in_use(error: HostsInUse, named: HostsNamed, code: int, status: int) -> Refusal:
    text = "Task {} holds host {} or waits for it."
    subs = named.sub_errors([(host, text.format(task, host)) for host, task in error.ids])
    return Refusal(code, status, str(error), named.field, subs)


def _duplicate_host(error: DuplicateHost, _: HostsNamed, code: int, status: int) -> Refusal:
    sub = SubError("HostCreation", "hostBasicDataList", f"{error.address} {error.port}", str(error))
    return Refusal(code, status, str(error), "hostBasicDataList", [sub])


def _away(error: StoreUnavailable, _: HostsNamed, code: int, status: int) -> Refusal:
    # The reason names servers and ports: it goes to the log, not to the caller.
    text = "The store of tasks and hosts is not available; nothing was changed. Try again."
    return Refusal(code, status, text, headers=RETRY_LATER)


def _unanswered(_error: Unanswered, _: HostsNamed, code: int, status: int) -> Refusal:
    text = "The store of tasks and hosts does not answer. Try again"
    if request.method != "GET":
        text += "; if it went away during this very call, look first whether the change was made"
    return Refusal(code, status, f"{text}.", headers=RETRY_LATER)


def _later(error: MusterError, _: HostsNamed, code: int, status: int) -> Refusal:
    return Refusal(code, status, str(error), headers=RETRY_LATER)


def _slowed(error: TooManyCalls | TooManyAttempts, _: HostsNamed, code: int, status: int) -> Refusal:
    return Refusal(code, status, str(error), headers={"Retry-After": str(error.retry_after)})


def _spent(error: SpentSignature, _: HostsNamed, code: int, status: int) -> Refusal:
    return Refusal(code, status, str(error), headers=CHALLENGE)


def _illegal_state(error: IllegalState, _: HostsNamed, code: int, status: int) -> Refusal:
    return Refusal(code, status, str(error), error.target)


def _claim_conflict(error: ClaimConflict, _: HostsNamed, code: int, status: int) -> Refusal:
    text = f"{IDEMPOTENCY_KEY} was used before, for task {error.task_id} and another path or body: take a new key."
    return Refusal(code, status, text, IDEMPOTENCY_KEY)


def _inventory(error: InventoryError, _: HostsNamed, code: int, status: int) -> Refusal:
    subs = [
        SubError("HostImport", ", ".join(filter(None, (fault.where, fault.field))), fault.value, fault.message)
        for fault in error.faults[:MOST_SHOWN]
    ]
    return Refusal(code, status, f"Illegal argument content: {error}", "content", subs)


def _plain(code: int, status: int, target: str = "") -> Answer:
    return Answer(code, status, lambda error, _: Refusal(code, status, str(error), target))


_UNEXPECTED = Answer(UNEXPECTED, 500, lambda _error, _named: UNKNOWN_CAUSE)

MAPPED: dict[type[MusterError], Answer] = {
    UnknownHosts: answered(NOT_FOUND, 404, _unknown_hosts),
    HostsInUse: answered(AGENT_STATE, 409, _hosts_in_use),
    DuplicateHost: answered(ILLEGAL_ARGUMENT, 400, _duplicate_host),
    StoreUnavailable: answered(UNEXPECTED, 503, _away),
    Unanswered: answered(UNEXPECTED, 503, _unanswered),
    NotDurable: answered(UNEXPECTED, 503, _later),
    IllegalState: answered(ILLEGAL_STATE, 400, _illegal_state),
    RollbackProhibited: _plain(ROLLBACK_PROHIBITED, 400, "taskId"),
    UnknownTask: _plain(UNKNOWN_TASK, 404, "taskId"),
    UnknownSubtask: _plain(NOT_FOUND, 404, "subtaskId"),
    UserExists: _plain(ILLEGAL_ARGUMENT, 400, "name"),
    IllegalUser: _plain(ILLEGAL_ARGUMENT, 400, "name"),
    UnknownUser: _plain(NOT_FOUND, 404),
    LastAdministrator: _plain(ILLEGAL_ARGUMENT, 409),
    UnknownCredential: _plain(NOT_FOUND, 404),
    TooManyCredentials: _plain(ILLEGAL_ARGUMENT, 409),
    UnknownWebhook: _plain(NOT_FOUND, 404, "webhookId"),
    UnknownDelivery: _plain(NOT_FOUND, 404, "deliveryId"),
    TooManyWebhooks: _plain(ILLEGAL_ARGUMENT, 409),
    WebhookDisabled: _plain(ILLEGAL_ARGUMENT, 409, "webhookId"),
    NoSecretKey: _plain(ILLEGAL_ARGUMENT, 409),
    SpentSignature: answered(NOT_AUTHENTICATED, 401, _spent),
    TooManyCalls: answered(ILLEGAL_ARGUMENT, 429, _slowed),
    TooManyAttempts: answered(NOT_AUTHENTICATED, 429, _slowed),
    ForeignCall: _plain(NOT_PERMITTED, 403, CSRF_HEADER),
    WrongKey: _UNEXPECTED,
    AgentUnavailable: _plain(AGENT_STATE, 409, "hostId"),
    StillRunning: _plain(UNEXPECTED, 504, "processId"),
    UnknownProcess: _plain(NOT_FOUND, 404, "processId"),
    ClaimConflict: answered(ILLEGAL_ARGUMENT, 409, _claim_conflict),
    TooManyWaiting: answered(UNEXPECTED, 503, _later),
    TooManyFollowing: answered(UNEXPECTED, 503, _later),
    InventoryError: answered(ILLEGAL_ARGUMENT, 400, _inventory),
    PartitionMismatch: _UNEXPECTED,
}
_HTTP_CODES = {401: NOT_AUTHENTICATED, 403: NOT_PERMITTED, 404: NOT_FOUND}


def refusal(error: Exception) -> Refusal:
    """Return what the caller is told; an error without a mapping is unexpected (500, no details)."""
    if isinstance(error, ValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http(error)
    for kind in type(error).__mro__:
        if kind in MAPPED:
            return MAPPED[kind].build(error, g.get("hosts_named", ANY_HOST))
    return UNKNOWN_CAUSE


def code_and_status(kind: type[Exception]) -> tuple[int, int]:
    """Return the code and the HTTP status under which errors of this kind are answered."""
    if issubclass(kind, ValidationError):
        return ILLEGAL_ARGUMENT, 400
    if issubclass(kind, HTTPException):
        status = kind.code or 500
        return _http_code(status), status
    found = next((MAPPED[base] for base in kind.__mro__ if base in MAPPED), _UNEXPECTED)
    return found.code, found.status


def _http(error: HTTPException) -> Refusal:
    status = error.code or 500
    # A browser would ask for name and password by itself, over the console's own page.
    asks = status == 401 and not is_of_browser()
    headers = dict(CHALLENGE) if asks else {}
    methods = getattr(error, "valid_methods", None)
    if methods:
        headers["Allow"] = ", ".join(sorted(methods))
    return Refusal(_http_code(status), status, _told(error, ", ".join(sorted(methods or ()))), headers=headers)


def _http_code(status: int) -> int:
    return _HTTP_CODES.get(status, ILLEGAL_ARGUMENT if status < 500 else UNEXPECTED)


def _told(error: HTTPException, allowed: str) -> str:
    """Return the error's own words; where it has only werkzeug's for browsers, what was asked for and what is there."""
    path = shorten(request.path)
    told = {
        404: f"There is nothing at {path}.",
        405: f"{request.method} is not allowed at {path}; allowed are {allowed}.",
        413: f"The body is larger than {request.max_content_length} bytes.",
    }
    own = error.description if error.description != type(error).description else ""
    return own or told.get(error.code or 500) or error.description or error.name


def _invalid(error: ValidationError) -> Refusal:
    faults = list(_faults(error.messages, ()))
    name = error.request_name if isinstance(error, InvalidRequest) else "request"
    subs = [_sub_error(name, error.data, path, text) for path, text in faults[:MOST_SHOWN]]
    if len(subs) == 1 and not subs[0].field:
        return Refusal(ILLEGAL_ARGUMENT, 400, f"Illegal argument: {subs[0].message}")
    more = f" ({len(faults)} faults, the first {len(subs)} are listed)" if len(faults) > len(subs) else ""
    text = f"Illegal argument {subs[0].field}: {subs[0].message}{more}"
    return Refusal(ILLEGAL_ARGUMENT, 400, text, _spelled(faults[0][0][:1]), subs)


Path = tuple[str | int, ...]


def _faults(messages: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield (where, what) of marshmallow's nested messages, in the order of the fields."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _faults(inner, path if key == "_schema" else (*path, key))
    else:
        for text in [messages] if isinstance(messages, str) else messages:
            yield path, str(text)


def _spelled(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" for part in path)
    # The names are the caller's own words, and they go into a line of the log.
    return "".join(char if char.isprintable() else "?" for char in text.removeprefix("."))


def _sub_error(name: str, data: Any, path: Path, fault: str) -> SubError:
    # What may be a password is not sent back: answers end up in the logs of others.
    secret = fault == UNKNOWN_FIELD or not SECRET_FIELDS.isdisjoint(path[:1])
    return SubError(name, _spelled(path), None if secret else _rejected(data, path), fault)


def _rejected(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return shown(data)


def register(app: Flask) -> None:
    """Answer every error of the app in the envelope, and log one line for it."""
    app.register_error_handler(Exception, _answer)


def _answer(error: Exception) -> Response | HTTPException:
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return error
    if "trace_id" not in g:
        open_call()
    refused = g.refusal = refusal(error)
    facts = {
        "trace_id": g.trace.trace_id,
        "method": request.method,
        "path": shorten(request.path),
        "status": refused.status,
        "code": refused.code,
        "target": refused.target,
    }
    if refused.status == 500:
        # As text, made here: a renderer that shows local variables would show passwords.
        cause = "".join(traceback.format_exception(error))
        log.error("call failed", reason=shorten(str(error)), traceback=cause, **facts)
    elif isinstance(error, StoreUnavailable):
        log.error("call failed", reason=shorten(str(error)), **facts)
    else:
        log.warning("call refused", reason=refused.message, **facts)
    return failure(refused)
