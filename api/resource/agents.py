"""Operations on the agents of hosts, each a task: restart and stop, of many hosts or of one."""

from flask import Blueprint, Response, g

from api import render
from api.auth import caller, require
from api.declaration import answers, takes_hosts, takes_nothing
from api.envelope import server_name, success
from api.schema.answer_task import SubmittedTask
from api.schema.host_id import HostIds
from api.service import services
from api.user import Permission
from dag.definition.batch_restart import BATCH_RESTART
from dag.definition.batch_stop import BATCH_STOP
from dag.definition.restart import RESTART
from dag.definition.stop import STOP
from dag.error import UnknownHosts
from dag.task import Definition

agents = Blueprint("agents", __name__)


@agents.post("/compute/hosts/batchRestartAgents")
@require(Permission.HOST_MANAGER)
@answers(SubmittedTask, raises=(UnknownHosts,))
@takes_hosts(HostIds)
def batch_restart_agents(ids: list[int]) -> Response:
    """Submit a restart of the agents of all hosts named, and answer with the task."""
    return _submitted(BATCH_RESTART, ids)


@agents.post("/compute/hosts/batchStopAgents")
@require(Permission.HOST_MANAGER)
@answers(SubmittedTask, raises=(UnknownHosts,))
@takes_hosts(HostIds)
def batch_stop_agents(ids: list[int]) -> Response:
    """Submit a stop of the agents of all hosts named, and answer with the task."""
    return _submitted(BATCH_STOP, ids)


@agents.post("/compute/hosts/<id:host_id>/agent/restart")
@require(Permission.HOST_MANAGER)
@answers(SubmittedTask, raises=(UnknownHosts,))
@takes_nothing
def restart_agent(host_id: int) -> Response:
    """Submit a restart of the agent of one host, and answer with the task."""
    return _submitted(RESTART, [host_id])


@agents.post("/compute/hosts/<id:host_id>/agent/stop")
@require(Permission.HOST_MANAGER)
@answers(SubmittedTask, raises=(UnknownHosts,))
@takes_nothing
def stop_agent(host_id: int) -> Response:
    """Submit a stop of the agent of one host, and answer with the task."""
    return _submitted(STOP, [host_id])


def submit(definition: Definition, hosts: list[int]) -> int:
    """Submit a task on these hosts in the name of the caller, and return its id."""
    who = {"creator": caller().name, "executor": server_name(), "trace_id": g.trace_id}
    return services().store.submit(definition, hosts, **who)


def _submitted(definition: Definition, hosts: list[int]) -> Response:
    return success(render.submission(services().store.load(submit(definition, hosts))))
