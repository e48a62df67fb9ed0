"""The answer of a dry run: the task that a call would make, and what is known of its hosts. Nothing is written."""

from collections.abc import Iterable, Sequence
from typing import Any

from api import render, trail
from api.auth import caller
from api.envelope import server_name
from api.fitness import Fitness, fitness
from api.idempotency import claim
from api.instant import iso_or_none
from api.schema.view import SUBTASKS, View
from api.service import services
from dag.graph import Graph
from dag.host import Agent, AgentStatus, Host, HostStatus
from dag.plan import Hold, find_holds, plan
from dag.snapshot import Snapshot
from dag.task import Definition, Scope, Stage

Shape = dict[str, Any]


def planned(definition: Definition, host_ids: Sequence[int], view: View | None = None) -> Shape:
    """Return the plan of a submission on these hosts, and keep it out of the audit log.

    A view chooses among the fields that the call itself would answer with; a summary has no subtasks.

    Raises:
        InvalidRequest: the key of idempotency is none.
        UnknownHosts: some are not enrolled.
        StoreUnavailable: Redis is away.
    """
    trail.note_dry_run()
    # A key that the call itself would refuse is refused here, too.
    claim()
    seen, holds, fit = services().registry.sightings(host_ids), find_holds(services().store, host_ids), fitness()
    task = plan(definition, host_ids, held=holds)
    who = {"creator": caller().name, "executor": server_name()}
    shape = {**render.submission(task.head), **who, "id": None, "startTime": None, "status": None}
    if view is None or (view.shows(SUBTASKS) and not view.is_summary):
        shape[SUBTASKS] = _subtasks(task)
    return {
        **{name: value for name, value in shape.items() if view is None or view.shows(name)},
        "dryRun": True,
        "stages": [_stage(stage, task.graph) for stage in task.graph.stages],
        "subtaskCount": task.graph.size,
        "hosts": [_host(host, agent, holds.get(host.id)) for host, agent in seen],
        "findings": _findings(seen, holds, fit),
    }


def _subtasks(task: Snapshot) -> list[Shape]:
    """Return the subtasks in the contract's shape, without ids.

    Their edges name others by seriesId and parallelIdx, as clients find them.
    """
    nodes = list(task.nodes({}))
    places = [[node.stage.series_id, node.parallel_idx] for node in nodes]
    shapes = [render.submitted(node, 0) for node in nodes]
    for shape in shapes:
        shape["id"] = None
        for edges in ("upstreams", "downstreams"):
            shape[edges] = [places[other] for other in shape[edges]]
    return shapes


def _stage(stage: Stage, graph: Graph) -> Shape:
    return {
        "seriesId": stage.series_id,
        "name": stage.name,
        "className": stage.class_name,
        "timeout": stage.timeout_seconds,
        "subtaskCount": graph.width_of(stage),
        "waitNode": stage.scope is Scope.WAIT,
        "prohibitRollback": stage.prohibit_rollback,
    }


def _host(host: Host, agent: Agent | None, hold: Hold | None) -> Shape:
    return {
        "id": host.id,
        "name": host.name or host.address,
        "innerIpAddress": host.address,
        "sshPort": host.ssh_port,
        "profile": host.profile,
        "zone": host.zone,
        "status": host.status.value,
        "unreachable": agent.unreachable if agent else "",
        "agentStatus": agent.status.value if agent else AgentStatus.UNKNOWN.value,
        "agentVersion": agent.version if agent else "",
        "lastSeenTime": iso_or_none(agent.seen_at or None) if agent else None,
        "lockedBy": {"id": hold.task_id, "name": hold.task_name} if hold else None,
        "waitingBefore": hold.waiting if hold else 0,
    }


def _findings(seen: Iterable[tuple[Host, Agent | None]], holds: dict[int, Hold], fit: Fitness) -> Shape:
    """Return what may keep the task from doing well, each as the ids of the hosts (or the names of the zones)."""
    pairs = list(seen)
    return {
        "lockedHostIds": [host.id for host, _ in pairs if host.id in holds],
        "unreachableHostIds": [host.id for host, _ in pairs if host.status is HostStatus.OFFLINE],
        "stoppedAgentHostIds": [host.id for host, agent in pairs if agent and agent.status is AgentStatus.STOPPED],
        "neverSeenHostIds": [host.id for host, agent in pairs if not agent or not agent.seen_at],
        "unknownProfileHostIds": [host.id for host, _ in pairs if fit.fault(host)],
        "zonesWithoutWorker": sorted({host.zone for host, _ in pairs if not fit.has_worker(host.zone)}),
    }
