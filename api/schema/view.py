"""Which part of a task an answer shows, and which of its subtasks."""

from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, post_load, validate

from api.codec import shorten
from api.schema.field import LARGEST_ID, Example, QueryWhole, RequestSchema, Words, documented, text
from api.schema.page import Page
from api.schema.submission import dry_run_flag
from dag.state import NodeStatus

EVENT_ID = r"[0-9]{1,15}-[0-9]{1,15}(\.end)?"
SUMMARY, SUBTASKS = "summary", "subtasks"


@dataclass(frozen=True)
class View:
    """The fields to show, and whether of a task that is not made; `key` is another one for each other answer."""

    fields: frozenset[str]
    is_summary: bool
    is_dry_run: bool = False

    @property
    def key(self) -> str:
        """All that was chosen, as text."""
        return f"{self.is_summary} {sorted(self.fields)}"

    def shows(self, field: str) -> bool:
        """Tell whether the answer has this field."""
        return field in self.fields


class NameList(Words):
    """A comma list of some of these names, or the parameter given more than once; who reads them checks them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        names = [name.strip() for name in (value if isinstance(value, str) else ",".join(value)).split(",")]
        return tuple(name for name in names if name)


OF_TASK = (
    "creator",
    "executor",
    "hostId",
    "id",
    "name",
    "operation",
    "startTime",
    "status",
    "taskDefinitionId",
    "type",
)
OF_DETAIL = (*OF_TASK, "createTime", "finishTime", "prohibitRollback")
OF_SUMMARY = (*OF_DETAIL, SUMMARY)
SHORT = "`summary`: counts by stage and status, progress and the first failures, in place of the subtasks."
SOME = "Only these fields of the answer; all where none are named."


def summary_view(description: str) -> fields.String:
    """Return the parameter by which a caller asks for summaries."""
    fault = f"must be {SUMMARY} where it is given"
    return fields.String(validate=validate.OneOf([SUMMARY], error=fault), metadata=documented(description))


class TaskView(RequestSchema):
    """Which part of a task to show."""

    view = summary_view(SHORT)
    chosen = NameList((*OF_DETAIL, SUBTASKS, SUMMARY), data_key="fields", load_default=(), metadata=documented(SOME))

    of_whole: ClassVar[tuple[str, ...]] = (*OF_DETAIL, SUBTASKS)

    @post_load
    def make(self, query: dict[str, Any], **kwargs: Any) -> View:
        """Return the view."""
        is_summary = "view" in query
        known = frozenset(OF_SUMMARY if is_summary else self.of_whole)
        unknown = [name for name in query["chosen"] if name not in known]
        if unknown:
            raise ValidationError({"fields": [f"{shorten(unknown[0])!r} is none of {', '.join(sorted(known))}"]})
        return View(frozenset(query["chosen"]) or known, is_summary, query.get("dryRun", False))


class SubmissionView(TaskView):
    """Which part of a task that has just been submitted to show."""

    of_whole: ClassVar[tuple[str, ...]] = (*OF_TASK, "context", SUBTASKS)
    chosen = NameList(
        (*OF_DETAIL, "context", SUBTASKS, SUMMARY), data_key="fields", load_default=(), metadata=documented(SOME)
    )
    dryRun = dry_run_flag()


class LastEvent(RequestSchema):
    """The event behind which a stream of events goes on: its id, as a browser sends it in the header Last-Event-ID."""

    lastEventId = text(
        EVENT_ID,
        load_default="",
        metadata=documented("The last event seen; the header Last-Event-ID is newer."),
    )

    example: ClassVar[Example] = {"lastEventId": "1630650026257-0"}


class SubtaskPage(Page):
    """Subtasks by status (one, or a comma list) and stage."""

    status = Words(tuple(NodeStatus), load_default=(), metadata=documented("Only subtasks in one of these states."))
    seriesId = QueryWhole(0, LARGEST_ID, metadata=documented("Only subtasks of this stage."))

    example: ClassVar[Example] = {"page": "1", "size": "2", "status": "FAILED", "seriesId": "2"}


class LogPlace(RequestSchema):
    """From where on a log is wanted."""

    first = QueryWhole(
        0,
        LARGEST_ID,
        data_key="from",
        metadata=documented("Only what stands behind so many bytes (UTF-8): 0, then each answer's `next`."),
    )

    example: ClassVar[Example] = {"from": "0"}
