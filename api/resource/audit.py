"""The audit log: `/audit`."""

from typing import Any

from flask import Blueprint, Response

from api import render
from api.audit import Entry
from api.auth import require
from api.declaration import answers, takes_query
from api.envelope import success
from api.instant import iso
from api.schema.answer import page_of
from api.schema.answer_audit import AuditEntry
from api.schema.audit import AuditPage
from api.service import services
from api.user import Permission

audit = Blueprint("audit", __name__)


@audit.get("/audit")
@require(Permission.SYSTEM_MANAGER)
@answers(page_of(AuditEntry))
@takes_query(AuditPage)
def list_audit(query: dict[str, Any]) -> Response:
    """Answer with one page of the audit log, newest first."""
    found, total = services().access.audit.page(query["wanted"], page=query["page"], size=query["size"])
    shown = [_shape(entry) for entry in found]
    return success(render.page(shown, number=query["page"], size=query["size"], total=total))


def _shape(entry: Entry) -> dict[str, Any]:
    ms, _sequence = entry["order"]
    who = {"id": entry["userId"], "name": entry["user"]}
    rest = {name: value for name, value in entry.items() if name not in ("order", "user", "userId")}
    return {**rest, "time": iso(ms), "user": who}
