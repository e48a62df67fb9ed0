"""The page on which one reads this document and tries its calls: Swagger UI, all of it served from here."""

from functools import cache
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from api.conditional import PUBLIC
from api.declaration import answers_file

page = Blueprint("page", __name__)

OURS = Path(__file__).parents[1] / "page"
THEIRS = Path(flask_swagger_ui.__file__).parent / "dist"
FILES = {
    "start.js": OURS,
    "swagger-ui-bundle.js": THEIRS,
    "swagger-ui.css": THEIRS,
    "favicon-32x32.png": THEIRS,
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
# Scripts, styles and calls of this server only, and no frame around the page: it is where people type passwords.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@page.get("/api/docs")
@answers_file("text/html", is_conditional=True)
def show_page() -> Response:
    """Answer with the page."""
    answer = _file(OURS, "index.html")
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@page.get("/api/docs/<string:file>")
@answers_file("text/css", "text/javascript", "image/png", is_conditional=True)
def get_page_file(file: str) -> Response:
    """Answer with a file that the page consists of."""
    if file not in FILES:
        raise NotFound
    return _file(FILES[file], file)


def _file(folder: Path, name: str) -> Response:
    answer = Response(_content(folder / name), mimetype=TYPES[Path(name).suffix])
    answer.add_etag(weak=True)
    answer.headers["Cache-Control"] = PUBLIC
    answer.make_conditional(request)
    return answer


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
