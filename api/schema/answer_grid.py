"""A task as a grid of stages and hosts, and one field of it, in answers; `api.render_grid` makes them."""

from typing import Any, ClassVar

from marshmallow import fields, validate

from api.schema.answer import AnswerSchema, count, flag, id_field, string
from api.schema.answer_task import Subtask
from api.schema.field import LARGEST_ID, Example, Whole, documented
from dag.state import NodeStatus

LETTERS = ", ".join(f"{status.letter} {status}" for status in NodeStatus)
EVENT_ID = r"^[0-9]+-[0-9]+$"


class GridStage(AnswerSchema):
    """One stage of a grid."""

    seriesId = Whole(0, 2**31 - 1, metadata=documented("The stage."))
    name = string("What it does.")
    waitNode = flag("Whether it only joins all hosts.")
    firstId = id_field("The id of its first subtask; those of the others follow one after the other.")
    statuses = fields.String(
        validate=validate.Regexp(f"^[{''.join(status.letter for status in NodeStatus)}]+$"),
        metadata=documented(f"A letter for each subtask, in the order of the hosts: {LETTERS}."),
    )

    example: ClassVar[Example] = {
        "seriesId": 2,
        "name": "Prepare restart OCP agent",
        "waitNode": False,
        "firstId": 1,
        "statuses": "F",
    }


class GridHosts(AnswerSchema):
    """The hosts of a grid, in the order of each stage's subtasks."""

    ids = fields.List(id_field(""), metadata=documented("Their ids."))
    names = fields.List(
        fields.String(), metadata=documented("Their names, or addresses; empty: it is not enrolled any more.")
    )

    example: ClassVar[Example] = {"ids": [1], "names": ["web-1"]}


class TaskGrid(AnswerSchema):
    """All subtasks of a task by stage and host."""

    eventId = fields.String(
        validate=validate.Regexp(EVENT_ID), metadata=documented("The event up to which this tells all that happened.")
    )
    stages = fields.List(fields.Nested(GridStage), metadata=documented("Its stages in the order in which they run."))
    hosts = fields.Nested(GridHosts, metadata=documented("Its hosts."))

    example: ClassVar[Example] = {
        "eventId": "1630650026257-0",
        "stages": [GridStage.example],
        "hosts": GridHosts.example,
    }


class SubtaskOnHost(Subtask):
    """A subtask, where it runs, and how it ended."""

    hostId: fields.Field[Any] = Whole(
        0, LARGEST_ID, allow_none=True, metadata=documented("Its host; null: a subtask of no single host.")
    )
    hostName = string(
        "The host's name or address, empty where it is not enrolled any more; null: no host.", allow_none=True
    )
    attempt = count("How often it was handed to a worker, lost runs included.")
    messageId = string("The Celery task id of its last run, as Flower shows it; null: none has begun.", allow_none=True)
    reason = string("The last line of its last run's log.")

    example: ClassVar[Example] = {
        **Subtask.example,
        "hostId": 1,
        "hostName": "web-1",
        "attempt": 1,
        "messageId": "1-1",
        "reason": "no route to host",
    }
