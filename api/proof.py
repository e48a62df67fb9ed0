"""What proves who calls: a password (HTTP Basic), a token (Bearer), a signature (OCP's access keys), or the console's
session (a cookie).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from flask import request
from werkzeug.exceptions import Unauthorized

from api import browser, signature, trail
from api.access import Access
from api.bearer import id_of
from api.body import body_bytes
from api.cipher import WrongKey
from api.credential import Credential, CredentialStore
from api.service import services
from api.session import Session
from api.signature import Message
from api.user import User

NEEDED = "Name and password (HTTP Basic), a token (Bearer) or a signature (OCP-ACCESS-KEY-HMACSHA1) is needed."
ENDED = "You are signed out, or have been away for too long. Sign in again."
WRONG = {
    "basic": "Name or password is wrong.",
    "bearer": "The token is wrong, expired or revoked.",
    "signature": "The signature is wrong, or its access key holds no more.",
}

log = structlog.get_logger()


class NotSignedIn(Unauthorized):
    """Nothing is sent that proves anything: no Authorization, and no cookie, or that of a session that has ended."""


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


def identify(access: Access) -> Caller:
    """Return who makes this call; an Authorization counts for more than a cookie.

    Raises:
        Unauthorized: nobody known; NotSignedIn where that is no failed login.
        SpentSignature: a signature is right and counts no more; no failed login either, for nobody has guessed.
        TooManyAttempts: after failed logins from this address.
        ForeignCall: a change by a session's cookie that may be another site's doing.

    """
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    if not kind:
        return _by_session(access, browser.session_secret())
    if kind == signature.SCHEME:
        found = _by_signature(access, rest.strip())
    elif kind.lower() == "bearer":
        found = _by_token(access, rest.strip())
    elif kind.lower() == "basic":
        found = _by_basic()
    else:
        raise Unauthorized(NEEDED)
    if found is None:
        raise Unauthorized(WRONG.get(kind.lower(), WRONG["signature"]))
    return found


def by_password(name: str, password: str) -> Caller:
    """Return the caller with this name and password.

    Raises:
        Unauthorized: one of them is wrong.
        TooManyAttempts: this name or address has to wait.

    """
    user = check_password(name, password)
    if user is None:
        if services().users.find(name):
            # Only a name that exists: people type passwords for names.
            trail.note(claimed=name)
        raise Unauthorized(WRONG["basic"])
    return Caller(user, "password")


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

    [record] = access.attempts.check(name, address, lambda pipe: access.users.ask(pipe, name))
    user = access.users.judge(name, password, record, before)
    if user and asked:
        access.attempts.succeed(name, address)
    return user


def _by_basic() -> Caller | None:
    try:
        given = request.authorization
    except ValueError:
        # Werkzeug's, for anything but ASCII in it.
        return None
    return by_password(given.username or "", given.password or "") if given else None


def _by_session(access: Access, secret: str) -> Caller:
    if not secret:
        raise NotSignedIn(NEEDED)
    session = access.sessions.find(secret)
    user = access.users.find(session.user) if session else None
    if session is None or user is None or not session.is_of(user):
        raise NotSignedIn(ENDED)
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
