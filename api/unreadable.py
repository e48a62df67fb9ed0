"""Requests that are no HTTP: answered by the app in its envelope, and told of like any other.

gunicorn by itself answers them with a page of HTML, and logs the line at fault, in which a password may stand.
"""

from flask import Flask, request
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.http.errors import UnsupportedTransferCoding as UnknownCoding
from werkzeug import exceptions as http
from werkzeug.test import create_environ, run_wsgi_app

# The longest first line and header of a request (bytes), and how many headers it may have.
LINE_BYTES, HEADER_BYTES, MOST_HEADERS = 4094, 8190, 100
KEY = "muster.unreadable"
# Nobody's route and no method: what was asked for is not known.
PLACE, METHOD = "/*", "UNREADABLE"

_TOLD: dict[type[ParseException], http.HTTPException] = {
    LimitRequestLine: http.RequestURITooLarge(f"The first line of the request is longer than {LINE_BYTES} bytes."),
    LimitRequestHeaders: http.RequestHeaderFieldsTooLarge(
        f"The request has more than {MOST_HEADERS} headers, or one that is longer than {HEADER_BYTES} bytes."
    ),
    ExpectationFailed: http.ExpectationFailed("Only Expect: 100-continue is understood."),
    UnknownCoding: http.NotImplemented("Only Transfer-Encoding: chunked is understood."),
}
_NO_HTTP = http.BadRequest("The request can't be read as HTTP/1.1.")


def answer(app: Flask, error: ParseException, address: str) -> bytes:
    """Return all that is to be written to the connection from this address, which is to be closed then."""
    environ = {**create_environ(PLACE, method=METHOD), "REMOTE_ADDR": address, KEY: error}
    body, status, headers = run_wsgi_app(app, environ, buffered=True)
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + b"".join(body)


def refuse() -> None:
    """Refuse the call that `answer` makes.

    Raises:
        HTTPException: what is wrong with it.

    """
    error = request.environ.get(KEY)
    if error is not None:
        raise _TOLD.get(type(error), _NO_HTTP)
