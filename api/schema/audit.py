"""The query of the audit log."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from api.audit import AuditFilter
from api.schema.field import Instant, text
from api.schema.page import Page
from api.trail import RESULTS


class Results(fields.Field[tuple[str, ...]]):
    """A comma list of results, or the name given more than once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        words = (value if isinstance(value, str) else ",".join(value)).split(",")
        if not set(words) <= set(RESULTS):
            raise ValidationError(f"must be some of {', '.join(RESULTS)}")
        return tuple(words)


class AuditPage(Page):
    """Which entries: of a user, an action, results, a trace id, from `since` to `until`; page, size and wanted."""

    user = text(load_default="")
    action = text(load_default="")
    result = Results(load_default=())
    traceId = text("[0-9a-f]{16}", load_default="")
    since = Instant(load_default=None)
    until = Instant(load_default=None)

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
