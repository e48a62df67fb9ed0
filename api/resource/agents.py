"""The agents of hosts: `/compute/hosts/batchRestartAgents`."""

from flask import Blueprint, Response, g

from api import render
from api.auth import caller, require
from api.body import read_hosts
from api.envelope import server_name, success
from api.schema.host_id import HostIds
from api.service import services
from api.user import Permission
from dag.definition.batch_restart import BATCH_RESTART

agents = Blueprint("agents", __name__)


@agents.post("/compute/hosts/batchRestartAgents")
@require(Permission.HOST_MANAGER)
def batch_restart_agents() -> Response:
    """Submit a restart of the agents of all hosts named, and answer with the task."""
    store = services().store
    hosts = read_hosts(HostIds(services().settings.api.max_hosts))
    who = {"creator": caller().name, "executor": server_name(), "trace_id": g.trace_id}
    return success(render.submission(store.load(store.submit(BATCH_RESTART, hosts, **who))))
