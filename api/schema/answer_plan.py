"""The plan of a task that is not made (`?dryRun=true`), in answers; `api.plan` makes it."""

from typing import Any, ClassVar

from marshmallow import fields, validate

from api.schema.answer import AnswerSchema, count, flag, id_field, moment, string, word
from api.schema.answer_task import SubmittedSubtask, TaskContext
from api.schema.field import Example, Whole, documented
from api.schema.host import PORT
from api.schema.task import TYPES
from dag.host import AgentStatus, HostStatus


def nothing(description: str) -> fields.Raw:
    """Return the field of what a task that is not made does not have."""
    return fields.Raw(metadata={**documented(description), "type": "null"})


def host_ids(description: str) -> fields.List[int]:
    """Return the field of a list of hosts."""
    return fields.List(id_field(""), metadata=documented(description))


def edges(description: str) -> fields.List[Any]:
    """Return the field of subtasks that are named by seriesId and parallelIdx, for they have no ids."""
    return fields.List(fields.List(Whole(-1, 2**31 - 1)), metadata=documented(description))


class PlannedSubtask(SubmittedSubtask):
    """A subtask of a task that is not made."""

    id = nothing("null: it is not made.")
    upstreams = edges("The subtasks that it would wait for, each as seriesId and parallelIdx.")
    downstreams = edges("The subtasks that would wait for it, each as seriesId and parallelIdx.")

    example: ClassVar[Example] = {**SubmittedSubtask.example, "id": None, "upstreams": [], "downstreams": [[3, -1]]}


class PlannedStage(AnswerSchema):
    """A stage of a task that is not made."""

    seriesId = Whole(0, 2**31 - 1, metadata=documented("The stage."))
    name = string("What it does.")
    className = string("The contract's name of the step.")
    timeout = count("Seconds that one run may take.")
    subtaskCount = count("Its subtasks.")
    waitNode = flag("Whether it only joins all hosts.")
    prohibitRollback = flag("Whether it can't be undone.")

    example: ClassVar[Example] = {
        "seriesId": 2,
        "name": "Prepare restart OCP agent",
        "className": SubmittedSubtask.example["className"],
        "timeout": 600,
        "subtaskCount": 2,
        "waitNode": False,
        "prohibitRollback": False,
    }


class TaskReference(AnswerSchema):
    """A task as others refer to it."""

    id = id_field("The task's id.")
    name = string("What it does.")

    example: ClassVar[Example] = {"id": 1, "name": "Batch restart OCP agent"}


class PlannedHost(AnswerSchema):
    """A host of a task that is not made, as it was seen last."""

    id = id_field("The host's id.")
    name = string("Its name, or its address.")
    innerIpAddress = string("Its address or host name.")
    sshPort = Whole(*PORT, metadata=documented("Where its SSH server listens."))
    profile = string("How its agent is controlled.")
    zone = string("The network area it is in.")
    status = word(HostStatus, "As it was seen last.")
    unreachable = string("Why it could not be reached; empty: it could.")
    agentStatus = word(AgentStatus, "Whether its agent ran.")
    agentVersion = string("The agent's version, where it tells it.")
    lastSeenTime = moment("When it was seen; null: never.", allow_none=True)
    lockedBy = fields.Nested(TaskReference, allow_none=True, metadata=documented("The task that has it; null: none."))
    waitingBefore = count("How many tasks wait for it already.")

    example: ClassVar[Example] = {
        "id": 1,
        "name": "web-1",
        "innerIpAddress": "10.0.0.1",
        "sshPort": 22,
        "profile": "ocp_agentctl",
        "zone": "default",
        "status": "ONLINE",
        "unreachable": "",
        "agentStatus": "STARTED",
        "agentVersion": "4.2",
        "lastSeenTime": None,
        "lockedBy": None,
        "waitingBefore": 0,
    }


