"""A task at a glance: its grid of stages and hosts, one subtask of it, and what failed."""

from typing import Any

from flask import Blueprint, Response

from api import render, render_grid, render_summary
from api.auth import require
from api.conditional import task_tag, unless_known
from api.declaration import answers, takes_query
from api.envelope import success
from api.schema.answer import page_of
from api.schema.answer_grid import SubtaskOnHost, TaskGrid
from api.schema.answer_summary import TaskFailure
from api.schema.page import Page
from api.service import services
from api.user import Permission
from dag.error import UnknownSubtask, UnknownTask
from dag.host_name import names_version
from dag.summary import page_of_failures

overview = Blueprint("overview", __name__)


@overview.get("/tasks/instances/<id:task_id>/grid")
@require(Permission.TASK_VIEWER)
@answers(TaskGrid, raises=(UnknownTask,), is_conditional=True)
def get_grid(task_id: int) -> Response:
    """Answer with the states of all subtasks of a task, as a grid of stages and hosts.

    A task of 10,000 hosts is 0.3 MB. What changes afterwards comes by `/events?lastEventId=` and this `eventId`.
    """

    def made() -> Response:
        snapshot = services().store.read(task_id)
        return success(render_grid.grid(snapshot, services().names.read(snapshot.head.host_ids)))

    return unless_known(_tag(task_id, "grid"), made)


@overview.get("/tasks/instances/<id:task_id>/failures")
@require(Permission.TASK_VIEWER)
@answers(page_of(TaskFailure), raises=(UnknownTask,), is_conditional=True)
@takes_query(Page)
def list_failures(query: dict[str, Any], task_id: int) -> Response:
    """Answer with one page of a task's FAILED subtasks, each with the last line of its log."""
    number, size = query["page"], query["size"]

    def page() -> Response:
        found, total = page_of_failures(services().store, task_id, first=(number - 1) * size, size=size)
        shown = [render_summary.failure(one) for one in found]
        return success(render.page(shown, number=number, size=size, total=total))

    return unless_known(task_tag(task_id, "failures", number, size), page)


@overview.get("/tasks/instances/<id:task_id>/subtasks/<id:subtask_id>")
@require(Permission.TASK_VIEWER)
@answers(SubtaskOnHost, raises=(UnknownTask, UnknownSubtask), is_conditional=True)
def get_subtask(task_id: int, subtask_id: int) -> Response:
    """Answer with one subtask, its host, its attempt and the last line of its log."""

    def made() -> Response:
        store, names = services().store, services().names
        node, created = store.load_node(task_id, subtask_id)
        return success(render_grid.subtask(store, names, task_id, node, created))

    return unless_known(_tag(task_id, "subtask", subtask_id), made)


def _tag(task_id: int, *chosen: object) -> str:
    """Return the tag of an answer that names hosts, too."""
    return task_tag(task_id, *chosen, names_version(services().store))
