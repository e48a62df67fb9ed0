"""The query of the list of tasks."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from api.schema.field import LARGEST_ID, QueryWhole, text
from api.schema.page import Page
from dag.catalogue import TaskFilter
from dag.state import TaskStatus

TYPES = ("MANUAL", "SCHEDULED", "SYS_SCHEDULED")
# Ids are given in the order of submission, and a task starts when it is submitted.
SORTED_BY = ("id", "startTime", "createTime")


class Words(fields.Field[tuple[str, ...]]):
    """A comma list of some of these words, or the name given more than once."""

    def __init__(self, known: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._known = known

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        words = [word.strip() for word in (value if isinstance(value, str) else ",".join(value)).split(",")]
        if any(word and word not in self._known for word in words):
            raise ValidationError(f"must be some of {', '.join(self._known)}")
        return tuple(word for word in words if word)


class TaskPage(Page):
    """Sort "id,asc" or "id,desc"; filters, of which `keyword` and `name` are the same one."""

    sort = fields.String(
        load_default="id,asc",
        validate=validate.OneOf(
            [name + order for name in SORTED_BY for order in ("", ",asc", ",desc")],
            error=f'must be one of {", ".join(SORTED_BY)}, then ",asc" or ",desc"',
        ),
    )
    status = Words(tuple(TaskStatus), load_default=())
    type = Words(TYPES, load_default=())
    hostId = QueryWhole(1, LARGEST_ID)
    keyword = text(load_default="")
    name = text(load_default="")

    @post_load
    def wanted(self, query: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Return page, size, order, and the filter: None where no task can be of the type."""
        if query["keyword"] and query["name"] and query["keyword"] != query["name"]:
            raise ValidationError({"name": ["must not differ from keyword, which is the same filter"]})
        found = TaskFilter(
            keyword=query["keyword"] or query["name"],
            statuses=tuple(map(TaskStatus, query["status"])),
            host_id=query.get("hostId"),
        )
        # Nothing is scheduled yet: all tasks are made by a call.
        possible = not query["type"] or "MANUAL" in query["type"]
        descending = query["sort"].endswith("desc")
        return {"page": query["page"], "size": query["size"], "descending": descending, "filter": possible and found}
