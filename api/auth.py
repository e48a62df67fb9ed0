"""Whom a route serves: who calls (`api/proof.py`), how often, and whether they may."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request
from werkzeug.exceptions import Forbidden

from api import browser, trail
from api.access import Access
from api.body import refuse_query
from api.declaration import declaration_of
from api.proof import Caller, NotSignedIn, by_password, identify
from api.service import services
from api.session import Session
from api.user import Permission, User

P = ParamSpec("P")
View = Callable[P, Response]


def require(permission: Permission | None = None) -> Callable[[View[P]], View[P]]:
    """Let a route answer only to users with the permission (None: to every user).

    Strangers get 401, users who call too often 429, the others 403. A change that takes no query is refused with one.
    """

    def guard(route: View[P]) -> View[P]:
        takes_query = declaration_of(route).query is not None

        @wraps(route)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            enter(permission)
            if not takes_query and request.method not in trail.READING:
                refuse_query()
            return route(*args, **kwargs)

        guarded.__dict__["needs"] = permission
        return guarded

    return guard


def recognise(route: View[P]) -> View[P]:
    """Let a route answer to every user; where nobody has signed in, 204 is the answer.

    That is no refusal: a browser asks so at each first visit, with no proof at all or with an ended session's cookie.
    """

    @wraps(route)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            enter(None)
        except NotSignedIn:
            return Response(status=204)
        return route(*args, **kwargs)

    guarded.__dict__["needs"] = None
    guarded.__dict__["is_open"] = True
    return guarded


def enter(permission: Permission | None) -> None:
    """Identify the caller of this request, count the call, check the permission, and open the call's audit entry.

    Raises:
        Unauthorized: nobody known.
        TooManyAttempts: after failed logins from this address.
        TooManyCalls: more than the user's rate.
        Forbidden: the user may not do this.
        ForeignCall: a change by a session's cookie that may be another site's doing.
        StoreUnavailable: Redis is away.

    """
    access = services().access
    _let_in(access, identify(access), permission)


def sign_in(name: str, password: str) -> Session:
    """Begin a session of the user with this password, and open the call's audit entry.

    Raises:
        ForeignCall: another site makes this call, so that somebody would work under a name that is not theirs.
        Unauthorized: name or password is wrong.
        what `enter` raises.

    """
    browser.require_own_site()
    access, found = services().access, by_password(name, password)
    _let_in(access, found, None)
    before = access.sessions.find(browser.session_secret())
    if before:
        # The browser forgets its cookie now.
        access.sessions.remove(before)
    return access.sessions.create(found.user)


def _let_in(access: Access, found: Caller, permission: Permission | None) -> None:
    g.caller = found
    may = permission is None or found.user.may(permission)
    begun = access.rate.admit(found.user.id, trail.opening() if may else None)
    if not may:
        raise Forbidden(f"This call needs the permission {permission}.")
    trail.begin(begun)


def is_guarded(view: Callable[..., object]) -> bool:
    """Tell whether a view was made with `require` or `recognise`."""
    return "needs" in view.__dict__


def is_open(view: Callable[..., object]) -> bool:
    """Tell whether a view was made with `recognise`."""
    return "is_open" in view.__dict__


def needed_by(view: Callable[..., object]) -> Permission | None:
    """Return the permission that a guarded view needs, None where any user may call it."""
    needs: Permission | None = view.__dict__["needs"]
    return needs


def caller() -> User:
    """Return the user whom `require` let in, with the permissions that hold for this call."""
    user: User = g.caller.user
    return user


def proven() -> Caller:
    """Return the caller and what proved who it is."""
    found: Caller = g.caller
    return found
