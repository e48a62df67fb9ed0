"""The console's session: sign in, who has signed in, sign out."""

from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import Unauthorized

from api import browser
from api.auth import caller, proven, recognise, require, sign_in
from api.browser import ForeignCall
from api.declaration import answers, takes
from api.envelope import success
from api.instant import iso_or_none
from api.schema.answer_session import SessionDetail
from api.schema.session import SignIn
from api.service import services
from api.session import Session
from api.throttle import TooManyAttempts, TooManyCalls
from dag.error import StoreUnavailable

session = Blueprint("session", __name__)


@session.post("/console/session")
@answers(SessionDetail, raises=(Unauthorized, ForeignCall, TooManyAttempts, TooManyCalls, StoreUnavailable))
@takes(SignIn)
def begin_session(wanted: dict[str, Any]) -> Response:
    """Sign in: the answer sets the session's cookie, and has the token that changes send as X-Muster-CSRF."""
    begun = sign_in(wanted["name"], wanted["password"])
    answer = success(_shape(begun))
    browser.set_cookie(answer, begun)
    return answer


@session.get("/console/session")
@recognise
@answers(SessionDetail, empty="Nobody has signed in, or the session has ended.")
def get_session() -> Response:
    """Answer with who has signed in; a caller without a session has no token."""
    return success(_shape(proven().session))


@session.delete("/console/session")
@require()
@answers()
def end_session() -> Response:
    """Sign out: the session ends, whoever may still know its cookie."""
    answer, found = success(), proven().session
    if found:
        services().access.sessions.remove(found)
        browser.drop_cookie(answer)
    return answer


def _shape(found: Session | None) -> dict[str, Any]:
    user = caller()
    return {
        "user": {"id": user.id, "name": user.name},
        "permissions": sorted(user.permissions),
        "csrfToken": found.csrf_token if found else None,
        "expireTime": iso_or_none(found.expires_at if found else None),
        "flowerUrl": services().settings.flower.url or None,
    }
