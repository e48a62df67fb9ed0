"""The agent of one host as it is now, and its processes: seen live, restarted and stopped one by one."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from api import render, render_agent, trail
from api.auth import require
from api.declaration import answers, knows_header, takes_nothing, takes_query
from api.envelope import success
from api.error import IDEMPOTENCY_KEY
from api.idempotency import KEY, MEANING, mark
from api.plan import planned
from api.resource.agents import submit
from api.schema.answer import page_of
from api.schema.answer_agent import HostAgent, HostAgentProcess
from api.schema.answer_plan import with_host_plan
from api.schema.page import Page
from api.schema.submission import Submission
from api.service import services
from api.user import Permission
from api.watch import Sight
from dag.definition.process_restart import process_restart
from dag.definition.process_stop import process_stop
from dag.error import (
    AgentUnavailable,
    ClaimConflict,
    HostsInUse,
    StillRunning,
    TooManyWaiting,
    UnknownHosts,
    UnknownProcess,
    UnknownTask,
)
from dag.inquiry import SeenProcess
from dag.task import Definition

processes = Blueprint("processes", __name__)

LOOK_ERRORS = (UnknownHosts, AgentUnavailable, TooManyWaiting)
OPERATION_ERRORS = (*LOOK_ERRORS, UnknownProcess, HostsInUse, StillRunning, ClaimConflict, UnknownTask)


@processes.get("/compute/hosts/<id:host_id>/agent")
@require(Permission.HOST_VIEWER)
@answers(HostAgent, raises=LOOK_ERRORS)
def get_agent(host_id: int) -> Response:
    """Answer with the agent as it is now, or as it was last seen."""
    return success(render_agent.agent(_see(host_id)))


@processes.get("/compute/hosts/<id:host_id>/agent/processes")
@require(Permission.HOST_VIEWER)
@answers(page_of(HostAgentProcess), raises=LOOK_ERRORS)
@takes_query(Page)
def list_processes(query: dict[str, Any], host_id: int) -> Response:
    """Answer with one page of the agent's processes as they are now, or as they were last seen."""
    found = render_agent.processes(_see(host_id))
    return success(render.slice_page(found, number=query["page"], size=query["size"]))


@processes.post("/compute/hosts/<id:host_id>/agent/processes/<id:process_id>/restart")
@require(Permission.HOST_MANAGER)
@answers(with_host_plan(HostAgentProcess), raises=OPERATION_ERRORS)
@knows_header(IDEMPOTENCY_KEY, MEANING, KEY)
@takes_query(Submission)
@takes_nothing
def restart_process(query: dict[str, bool], host_id: int, process_id: int) -> Response:
    """Restart one process of the agent, and answer with it as it is then."""
    return _operate(host_id, process_id, process_restart, dry_run=query["dryRun"])


@processes.post("/compute/hosts/<id:host_id>/agent/processes/<id:process_id>/stop")
@require(Permission.HOST_MANAGER)
@answers(with_host_plan(HostAgentProcess), raises=OPERATION_ERRORS)
@knows_header(IDEMPOTENCY_KEY, MEANING, KEY)
@takes_query(Submission)
@takes_nothing
def stop_process(query: dict[str, bool], host_id: int, process_id: int) -> Response:
    """Stop one process of the agent, and answer with it as it is then."""
    return _operate(host_id, process_id, process_stop, dry_run=query["dryRun"])


def _see(host_id: int) -> Sight:
    host, watch = services().registry.get(host_id), services().watch
    with watch.waiting():
        return watch.see(host)


def _operate(host_id: int, process_id: int, operation: Callable[[str], Definition], *, dry_run: bool) -> Response:
    if dry_run:
        trail.note_dry_run()
    host, watch = services().registry.get(host_id), services().watch
    with watch.waiting():
        process = _find(watch.look(host), process_id)
        if not process.operable:
            raise AgentUnavailable(
                f"{process.name} can't be controlled alone: profile {host.profile} has no start and stop for it."
            )
        if dry_run:
            return success(planned(operation(process.name), [host_id]))
        task = submit(operation(process.name), [host_id]).head.id
        watch.await_end(task, host)
        sight = watch.look(host, anew=True)
    return mark(success(render_agent.process(sight, _find(sight, process_id))), task)


def _find(sight: Sight, process_id: int) -> SeenProcess:
    for process in sight.look.processes:
        if render_agent.process_id(process.name) == process_id:
            return process
    raise UnknownProcess(sight.host.id, process_id)
