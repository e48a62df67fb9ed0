"""Hosts in answers; `api.render` makes them."""

from typing import ClassVar

from marshmallow import fields

from api.schema.answer import NOW, AnswerSchema, count, id_field, moment, string, word
from api.schema.field import Example, TextMap, Whole, documented
from api.schema.host import PORT
from dag.host import AgentStatus, HostStatus


class Host(AnswerSchema):
    """A host in the contract's shape, with Muster's user, profile, zone and labels; its variables are never shown."""

    id = id_field("The host's id.")
    name = string("Its name, or its address.")
    alias = string("Another name.")
    description = string("Anything worth knowing.")
    operatingSystem = string("As a step or a look saw it; empty: neither has been there.")
    architecture = string("As uname -m has it there; empty: neither has been there.")
    innerIpAddress = string("Its address or host name.")
    sshPort = Whole(*PORT, metadata=documented("Where its SSH server listens."))
    kind = string("The contract's word for the kind of machine.")
    idcId = count("The id of the data centre.")
    idcName = string("Always empty.")
    typeId = count("The id of the type of host.")
    credentialId = count("Names the private key that workers log in with; 0: none of its own.")
    status = word(HostStatus, "NEW until somebody saw it, then ONLINE or OFFLINE, as it was seen last.")
    createTime = moment("When it was enrolled.")
    user = string("The SSH login; empty: the workers' default.")
    profile = string("How its agent is controlled.")
    zone = string("The network area it is in.")
    labels = TextMap(metadata=documented("Anything to find it by."))
    agentStatus = word(AgentStatus, "Of the agent, as a step or a look saw it last; UNKNOWN: nobody has.")
    agentVersion = string("The agent's version, as far as anybody has seen it.")
    lastSeenTime = moment("When the agent was seen so; null: never.", allow_none=True)
    lastTaskId = id_field("The last task of which a step has seen the agent; 0: none.")
    unreachable = string("Why nobody got to the host when somebody last tried; empty: they did, or nobody has tried.")
    unreachableTime = moment("When that was; null where they did.", allow_none=True)

    example: ClassVar[Example] = {
        "id": 1,
        "name": "web-1",
        "alias": "",
        "description": "",
        "operatingSystem": "Debian GNU/Linux 12 (bookworm)",
        "architecture": "x86_64",
        "innerIpAddress": "10.0.0.1",
        "sshPort": 22,
        "kind": "DEDICATED_PHYSICAL_MACHINE",
        "idcId": 0,
        "idcName": "",
        "typeId": 0,
        "credentialId": 0,
        "status": "ONLINE",
        "createTime": NOW,
        "user": "admin",
        "profile": "ocp_agentctl",
        "zone": "default",
        "labels": {"env": "test"},
        "agentStatus": "STARTED",
        "agentVersion": "4.3.1",
        "lastSeenTime": NOW,
        "lastTaskId": 7,
        "unreachable": "",
        "unreachableTime": None,
    }


class EnrolledHost(Host):
    """A host that was enrolled just now: nobody has seen it yet."""

    example: ClassVar[Example] = {
        **Host.example,
        "id": 4,
        "name": "web-11",
        "innerIpAddress": "10.0.0.11",
        "status": "NEW",
        "agentStatus": "UNKNOWN",
        "agentVersion": "",
        "lastSeenTime": None,
        "lastTaskId": 0,
        "operatingSystem": "",
        "architecture": "",
    }


class ImportedHost(EnrolledHost):
    """A host of an inventory that was enrolled now; its id is null where that was only tried."""

    id = Whole(1, 2**63 - 1, allow_none=True, metadata=documented("The host's id; null: a dry run."))


class SkippedHost(AnswerSchema):
    """A host of an inventory that had been enrolled before."""

    id = id_field("The host's id.")
    innerIpAddress = string("Its address or host name.")
    sshPort = Whole(*PORT, metadata=documented("Where its SSH server listens."))
    name = string("Its name in the inventory.")

    example: ClassVar[Example] = {"id": 1, "innerIpAddress": "10.0.0.1", "sshPort": 22, "name": "web-1"}


class Imported(AnswerSchema):
    """What became of an inventory."""

    contents = fields.List(fields.Nested(ImportedHost), metadata=documented("The hosts that are new."))
    skipped = fields.List(fields.Nested(SkippedHost), metadata=documented("Those that had been enrolled before."))
    ignoredVariables = fields.List(fields.String(), metadata=documented("Ansible's variables that mean nothing here."))

    example: ClassVar[Example] = {
        "contents": [ImportedHost.example],
        "skipped": [SkippedHost.example],
        "ignoredVariables": ["ansible_become"],
    }
