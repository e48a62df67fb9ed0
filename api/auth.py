"""Who calls, and whether they may: a password (HTTP Basic), a token (Bearer), a signature (OCP's access keys), or the
console's session (a cookie).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import ParamSpec

import structlog
from flask import Response, g, request
from werkzeug.exceptions import Forbidden, Unauthorized

from api import browser, signature, trail
from api.access import Access
from api.bearer import id_of
from api.body import body_bytes
from api.cipher import WrongKey
from api.credential import Credential, CredentialStore
from api.service import services
from api.session import Session
from api.signature import Message
from api.user import Permission, User

P = ParamSpec("P")
View = Callable[P, Response]

NEEDED = "Name and password (HTTP Basic), a token (Bearer) or a signature (OCP-ACCESS-KEY-HMACSHA1) is needed."
WRONG = {
    "basic": "Name or password is wrong.",
    "bearer": "The token is wrong, expired or revoked.",
    "session": "You are signed out, or have been away for too long. Sign in again.",
    "signature": "The signature is wrong, more than 15 minutes off or used before, or its access key holds no more.",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class Caller:
    """The user with what may be done now, and its proof: "password", "token <id>", "access key <id>" or "session"."""

    user: User
    proof: str
    session: Session | None = None

    @property
    def has_password(self) -> bool:
        """Tell whether the caller proved to know the user's password."""
        return self.proof == "password"


def require(permission: Permission | None = None) -> Callable[[View[P]], View[P]]:
    """Let a route answer only to users with the permission (None: to every user).

    Strangers get 401, users who call too often 429, the others 403.
    """

    def guard(route: View[P]) -> View[P]:
        @wraps(route)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            enter(permission)
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
        return route(*args, **kwargs) if _is_known() else Response(status=204)

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
    _let_in(access, _identify(access), permission)


def sign_in(name: str, password: str) -> Session:
    """Begin a session of the user with this password, and open the call's audit entry.

    Raises:
        ForeignCall: another site makes this call, so that somebody would work under a name that is not theirs.
        Unauthorized: name or password is wrong.
        what `enter` raises.

    """
    browser.require_own_site()
    access, user = services().access, _known(name, password)
    if user is None:
        raise Unauthorized(WRONG["basic"])
    _let_in(access, Caller(user, "password"), None)
    before = access.sessions.find(browser.session_secret())
    if before:
        # The browser forgets its cookie now.
        access.sessions.remove(before)
    return access.sessions.create(user)


def _let_in(access: Access, found: Caller, permission: Permission | None) -> None:
    g.caller = found
    access.rate.admit(g.caller.user.id)
    if permission and not g.caller.user.may(permission):
        raise Forbidden(f"This call needs the permission {permission}.")
    trail.begin()


def _is_known() -> bool:
    """Do what `enter` does, but return False where nobody has signed in."""
    access = services().access
    if request.headers.get("Authorization"):
        enter(None)
        return True
    secret = browser.session_secret()
    found = _by_session(access, secret) if secret else None
    if found:
        _let_in(access, found, None)
    return found is not None


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


def check_password(name: str, password: str) -> User | None:
    """Return the enabled user if the password is right, else None; wrong ones are slowed.

    Raises:
        TooManyAttempts: this name or address has to wait.

    """
    access, address = services().access, request.remote_addr or ""
    asked: list[bool] = []

    def before() -> None:
        access.attempts.begin(name, address)
        asked.append(True)

    access.attempts.check(name, address)
    user = access.users.verify(name, password, before)
    if user and asked:
        access.attempts.succeed(name, address)
    return user


def _identify(access: Access) -> Caller:
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    if not kind and (secret := browser.session_secret()):
        kind, found = "session", _by_session(access, secret)
    elif kind == signature.SCHEME:
        found = _by_signature(access, rest.strip())
    elif kind.lower() == "bearer":
        found = _by_token(access, rest.strip())
    elif kind.lower() == "basic":
        found = _by_password()
    else:
        raise Unauthorized(NEEDED)
    if found is None:
        raise Unauthorized(WRONG.get(kind.lower(), WRONG["signature"]))
    return found


def _by_password() -> Caller | None:
    given = request.authorization
    if given is None:
        return None
    user = _known(given.username or "", given.password or "")
    return Caller(user, "password") if user else None


def _known(name: str, password: str) -> User | None:
    user = check_password(name, password)
    if user is None and services().users.find(name):
        # Only a name that exists: people type passwords for names.
        trail.note(claimed=name)
    return user


def _by_session(access: Access, secret: str) -> Caller | None:
    session = access.sessions.find(secret)
    user = access.users.find(session.user) if session else None
    if session is None or user is None or not session.is_of(user):
        return None
    browser.require_csrf_token(session)
    if browser.is_by_user():
        access.sessions.touch(session)
    return Caller(user, "session", session)


def _by_token(access: Access, text: str) -> Caller | None:
    return _by_credential(access, f"token {id_of(text)}", access.tokens.store, lambda: access.tokens.verify(text))


def _by_signature(access: Access, text: str) -> Caller | None:
    id, signed = signature.parse_credentials(text) or ("", "")

    def verify() -> Credential | None:
        try:
            return access.access_keys.verify(id, signed, _message())
        except WrongKey as error:
            log.error("an access key can't be used", access_key=id, reason=str(error))
            return None

    return _by_credential(access, f"access key {id}", access.access_keys.store, verify)


def _by_credential(
    access: Access, proof: str, store: CredentialStore, verify: Callable[[], Credential | None]
) -> Caller | None:
    address = request.remote_addr or ""
    access.attempts.check(proof, address)
    found = verify()
    owner = access.users.find(found.owner) if found else None
    # A user who was made anew under the name of a deleted one has another id.
    if found is None or owner is None or owner.id != found.owner_id or not owner.enabled:
        access.attempts.begin(proof, address)
        return None
    store.note_use(found.id)
    return Caller(replace(owner, permissions=found.narrow(owner.permissions)), proof)


def _message() -> Message:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Message(request.method, _target(), headers, body_bytes())


def _target() -> str:
    """Return path and query as they were sent; werkzeug's own are decoded."""
    sent: str = request.environ["RAW_URI"]
    # A proxy may send the absolute form (RFC 9112, 3.2.2).
    return sent if sent.startswith("/") else "/" + sent.partition("://")[2].partition("/")[2]
