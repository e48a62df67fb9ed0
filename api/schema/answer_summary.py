"""How far a task is, in answers; `api.render_summary` makes it."""

from typing import Any, ClassVar

from marshmallow import fields

from api.schema.answer import NOW, AnswerSchema, count, id_field, moment, string
from api.schema.field import Example, Whole, documented


def number(description: str, **kwargs: Any) -> fields.Float:
    """Return the field of a time in seconds, or of a rate."""
    return fields.Float(metadata=documented(description), **kwargs)


class StatusCounts(AnswerSchema):
    """How many subtasks are in each state."""

    PENDING = count("Not yet ready.")
    READY = count("Waiting for a worker.")
    RUNNING = count("At work.")
    CANCELING = count("Being ended.")
    FAILED = count("Ended without success.")
    SUCCESSFUL = count("Done.")

    example: ClassVar[Example] = {
        "PENDING": 7,
        "READY": 0,
        "RUNNING": 0,
        "CANCELING": 0,
        "FAILED": 1,
        "SUCCESSFUL": 0,
    }


class StageSummary(AnswerSchema):
    """One stage of a task."""

    seriesId = Whole(0, 2**31 - 1, metadata=documented("The stage."))
    name = string("What it does.")
    total = count("Its subtasks.")
    statuses = fields.Nested(StatusCounts, metadata=documented("Its subtasks by state."))

    example: ClassVar[Example] = {
        "seriesId": 2,
        "name": "Prepare restart OCP agent",
        "total": 1,
        "statuses": {**StatusCounts.example, "PENDING": 0},
    }


class TaskProgress(AnswerSchema):
    """How far, how quick, and for how long still."""

    done = count("What is SUCCESSFUL; in a rollback what is PENDING again.")
    total = count("All subtasks.")
    seconds = number("From the start to the last change.")
    perSecond = number("Subtasks a second in that time.")
    secondsLeft = number("What the rest takes at that rate; null: nothing runs, or nothing is done.", allow_none=True)

    example: ClassVar[Example] = {"done": 0, "total": 8, "seconds": 1.5, "perSecond": 0.0, "secondsLeft": None}


class TaskFailure(AnswerSchema):
    """A subtask that FAILED."""

    id = id_field("The subtask's id.")
    name = string("What it does.")
    seriesId = Whole(0, 2**31 - 1, metadata=documented("Its stage."))
    parallelIdx = Whole(-1, 2**31 - 1, metadata=documented("Which host of the stage; -1: not one of several."))
    hostId = Whole(0, 2**63 - 1, allow_none=True, metadata=documented("Its host; null: a subtask of no single host."))
    reason = string("The last line of its log.")

    example: ClassVar[Example] = {
        "id": 1,
        "name": "Prepare restart OCP agent",
        "seriesId": 2,
        "parallelIdx": 0,
        "hostId": 1,
        "reason": "no route to host",
    }


class Summary(AnswerSchema):
    """A task in small."""

    stages = fields.List(fields.Nested(StageSummary), metadata=documented("Its stages in their order."))
    statuses = fields.Nested(StatusCounts, metadata=documented("All its subtasks by state."))
    progress = fields.Nested(TaskProgress, metadata=documented("How far it is."))
    changeTime = moment("When something changed last.")
    failed = fields.List(fields.Nested(TaskFailure), metadata=documented("The first 20 that FAILED."))

    example: ClassVar[Example] = {
        "stages": [StageSummary.example],
        "statuses": StatusCounts.example,
        "progress": TaskProgress.example,
        "changeTime": NOW,
        "failed": [TaskFailure.example],
    }
