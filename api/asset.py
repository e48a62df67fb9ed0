"""Files that a browser loads: pages, scripts, styles and pictures, all from this server, and how they are kept."""

from functools import cache
from pathlib import Path

from flask import Response, request

from api.conditional import PUBLIC

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def policy(form_action: str) -> str:
    """Return the Content-Security-Policy of a page: what is of this server only, and no frame around it.

    It is where people type passwords. Scripts and styles stand in files, none in the page.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            f"form-action {form_action}",
            "frame-ancestors 'none'",
        )
    )


def guard_page(answer: Response, form_action: str) -> Response:
    """Return the page under its policy, for browsers that know it and for those that don't."""
    answer.headers["Content-Security-Policy"] = policy(form_action)
    answer.headers["X-Frame-Options"] = "DENY"
    # Not "no-referrer": with that, browsers leave out the Origin of some calls.
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def file_answer(content: bytes, name: str, cache_control: str = PUBLIC) -> Response:
    """Return a file, or 304 where the browser has it."""
    answer = Response(content, mimetype=TYPES[Path(name).suffix])
    answer.add_etag(weak=True)
    answer.headers["Cache-Control"] = cache_control
    answer.make_conditional(request)
    return answer


@cache
def content_of(path: Path) -> bytes:
    """Return what is in a file, read once in a process."""
    return path.read_bytes()
