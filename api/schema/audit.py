"""The query of the audit log."""

from typing import Any, ClassVar

from marshmallow import ValidationError, post_load, validates_schema

from api.audit import AuditFilter
from api.schema.field import Example, Instant, Words, documented, text
from api.schema.page import Page
from api.trail import RESULTS


class AuditPage(Page):
    """Which entries: of a user, an action, results, a trace id, from `since` to `until`; page, size and wanted."""

    user = text(load_default="", metadata=documented("Only calls of this user."))
    action = text(load_default="", metadata=documented("Only calls of this route, such as `hosts.batch_delete`."))
    result = Words(RESULTS, load_default=(), metadata=documented("Only calls that ended so."))
    traceId = text("[0-9a-f]{16}", load_default="", metadata=documented("Only the call with this trace id."))
    since = Instant(load_default=None, metadata=documented("Only calls at or after this time."))
    until = Instant(load_default=None, metadata=documented("Only calls at or before this time."))

    example: ClassVar[Example] = {
        "page": "1",
        "size": "2",
        "result": "SUCCESSFUL,REFUSED",
        "since": "2021-09-03T14:20:26.257+08:00",
    }

    @validates_schema(skip_on_field_errors=True)
    def in_order(self, query: dict[str, Any], **kwargs: Any) -> None:
        """Refuse an end before the beginning."""
        since, until = query["since"], query["until"]
        if since is not None and until is not None and since > until:
            raise ValidationError({"until": ["must not be before since"]})

    @post_load
    def wanted(self, query: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Return the page and the filter."""
        names = ("user", "action", "since", "until")
        looked_for = AuditFilter(
            **{name: query[name] for name in names}, results=query["result"], trace_id=query["traceId"]
        )
        return {"page": query["page"], "size": query["size"], "wanted": looked_for}
