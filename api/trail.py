"""Writes the audit log: one entry for each call that asked for a change, whether it was done or refused.

It is written before the change is made, and replaced when its result is known.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from flask import Response, g, request

from api.audit import Addition
from api.codec import shorten
from api.envelope import Refusal
from api.service import services
from dag.error import StoreUnavailable

READING = frozenset(("GET", "HEAD", "OPTIONS"))
MOST_NAMED = 100
SUCCESSFUL, REFUSED, FAILED = "SUCCESSFUL", "REFUSED", "FAILED"
# Still under way; or its process died, and what became of it is not known.
UNFINISHED = "UNFINISHED"
RESULTS = (SUCCESSFUL, REFUSED, FAILED, UNFINISHED)

log = structlog.get_logger()


def note(**facts: Any) -> None:
    """Add to the entry of this call what its path does not tell: never a secret."""
    g.setdefault("noted", {}).update(facts)


def note_hosts(ids: Sequence[int]) -> None:
    """Add the hosts that this call has made or found to its entry: how many, and the first 100 of them."""
    note(hostIds=list(ids[:MOST_NAMED]), hostCount=len(ids))


def note_dry_run() -> None:
    """Keep this call out of the log: whatever comes of it, it changes nothing."""
    g.is_dry_run = True


def opening() -> Addition | None:
    """Return what says that this call is about to be answered, None for one that only reads; then comes `begin`.

    Should the process die before `record`, that is what stays.
    """
    if request.method in READING:
        return None
    return services().access.audit.opening({**_entry(0), "result": UNFINISHED})


def begin(id: str) -> None:
    """Note the entry of this call that was added ("": none)."""
    if id:
        g.begun = id


def record(response: Response) -> Response:
    """Write the entry of the call that is answered so, in place of what `begin` wrote.

    Calls that only read or plan, or name no route, have none; nor has a flood that the rate limit stops: it would push
    out what was done before it, and stands in the log of the process.
    """
    if request.method in READING or not request.endpoint or _is_flood(response):
        return response
    log_of_changes, entry = services().access.audit, _entry(response.status_code)
    try:
        if "is_dry_run" in g:
            log_of_changes.drop(g.begun)
        else:
            log_of_changes.write(entry, of_stranger=not entry["user"], begun=g.get("begun", ""))
    except StoreUnavailable as error:
        # What was done is done; the log of this process has the entry instead.
        log.error("audit entry not kept", reason=str(error), **entry)
    return response


def _is_flood(response: Response) -> bool:
    return response.status_code == 429 and "caller" in g and "begun" not in g


def _entry(status: int) -> dict[str, Any]:
    caller = g.get("caller")
    refusal: Refusal | None = g.get("refusal")
    return {
        "user": caller.user.name if caller else "",
        "userId": caller.user.id if caller else 0,
        "proof": caller.proof if caller else "",
        "address": request.remote_addr or "",
        "traceId": g.trace_id,
        "method": request.method,
        "path": shorten(request.path),
        "action": _action(),
        "result": SUCCESSFUL if status < 400 else REFUSED if status < 500 else FAILED,
        "status": status,
        "code": refusal.code if refusal else 0,
        "message": shorten(refusal.message) if refusal else "",
        "details": _details(),
    }


def _action() -> str:
    """Return what the route is called, the same with and without the prefix: `hosts.batch_delete`."""
    blueprint, _, name = (request.endpoint or "").rpartition(".")
    return f"{blueprint.removesuffix('_plain')}.{name}"


def _details() -> dict[str, Any]:
    named = g.get("hosts_named")
    if named:
        note_hosts(named.ids)
    noted: dict[str, Any] = g.get("noted", {})
    return noted
