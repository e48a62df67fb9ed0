"""Tasks and their subtasks in answers; `api.render` makes them."""

from enum import StrEnum
from typing import Any, ClassVar

from marshmallow import fields, validate

from api.schema.answer import (
    NOW,
    AnswerSchema,
    UserReference,
    count,
    flag,
    id_field,
    moment,
    string,
    word,
)
from api.schema.answer_summary import StatusCounts, Summary, TaskProgress
from api.schema.field import Example, Whole, documented
from api.schema.task import TYPES
from dag.state import NodeStatus, Operation, TaskStatus


class TaskOperation(StrEnum):
    """What a task as a whole is asked to do."""

    EXECUTE = Operation.EXECUTE.value
    RETRY = Operation.RETRY.value
    ROLLBACK = Operation.ROLLBACK.value


def _ids(description: str) -> fields.List[Any]:
    return fields.List(id_field(""), metadata=documented(description))


class SubtaskBrief(AnswerSchema):
    """A subtask in a list of tasks."""

    id: fields.Field[Any] = id_field("The subtask's id.")
    name = string("What it does.")
    description = string("The same.")
    status = word(NodeStatus, "Where it stands.")
    operation = word(Operation, "What it was asked to do last.")

    example: ClassVar[Example] = {
        "id": 1,
        "name": "Prepare restart OCP agent",
        "description": "Prepare restart OCP agent",
        "status": "FAILED",
        "operation": "EXECUTE",
    }


class SubmittedSubtask(SubtaskBrief):
    """A subtask as the answer to its submission shows it."""

    className = string("The contract's name of the step.")
    nodeType = fields.String(validate=validate.Equal("JAVA_TASK"), metadata=documented("The contract's only kind."))
    seriesId = Whole(0, 2**31 - 1, metadata=documented("Its stage."))
    parallelIdx = Whole(-1, 2**31 - 1, metadata=documented("Which host of the stage; -1: not one of several."))
    upstreams = _ids("The subtasks that it waits for.")
    downstreams = _ids("The subtasks that wait for it.")
    timeout = count("Seconds that one run may take.")
    runTime = count("How often it was run, this run included.")
    prohibitRollback = flag("Whether it can't be undone.")

    example: ClassVar[Example] = {
        **SubtaskBrief.example,
        "status": "READY",
        "className": "com.alipay.ocp.service.task.business.obagent.PrepareRestartOcpAgentTask",
        "nodeType": "JAVA_TASK",
        "seriesId": 0,
        "parallelIdx": 0,
        "upstreams": [],
        "downstreams": [2],
        "timeout": 600,
        "runTime": 1,
        "prohibitRollback": False,
    }


class Subtask(SubmittedSubtask):
    """A subtask as the detail of its task shows it."""

    executor = string("The worker that ran it last.")
    createTime = moment("When its task was made.")
    startTime = moment("When its last run began; null: none has.", allow_none=True)
    finishTime = moment("When its last run ended; null: it has not.", allow_none=True)

    example: ClassVar[Example] = {
        **SubmittedSubtask.example,
        "status": "FAILED",
        "executor": "worker-1",
        "createTime": NOW,
        "startTime": NOW,
        "finishTime": NOW,
    }


class TaskContext(AnswerSchema):
    """What the task was submitted with."""

    listMap = fields.Dict(
        fields.String(), fields.List(fields.String()), metadata=documented("`host_ids`, of a task on many hosts.")
    )
    stringMap = fields.Dict(
        fields.String(),
        fields.String(),
        metadata=documented("`prohibit_rollback`, and `host_id` of a task on one host."),
    )
    parallel = flag("Always false.")
    parallelIdx = Whole(-1, -1, metadata=documented("Always -1."))

    example: ClassVar[Example] = {
        "listMap": {"host_ids": ["1", "2"]},
        "stringMap": {"prohibit_rollback": "false"},
        "parallel": False,
        "parallelIdx": -1,
    }


class TaskBrief(AnswerSchema):
    """A task in a list."""

    id = id_field("The task's id.")
    name = string("What it does.")
    creator = fields.Nested(UserReference, metadata=documented("Who submitted it."))
    status = word(TaskStatus, "Where it stands.")
    startTime = moment("When it was submitted.")
    finishTime = moment("When it ended; null: it has not.", allow_none=True)
    subtaskCount = count("How many subtasks it has: a page shows those of 20,000 at most, of whole tasks.")
    subtasks = fields.List(fields.Nested(SubtaskBrief), metadata=documented("Its subtasks, in no order."))

    example: ClassVar[Example] = {
        "id": 1,
        "name": "Batch restart OCP agent",
        "creator": UserReference.example,
        "status": "FAILED",
        "startTime": NOW,
        "finishTime": NOW,
        "subtaskCount": 1,
        "subtasks": [SubtaskBrief.example],
    }


class TaskTally(AnswerSchema):
    """A task in a list with `?view=summary`."""

    id = id_field("The task's id.")
    name = string("What it does.")
    creator = fields.Nested(UserReference, metadata=documented("Who submitted it."))
    status = word(TaskStatus, "Where it stands.")
    operation = word(TaskOperation, "What it was asked to do last.")
    startTime = moment("When it was submitted.")
    finishTime = moment("When it ended; null: it has not.", allow_none=True)
    hostCount = count("How many hosts it is about.")
    subtaskCount = count("How many subtasks it has.")
    statuses = fields.Nested(StatusCounts, metadata=documented("All its subtasks by state."))
    progress = fields.Nested(TaskProgress, metadata=documented("How far it is."))

    example: ClassVar[Example] = {
        **{name: value for name, value in TaskBrief.example.items() if name != "subtasks"},
        "operation": "EXECUTE",
        "hostCount": 1,
        "subtaskCount": 8,
        "statuses": StatusCounts.example,
        "progress": TaskProgress.example,
    }


