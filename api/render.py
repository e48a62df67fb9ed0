"""Tasks and hosts in the contract's shapes: plain functions, since one answer may show 50,004 subtasks."""

from typing import Any

from api.instant import iso, iso_or_none
from dag.brief import TaskBrief
from dag.host import Agent, AgentStatus, Host
from dag.log import LogState
from dag.state import NodeStatus, Operation, TaskStatus
from dag.task import Node, TaskHead

NEVER_SEEN = Agent(AgentStatus.UNKNOWN)


def submission(task: TaskHead) -> dict[str, Any]:
    """Return the answer of an asynchronous call without its subtasks: the sample response's keys, with context, creator
    a string. It shows the task as it was submitted, RUNNING, though a fast worker may have begun already.
    """
    return {
        "context": _context(task),
        "creator": task.creator,
        "executor": task.executor,
        **_host(task),
        "id": task.id,
        "name": task.name,
        "operation": Operation.EXECUTE.value,
        "startTime": iso(task.started_at),
        "status": TaskStatus.RUNNING.value,
        "taskDefinitionId": -1,
        "type": "MANUAL",
    }


def _context(task: TaskHead) -> dict[str, Any]:
    strings = {"prohibit_rollback": "true" if task.prohibit_rollback else "false"}
    lists: dict[str, list[str]] = {}
    if task.single:
        strings["host_id"] = str(task.host_ids[0])
    else:
        lists["host_ids"] = [str(host) for host in task.host_ids]
    return {"listMap": lists, "parallel": False, "parallelIdx": -1, "stringMap": strings}


def _host(task: TaskHead) -> dict[str, int]:
    """Return the `hostId` that a task on a single host has at its top level."""
    return {"hostId": task.host_ids[0]} if task.single else {}


def submitted(node: Node, _created_at: int) -> dict[str, Any]:
    """Return one subtask as it was submitted: the first nodes READY (PENDING where their host is busy with an earlier
    task), the rest PENDING.
    """
    begun = not node.upstreams and node.status is not NodeStatus.PENDING
    status = NodeStatus.READY if begun else NodeStatus.PENDING
    return _subtask(node, status, Operation.EXECUTE, 1)


def detail(task: TaskHead, creator_id: int) -> dict[str, Any]:
    """Return a task as GET shows it, without its subtasks: creator an object, no context, and the times; those to come
    are null.
    """
    return {
        "createTime": iso(task.created_at),
        "creator": {"id": creator_id, "name": task.creator},
        "executor": task.executor,
        "finishTime": iso_or_none(task.finished_at),
        **_host(task),
        "id": task.id,
        "name": task.name,
        "operation": task.operation.value,
        "prohibitRollback": task.prohibit_rollback,
        "startTime": iso(task.started_at),
        "status": task.status.value,
        "taskDefinitionId": -1,
        "type": "MANUAL",
    }


def subtask(node: Node, created_at: int) -> dict[str, Any]:
    """Return one subtask as the detail of its task shows it; `created_at` is the task's."""
    shape = _subtask(node, node.status, node.operation, node.run_time)
    shape["createTime"] = iso(created_at)
    shape["executor"] = node.executor
    shape["finishTime"] = iso_or_none(node.finished_at)
    shape["startTime"] = iso_or_none(node.started_at)
    return shape


def brief(task: TaskBrief, creator_id: int) -> dict[str, Any]:
    """Return a task as a list shows it, and `subtaskCount`: a page has no room for the subtasks of many large tasks."""
    return {
        "creator": {"id": creator_id, "name": task.creator},
        "finishTime": iso_or_none(task.finished_at),
        "id": task.id,
        "name": task.name,
        "startTime": iso(task.started_at),
        "status": task.status.value,
        "subtaskCount": task.node_count,
        "subtasks": [
            {
                "description": node.name,
                "id": node.id,
                "name": node.name,
                "operation": node.operation.value,
                "status": node.status.value,
            }
            for node in task.nodes
        ],
    }


def _subtask(node: Node, status: NodeStatus, operation: Operation, run_time: int) -> dict[str, Any]:
    stage = node.stage
    return {
        "className": stage.class_name,
        "description": stage.name,
        "downstreams": list(node.downstreams),
        "id": node.id,
        "name": stage.name,
        "nodeType": "JAVA_TASK",
        "operation": operation.value,
        "parallelIdx": node.parallel_idx,
        "prohibitRollback": stage.prohibit_rollback,
        "runTime": run_time,
        "seriesId": stage.series_id,
        "status": status.value,
        "timeout": stage.timeout_seconds,
        "upstreams": list(node.upstreams),
    }


def log_part(state: LogState, text: str, first: int, behind: int) -> dict[str, Any]:
    """Return a part of a log, from byte `first` to `behind`, with what whoever follows it needs to know."""
    return {"log": text, "begin": first, "next": behind, "status": state.status.value, "ended": state.has_ended}


def host(one: Host, seen: Agent | None = None) -> dict[str, Any]:
    """Return a host in the contract's shape, with Muster's own fields and its agent as it was last seen.

    Its variables stay inside: they may hold what only the worker is to know.
    """
    agent = seen or NEVER_SEEN
    return {
        "id": one.id,
        "name": one.name or one.address,
        "alias": one.alias,
        "description": one.description,
        "operatingSystem": agent.operating_system,
        "architecture": agent.architecture,
        "innerIpAddress": one.address,
        "sshPort": one.ssh_port,
        "kind": one.kind,
        "idcId": one.idc_id,
        "idcName": "",
        "typeId": one.type_id,
        "credentialId": one.credential_id,
        "status": one.status.value,
        "createTime": iso(one.created_at),
        "user": one.user,
        "profile": one.profile,
        "zone": one.zone,
        "labels": one.labels,
        "agentStatus": agent.status.value,
        "agentVersion": agent.version,
        "lastSeenTime": iso_or_none(agent.seen_at or None),
        "lastTaskId": agent.task_id,
        "unreachable": agent.unreachable,
        "unreachableTime": iso_or_none(agent.missed_at or None),
    }


def page(contents: list[Any], *, number: int, size: int, total: int) -> dict[str, Any]:
    """Return one page (numbered from 1) in the contract's shape."""
    counts = {"totalElements": total, "totalPages": -(-total // size), "number": number, "size": size}
    return {"contents": contents, "page": counts}


def slice_page(all_of_them: list[Any], *, number: int, size: int) -> dict[str, Any]:
    """Return one page (numbered from 1) of a list that is at hand as a whole."""
    chosen = all_of_them[(number - 1) * size : number * size]
    return page(chosen, number=number, size=size, total=len(all_of_them))
