"""What tells a browser's calls from others: the session's cookie, the console's headers, and where a call comes from.

A browser sends the cookie along whoever makes it call. So a change also needs a header that another site can't send,
with a token that it can't know, and must not come from another site by the browser's own word.
"""

import hmac
from urllib.parse import urlsplit

from flask import Response, request

from api.session import Session
from dag.error import MusterError

CSRF_HEADER = "X-Muster-CSRF"
# "user" where somebody did something, "background" where the page keeps itself up to date.
CONSOLE_HEADER = "X-Muster-Console"
BY_USER = "user"
LONGEST_SECRET = 100
_READING = ("GET", "HEAD")


class ForeignCall(MusterError):
    """A change by the session's cookie that may be another site's doing."""


def session_secret() -> str:
    """Return the secret in the cookie of this call, "" where there is none."""
    secret = request.cookies.get(_cookie_name(), "")
    return secret if len(secret) <= LONGEST_SECRET else ""


def is_of_browser() -> bool:
    """Tell whether the console calls, or a browser that has signed in: its user knows no native login dialog."""
    return CONSOLE_HEADER in request.headers or bool(session_secret())


def is_by_user() -> bool:
    """Tell whether somebody did something in the console just now."""
    return request.headers.get(CONSOLE_HEADER) == BY_USER


def set_cookie(response: Response, session: Session) -> None:
    """Give the browser the session until it is closed; its end is the server's to know."""
    response.set_cookie(
        _cookie_name(), session.secret, path="/", secure=request.is_secure, httponly=True, samesite="Strict"
    )


def drop_cookie(response: Response) -> None:
    """Let the browser forget the session."""
    response.delete_cookie(_cookie_name(), path="/", secure=request.is_secure, httponly=True, samesite="Strict")


def require_own_site() -> None:
    """Raise ForeignCall where the browser says that another site makes this call."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        # Browsers say it in this way alone where there is no TLS. The scheme is the proxy's affair.
        is_own = origin is None or urlsplit(origin).netloc == request.host
    if not is_own:
        raise ForeignCall("This call comes from another site, and the console's session is not for that.")


def require_csrf_token(session: Session) -> None:
    """Raise ForeignCall where this call changes something and does not show the session's token, or is another site's.

    Calls that only read are another site's to make, but not to see.
    """
    if request.method in _READING:
        return
    require_own_site()
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), session.csrf_token.encode()):
        raise ForeignCall(
            f"A change in a browser's session needs the header {CSRF_HEADER} with the token that GET /console/session "
            "gives. Programs call with a token or a password instead."
        )


def _cookie_name() -> str:
    # With this prefix browsers take the cookie from this very host by TLS only.
    return "__Host-muster" if request.is_secure else "muster"
