"""The page on which one reads this document and tries its calls: Swagger UI, all of it served from here."""

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from api.asset import content_of, file_answer, guard_page
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


@page.get("/api/docs")
@answers_file("text/html", is_conditional=True)
def show_page() -> Response:
    """Answer with the page."""
    return guard_page(file_answer(content_of(OURS / "index.html"), "index.html"), form_action="'none'")


@page.get("/api/docs/<string:file>")
@answers_file("text/css", "text/javascript", "image/png", is_conditional=True)
def get_page_file(file: str) -> Response:
    """Answer with a file that the page consists of."""
    if file not in FILES:
        raise NotFound
    return file_answer(content_of(FILES[file] / file), file)
