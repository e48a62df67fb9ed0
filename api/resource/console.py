"""The console's pages: one document, whose scripts ask the API. Signing in is up to them, so these need no login."""

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from api.asset import file_answer, guard_page
from api.conditional import PUBLIC, UNCHANGING
from api.console.bundle import bundle
from api.declaration import answers_file

console = Blueprint("console", __name__)


@console.get("/")
@console.get("/console")
@console.get("/console/")
@console.get("/console/<path:page>")
@answers_file("text/html", is_conditional=True)
def show_console(page: str = "") -> Response:
    """Answer with the console, which shows the page that the path names."""
    return guard_page(file_answer(bundle().index, "index.html"), form_action="'self'")


@console.get("/console/static/<string:release>/<path:asset>")
@answers_file("text/css", "text/javascript", "image/svg+xml", is_conditional=True)
def get_asset(release: str, asset: str) -> Response:
    """Answer with a file that the console consists of; under the path of another release with today's, to ask again."""
    content = bundle().files.get(asset)
    if content is None:
        raise NotFound
    return file_answer(content, asset, UNCHANGING if release == bundle().release else PUBLIC)