class _Task(AnswerSchema):
    id = id_field("The task's id.")
    name = string("What it does.")
    executor = string("The API process that took it.")
    startTime = moment("When it was submitted.")
    taskDefinitionId = Whole(-1, -1, metadata=documented("Always -1."))
    type = fields.String(validate=validate.OneOf(TYPES), metadata=documented("MANUAL: made by a call."))
    status = word(TaskStatus, "Where it stands.")

    common: ClassVar[dict[str, Any]] = {
        "id": 1,
        "name": "Batch restart OCP agent",
        "executor": "api-1",
        "startTime": NOW,
        "taskDefinitionId": -1,
        "type": "MANUAL",
    }


class SubmittedTask(_Task):
    """A task as it was submitted: RUNNING, its first subtasks READY, the rest PENDING."""

    context = fields.Nested(TaskContext, metadata=documented("What it was submitted with."))
    creator = string("Who submitted it.")
    operation = word(TaskOperation, "EXECUTE.")
    subtasks = fields.List(fields.Nested(SubmittedSubtask), metadata=documented("Its subtasks, in no order."))

    example: ClassVar[Example] = {
        **_Task.common,
        "context": TaskContext.example,
        "creator": "admin",
        "operation": "EXECUTE",
        "status": "RUNNING",
        "subtasks": [SubmittedSubtask.example],
    }


class SubmittedHostTask(SubmittedTask):
    """A task on one host as it was submitted."""

    hostId = id_field("The host.")

    example: ClassVar[Example] = {
        **SubmittedTask.example,
        "name": "Restart OCP agent",
        "hostId": 1,
        "context": {
            **TaskContext.example,
            "listMap": {},
            "stringMap": {"prohibit_rollback": "false", "host_id": "1"},
        },
        "subtasks": [{**SubmittedSubtask.example, "parallelIdx": -1}],
    }


class _TaskNow(_Task):
    sometimes: ClassVar[frozenset[str]] = frozenset({"hostId"})

    hostId = id_field("The host of a task on one host.")
    creator = fields.Nested(UserReference, metadata=documented("Who submitted it."))
    operation = word(TaskOperation, "What it was asked to do last.")
    createTime = moment("When it was submitted.")
    finishTime = moment("When it ended; null: it has not.", allow_none=True)
    prohibitRollback = flag("Whether it can't be rolled back.")

    now: ClassVar[dict[str, Any]] = {
        **_Task.common,
        "creator": UserReference.example,
        "operation": "EXECUTE",
        "status": "FAILED",
        "createTime": NOW,
        "finishTime": NOW,
        "prohibitRollback": False,
    }


class TaskDetail(_TaskNow):
    """A task and all its subtasks, as they are now."""

    subtasks = fields.List(fields.Nested(Subtask), metadata=documented("Its subtasks, in no order."))

    example: ClassVar[Example] = {**_TaskNow.now, "subtasks": [Subtask.example]}


class TaskSummary(_TaskNow):
    """A task with `?view=summary`: how far it is, in place of its subtasks."""

    summary = fields.Nested(Summary, metadata=documented("How far it is."))

    example: ClassVar[Example] = {**_TaskNow.now, "summary": Summary.example}


class TaskPart(_Task):
    """A task with `?fields=`: what was asked for of the others."""

    context = fields.Nested(TaskContext, metadata=documented("What it was submitted with."))
    hostId = id_field("The host of a task on one host.")
    operation = word(TaskOperation, "What it was asked to do last.")
    createTime = moment("When it was submitted.")
    finishTime = moment("When it ended; null: it has not.", allow_none=True)
    prohibitRollback = flag("Whether it can't be rolled back.")
    # As the shape has it that the fields were chosen of.
    creator = fields.Raw(metadata={**documented("Who submitted it."), "type": ["string", "object"]})
    subtasks = fields.List(
        fields.Dict(fields.String()), metadata=documented("Its subtasks, as without `?fields=`; in no order.")
    )
    summary = fields.Nested(Summary, metadata=documented("How far it is."))

    sometimes: ClassVar[frozenset[str]] = frozenset({*_TaskNow.now, "hostId", "context", "subtasks", "summary"})
    example: ClassVar[Example] = {"id": 1, "status": "FAILED"}


def with_views(whole: type[AnswerSchema]) -> tuple[type[AnswerSchema], ...]:
    """Return what an answer may be whose parts can be chosen (`api.schema.view`): whole, in small, or in part."""
    return whole, TaskSummary, TaskPart


_LOG = f"############{{EXECUTE}}{{{NOW}}}############\nno route to host\n"


class SubtaskLog(AnswerSchema):
    """What the runs of a subtask logged, and what one that is under way has logged by now."""

    log = string("Oldest run first; each opens with a line `############{EXECUTE}{time}############`.")

    example: ClassVar[Example] = {"log": _LOG}


class SubtaskLogPart(SubtaskLog):
    """A part of a log, for whoever follows it: asked for with `from`."""

    begin = count("Bytes before `log`. Fewer than were asked for: it is another log by now; begin again at 0.")
    next = count("Bytes up to its end: from where the next part is to be asked for.")
    status = word(NodeStatus, "How the subtask stands.")
    ended = flag("Whether nothing will be added unless somebody asks for it, by a retry or a rollback.")

    example: ClassVar[Example] = {
        **SubtaskLog.example,
        "begin": 0,
        "next": len(_LOG),
        "status": "FAILED",
        "ended": True,
    }