class Findings(AnswerSchema):
    """What may keep the task from doing well."""

    lockedHostIds = host_ids("Hosts that a task has.")
    unreachableHostIds = host_ids("Hosts that could not be reached last.")
    stoppedAgentHostIds = host_ids("Hosts whose agent did not run.")
    neverSeenHostIds = host_ids("Hosts that nobody has seen yet.")
    unknownProfileHostIds = host_ids("Hosts with a profile that no worker knows.")
    zonesWithoutWorker = fields.List(fields.String(), metadata=documented("Zones that no living worker reaches."))

    example: ClassVar[Example] = {
        "lockedHostIds": [],
        "unreachableHostIds": [],
        "stoppedAgentHostIds": [],
        "neverSeenHostIds": [1, 2],
        "unknownProfileHostIds": [],
        "zonesWithoutWorker": ["default"],
    }


class Plan(AnswerSchema):
    """With `?dryRun=true`: the task that the call would make; nothing was written."""

    id = nothing("null: it is not made.")
    name = string("What it would do.")
    context = fields.Nested(TaskContext, metadata=documented("What it would be submitted with."))
    creator = string("Who calls.")
    executor = string("The API process that answers.")
    hostId = id_field("The host of a task on one host.")
    operation = string("EXECUTE.")
    startTime = nothing("null: it is not made.")
    status = nothing("null: it is not made.")
    taskDefinitionId = Whole(-1, -1, metadata=documented("Always -1."))
    type = fields.String(validate=validate.OneOf(TYPES), metadata=documented("MANUAL: made by a call."))
    subtasks = fields.List(fields.Nested(PlannedSubtask), metadata=documented("Its subtasks."))
    dryRun = fields.Boolean(metadata={**documented("true."), "enum": [True]})
    stages = fields.List(fields.Nested(PlannedStage), metadata=documented("Its stages in their order."))
    subtaskCount = count("How many subtasks it would have.")
    hosts = fields.List(fields.Nested(PlannedHost), metadata=documented("Its hosts."))
    findings = fields.Nested(Findings, metadata=documented("What may keep it from doing well."))

    # Those of the task itself can be chosen with `?fields=`.
    sometimes: ClassVar[frozenset[str]] = frozenset(
        (
            *("id", "name", "context", "creator", "executor", "hostId", "operation", "startTime", "status"),
            *("taskDefinitionId", "type", "subtasks"),
        )
    )
    task: ClassVar[dict[str, Any]] = {
        "id": None,
        "name": "Batch restart OCP agent",
        "context": TaskContext.example,
        "creator": "admin",
        "executor": "api-1",
        "operation": "EXECUTE",
        "startTime": None,
        "status": None,
        "taskDefinitionId": -1,
        "type": "MANUAL",
        "subtasks": [PlannedSubtask.example],
    }
    example: ClassVar[Example] = {
        **task,
        "dryRun": True,
        "stages": [PlannedStage.example],
        "subtaskCount": 14,
        "hosts": [PlannedHost.example],
        "findings": Findings.example,
    }


class HostPlan(Plan):
    """With `?dryRun=true`: the task on one host that the call would make; nothing was written."""

    example: ClassVar[Example] = {
        **Plan.example,
        "name": "Restart OCP agent",
        "hostId": 1,
        "context": {**TaskContext.example, "listMap": {}, "stringMap": {"prohibit_rollback": "false", "host_id": "1"}},
        "subtasks": [{**PlannedSubtask.example, "parallelIdx": -1, "downstreams": [[3, -1]]}],
        "subtaskCount": 5,
    }


def with_plan(*done: type[AnswerSchema]) -> tuple[type[AnswerSchema], ...]:
    """Return what the answer of a call may be that takes `?dryRun=true`: what it does otherwise, or the plan."""
    return (*done, Plan)


def with_host_plan(*done: type[AnswerSchema]) -> tuple[type[AnswerSchema], ...]:
    """Return the same of a call that is about one host."""
    return (*done, HostPlan)
