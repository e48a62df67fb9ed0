"""The query of the list of tasks."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, post_load, validate

from api.schema.field import LARGEST_ID, Example, QueryWhole, Words, documented, text
from api.schema.page import Page
from api.schema.view import summary_view
from dag.catalogue import TaskFilter
from dag.state import TaskStatus

TYPES = ("MANUAL", "SCHEDULED", "SYS_SCHEDULED")
# Ids are given in the order of submission, and a task starts when it is submitted.
SORTED_BY = ("id", "startTime", "createTime")


class TaskPage(Page):
    """Sort "id,asc" or "id,desc"; filters, of which `keyword` and `name` are the same one."""

    sort = fields.String(
        load_default="id,asc",
        validate=validate.OneOf(
            [name + order for name in SORTED_BY for order in ("", ",asc", ",desc")],
            error=f'must be one of {", ".join(SORTED_BY)}, then ",asc" or ",desc"',
        ),
        metadata=documented("Ids are given in the order of submission, so all of these sort alike."),
    )
    status = Words(tuple(TaskStatus), load_default=(), metadata=documented("Only tasks in one of these states."))
    type = Words(TYPES, load_default=(), metadata=documented("Only such tasks; nothing is scheduled yet."))
    hostId = QueryWhole(1, LARGEST_ID, metadata=documented("Only tasks that name this host."))
    keyword = text(load_default="", metadata=documented("Only tasks whose name has this in it, in any case."))
    name = text(load_default="", metadata=documented("The same as keyword."))
    view = summary_view("`summary`: how far each task is, in place of its subtasks.")

    example: ClassVar[Example] = {
        "page": "1",
        "size": "2",
        "sort": "id,desc",
        "status": "FAILED,RUNNING",
        "hostId": "1",
    }

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
        return {
            "page": query["page"],
            "size": query["size"],
            "descending": descending,
            "filter": possible and found,
            "is_summary": "view" in query,
        }
