"""`Idempotency-Key`: of calls with the same key, method, path and body one makes a task, which answers all of them.

Source: the IETF draft "The Idempotency-Key HTTP Header Field". It writes the key in quotes; without them it counts,
too. The draft's 422 for another body is a 409 here, as all else that the state of things does not allow.
"""

import re
from hashlib import sha256

from flask import Response, g, request
from marshmallow import ValidationError

from api.auth import caller
from api.body import body_bytes
from api.codec import shown
from api.error import IDEMPOTENCY_KEY, InvalidRequest
from api.service import services
from dag.claim import Claim

LONGEST = 255
MEANING = (
    "Calls with the same key, path and body make one task, and are all answered with it "
    "(later ones with `Idempotency-Replayed: true`); with another path or body they are refused (409)."
)
# No comma: a header that is sent twice arrives as one with a comma in it.
KEY = rf'"([A-Za-z0-9._:~+/=-]{{1,{LONGEST}}})"|([A-Za-z0-9._:~+/=-]{{1,{LONGEST}}})'
_KEY = re.compile(KEY)


def claim() -> Claim | None:
    """Return what this call claims by its key, None where it has none.

    Both parts are digests: a key may tell of a customer or an order, and the store need not know.

    Raises:
        InvalidRequest: the key is empty, too long, or has other characters than it may.
    """
    sent = request.headers.get(IDEMPOTENCY_KEY)
    if sent is None:
        return None
    found = _KEY.fullmatch(sent.strip())
    if found is None:
        fault = f"must have 1 to {LONGEST} letters, digits and ._:~+/=-, in quotes or without"
        raise InvalidRequest(ValidationError({IDEMPOTENCY_KEY: [fault]}), {IDEMPOTENCY_KEY: shown(sent)}, "headers")
    key = found[1] or found[2]
    asked = _digest(request.method.encode(), request.path.encode(), body_bytes())
    return Claim(_digest(str(caller().id).encode(), key.encode()), asked, services().settings.api.idempotency_seconds)


def mark(response: Response, task_id: int) -> Response:
    """Say in a header where the task was made by an earlier call with the same key: it has that one's span."""
    if IDEMPOTENCY_KEY in request.headers and services().store.traceparent_of(task_id) != g.trace.parent:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def _digest(*parts: bytes) -> str:
    return sha256(b"\0".join([*(str(len(part)).encode() for part in parts), *parts])).hexdigest()
