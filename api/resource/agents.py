"""Operations on the agents of hosts, each a task: restart and stop, of many hosts or of one."""

import time

from flask import Blueprint, Response, g

from api import trail
from api.auth import caller, require
from api.declaration import answers, knows_header, takes_hosts, takes_nothing, takes_query
from api.envelope import server_name, success
from api.error import IDEMPOTENCY_KEY
from api.idempotency import KEY, MEANING, claim, mark
from api.plan import planned
from api.schema.answer_plan import with_host_plan, with_plan
from api.schema.answer_task import SubmittedHostTask, SubmittedTask, with_views
from api.schema.host_id import HostIds
from api.schema.view import SubmissionView, View
from api.service import services
from api.user import Permission
from api.view import SUBMISSION, show_read
from dag.definition.batch_restart import BATCH_RESTART
from dag.definition.batch_stop import BATCH_STOP
from dag.definition.restart import RESTART
from dag.definition.stop import STOP
from dag.error import ClaimConflict, UnknownHosts, UnknownTask
from dag.snapshot import Snapshot
from dag.task import Definition
from telemetry.span import Attribute, Span

agents = Blueprint("agents", __name__)

# No task: one that an earlier call with the same key made, and that has been forgotten.
SUBMISSION_ERRORS = (UnknownHosts, ClaimConflict, UnknownTask)


@agents.post("/compute/hosts/batchRestartAgents")
@require(Permission.HOST_MANAGER)
@answers(with_plan(*with_views(SubmittedTask)), raises=SUBMISSION_ERRORS)
@knows_header(IDEMPOTENCY_KEY, MEANING, KEY)
@takes_query(SubmissionView)
@takes_hosts(HostIds)
def batch_restart_agents(ids: list[int], view: View) -> Response:
    """Submit a restart of the agents of all hosts named, and answer with the task."""
    return _submitted(BATCH_RESTART, ids, view)


@agents.post("/compute/hosts/batchStopAgents")
@require(Permission.HOST_MANAGER)
@answers(with_plan(*with_views(SubmittedTask)), raises=SUBMISSION_ERRORS)
@knows_header(IDEMPOTENCY_KEY, MEANING, KEY)
@takes_query(SubmissionView)
@takes_hosts(HostIds)
def batch_stop_agents(ids: list[int], view: View) -> Response:
    """Submit a stop of the agents of all hosts named, and answer with the task."""
    return _submitted(BATCH_STOP, ids, view)


@agents.post("/compute/hosts/<id:host_id>/agent/restart")
@require(Permission.HOST_MANAGER)
@answers(with_host_plan(*with_views(SubmittedHostTask)), raises=SUBMISSION_ERRORS)
@knows_header(IDEMPOTENCY_KEY, MEANING, KEY)
@takes_query(SubmissionView)
@takes_nothing
def restart_agent(view: View, host_id: int) -> Response:
    """Submit a restart of the agent of one host, and answer with the task."""
    return _submitted(RESTART, [host_id], view)


@agents.post("/compute/hosts/<id:host_id>/agent/stop")
@require(Permission.HOST_MANAGER)
@answers(with_host_plan(*with_views(SubmittedHostTask)), raises=SUBMISSION_ERRORS)
@knows_header(IDEMPOTENCY_KEY, MEANING, KEY)
@takes_query(SubmissionView)
@takes_nothing
def stop_agent(view: View, host_id: int) -> Response:
    """Submit a stop of the agent of one host, and answer with the task."""
    return _submitted(STOP, [host_id], view)


def submit(definition: Definition, hosts: list[int]) -> Snapshot:
    """Submit a task on these hosts in the name of the caller, and return it; see `api.idempotency`."""
    began_at = time.time()
    made: list[Snapshot] = []
    task_id = services().store.submit(
        definition,
        hosts,
        creator=caller().name,
        executor=server_name(),
        trace_id=g.trace.trace_id,
        traceparent=g.trace.parent,
        claim=claim(),
        tell=made.append,
    )
    trail.note(taskId=task_id)
    if services().spans.wants(g.trace):
        attributes: dict[str, Attribute] = {
            "muster.task": task_id,
            "muster.operation": definition.key,
            "muster.hosts": len(hosts),
        }
        services().spans.tell(Span(g.trace.part(), "submit", began_at, time.time(), attributes=attributes))
    return made[0] if made else services().store.read(task_id)


def _submitted(definition: Definition, hosts: list[int], view: View) -> Response:
    if view.is_dry_run:
        return success(planned(definition, hosts, view))
    task = submit(definition, hosts)
    return mark(show_read(task, SUBMISSION, view), task.head.id)
