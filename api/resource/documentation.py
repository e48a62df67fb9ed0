"""The OpenAPI document: what the API takes and answers"""

from typing import Any

from flask import Blueprint, Response, current_app, request

from api.conditional import PUBLIC
from api.declaration import JSON, answers_file
from api.openapi.document import document
from api.service import services

documentation = Blueprint("documentation", __name__)

MADE = "muster.openapi"


@documentation.get("/openapi.json")
@answers_file(JSON, is_conditional=True)
def get_document() -> Response:
    """Answer with this document; it holds nothing secret, so without a login.

    The limits in it are those of the server's settings.
    """
    answer = Response(_made(), mimetype=JSON)
    answer.add_etag(weak=True)
    answer.headers["Cache-Control"] = PUBLIC
    answer.make_conditional(request)
    return answer


def _made() -> bytes:
    """Return the document as JSON, made at the first call of this process."""
    app: Any = current_app
    if MADE not in app.extensions:
        app.extensions[MADE] = app.json.dumps(document(app, services().settings.api)).encode()
    made: bytes = app.extensions[MADE]
    return made
