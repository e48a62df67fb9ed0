"""Agents and their processes in answers; `api.render_agent` makes them."""

from typing import ClassVar

from marshmallow import fields, validate

from api.schema.answer import NOW, AnswerSchema, count, flag, id_field, moment, string
from api.schema.field import Example, Whole, documented
from dag.host import AgentStatus


def _status() -> fields.String:
    known = (AgentStatus.STARTED.value, AgentStatus.STOPPED.value)
    return fields.String(validate=validate.OneOf(known), metadata=documented("Whether it runs."))


class HostAgentProcess(AnswerSchema):
    """One process of an agent; one that runs twice is there twice, under the same id."""

    id = id_field("Follows from its name, the same on every host.")
    hostId = id_field("The host it runs on.")
    alias = string("Its name in the profile.")
    pid = Whole(1, 2**31 - 1, allow_none=True, metadata=documented("Its process id; null: it does not run."))
    user = string("Whom it runs as.")
    startCommand = string("Its command line.")
    ports = string("The TCP ports it listens on, with commas between them.")
    elapsedTime = count("For how many seconds it has run.")
    lastActiveTime = moment("When it was seen to run; null: it does not.", allow_none=True)
    status = _status()
    operable = flag("Whether it can be restarted and stopped alone.")
    createTime = moment("When its host was enrolled.")
    updateTime = moment("When it was seen.")

    example: ClassVar[Example] = {
        "id": 272354907,
        "hostId": 1,
        "alias": "ocp_mgragent",
        "pid": 102,
        "user": "admin",
        "startCommand": "/home/admin/ocp_agent/bin/ocp_mgragent",
        "ports": "62888",
        "elapsedTime": 7,
        "lastActiveTime": NOW,
        "status": "STARTED",
        "operable": True,
        "createTime": NOW,
        "updateTime": NOW,
    }


class HostAgent(AnswerSchema):
    """The agent of a host."""

    id = id_field("The host's id.")
    version = string("The agent's version, where it tells it.")
    installHome = string("Where it is installed.")
    logHome = string("Where it logs.")
    lastAvailableTime = moment("When it was seen to run; null: it does not.", allow_none=True)
    hostId = id_field("The host it runs on.")
    hostInnerIpAddress = string("The host's address.")
    # What was seen last, by a worker that was at work there, may be another word.
    status = fields.String(validate=validate.OneOf(tuple(AgentStatus)), metadata=documented("Whether it runs."))
    processes = fields.List(fields.Nested(HostAgentProcess), metadata=documented("Its processes."))
    createTime = moment("When the host was enrolled.")
    updateTime = moment("When the agent was seen.")
    live = flag("false: nobody answered now, and this is what was seen at updateTime.")

    example: ClassVar[Example] = {
        "id": 1,
        "version": "4.2",
        "installHome": "/home/admin/ocp_agent",
        "logHome": "/home/admin/ocp_agent/log",
        "lastAvailableTime": NOW,
        "hostId": 1,
        "hostInnerIpAddress": "10.0.0.1",
        "status": "STARTED",
        "processes": [HostAgentProcess.example],
        "createTime": NOW,
        "updateTime": NOW,
        "live": True,
    }
