"""Tasks: list, follow, retry, roll back, skip, cancel, and what their steps logged.

`/tasks/{id}` is what the Terraform provider polls.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from flask import Blueprint, Response, g, send_file

from api import diagnosis, render, render_summary
from api.auth import caller, require
from api.conditional import tag_of, task_tag, tasks_tag, unless_known
from api.declaration import answers, answers_file, takes_nothing, takes_query
from api.envelope import success
from api.schema.answer import UserReference, list_of, page_of
from api.schema.answer_task import Subtask, SubtaskLog, SubtaskLogPart, TaskBrief, TaskDetail, TaskTally, with_views
from api.schema.task import TaskPage
from api.schema.view import LogPlace, SubtaskPage, TaskView, View
from api.service import services
from api.user import Permission
from api.view import DETAIL, show, user_id
from dag.brief import load_briefs
from dag.catalogue import Catalogue
from dag.error import IllegalState, RollbackProhibited, UnknownSubtask, UnknownTask
from dag.log import log_from, log_state
from dag.operation import Operations
from dag.state import NodeStatus
from dag.summary import page_of_nodes
from dag.tally import load_tallies

tasks = Blueprint("tasks", __name__)
log = structlog.get_logger()

SUBTASK_ERRORS = (UnknownTask, UnknownSubtask, IllegalState)


@tasks.get("/tasks/instances")
@require(Permission.TASK_VIEWER)
@answers((page_of(TaskBrief), page_of(TaskTally)), is_conditional=True)
@takes_query(TaskPage)
def list_tasks(query: dict[str, Any]) -> Response:
    """Answer with one page of the tasks, or of their summaries."""
    store, is_summary = services().store, query["is_summary"]
    ids: list[int] = []
    total = 0
    if query["filter"]:
        ids, total = Catalogue(store).page(
            query["filter"], page=query["page"], size=query["size"], descending=query["descending"]
        )

    def page() -> Response:
        shown = _tallies(ids) if is_summary else _briefs(ids)
        return success(render.page(shown, number=query["page"], size=query["size"], total=total))

    chosen = (ids, query["page"], query["size"], total, is_summary)
    return unless_known(tasks_tag(store.versions(ids), *chosen), page)


def _briefs(ids: Sequence[int]) -> list[dict[str, Any]]:
    found = load_briefs(services().store, ids)
    creators = _ids_of({task.creator for task in found})
    return [render.brief(task, creators[task.creator]) for task in found]


def _tallies(ids: Sequence[int]) -> list[dict[str, Any]]:
    found = load_tallies(services().store, ids)
    creators = _ids_of({task.creator for task in found})
    return [render_summary.tally(task, creators[task.creator]) for task in found]


def _ids_of(names: Iterable[str]) -> dict[str, int]:
    return {name: user_id(name) for name in names}


@tasks.get("/tasks/instances/creators")
@require(Permission.TASK_VIEWER)
@answers(list_of(UserReference))
def list_creators() -> Response:
    """Answer with all who have created tasks."""
    names = Catalogue(services().store).creators()
    return success({"contents": [{"id": user_id(name), "name": name} for name in names]})


@tasks.get("/tasks/instances/<id:task_id>")
@tasks.get("/tasks/<id:task_id>")
@require(Permission.TASK_VIEWER)
@answers(with_views(TaskDetail), raises=(UnknownTask,), is_conditional=True)
@takes_query(TaskView)
def get_task(view: View, task_id: int) -> Response:
    """Answer with one task and all its subtasks, with some of its fields, or with a summary."""
    return unless_known(task_tag(task_id, view.key), lambda: show(task_id, DETAIL, view))


@tasks.get("/tasks/instances/<id:task_id>/subtasks")
@require(Permission.TASK_VIEWER)
@answers(page_of(Subtask), raises=(UnknownTask,), is_conditional=True)
@takes_query(SubtaskPage)
def list_subtasks(query: dict[str, Any], task_id: int) -> Response:
    """Answer with one page of a task's subtasks."""
    number, size, series_id = query["page"], query["size"], query.get("seriesId")
    statuses = sorted(map(NodeStatus, query["status"]))

    def page() -> Response:
        nodes, total, created = page_of_nodes(
            services().store, task_id, statuses=statuses, series_id=series_id, first=(number - 1) * size, size=size
        )
        shown = [render.subtask(node, created) for node in nodes]
        return success(render.page(shown, number=number, size=size, total=total))

    return unless_known(task_tag(task_id, number, size, series_id, statuses), page)


@tasks.get("/tasks/instances/<id:task_id>/subtasks/<id:subtask_id>/log")
@require(Permission.TASK_VIEWER)
@answers((SubtaskLog, SubtaskLogPart), raises=(UnknownTask, UnknownSubtask), is_conditional=True)
@takes_query(LogPlace)
def get_log(query: dict[str, Any], task_id: int, subtask_id: int) -> Response:
    """Answer with what the runs of one subtask logged, oldest first; of one that runs, with what there is by now.

    With `from` it is what stands behind that byte, and how to go on: so a log is followed at the cost of what is new.
    """
    store, first = services().store, query.get("first")
    state = log_state(store, task_id, subtask_id)

    def made() -> Response:
        text, behind = log_from(store, state, first or 0)
        return success({"log": text} if first is None else render.log_part(state, text, min(first, behind), behind))

    # Whoever goes on behind an answer has all of that state, so its tag holds for the next part, too.
    return unless_known(tag_of(state, first is None), made)


@tasks.post("/tasks/instances/<id:task_id>/downloadDiagnosis")
@require(Permission.TASK_VIEWER)
@answers_file("application/zip", raises=(UnknownTask,))
@takes_nothing
def download_diagnosis(task_id: int) -> Response:
    """Answer with a zip of the task, its subtasks and every log."""
    store = services().store
    task = store.load(task_id)
    subtasks = [render.subtask(node, task.created_at) for node in task.nodes]
    file = diagnosis.pack(store, task, render.detail(task, user_id(task.creator)), subtasks)
    return send_file(file, "application/zip", as_attachment=True, download_name=f"task-{task_id}-diagnosis.zip")


@tasks.post("/tasks/instances/<id:task_id>/retry")
@require(Permission.TASK_MANAGER)
@answers(with_views(TaskDetail), raises=(UnknownTask, IllegalState))
@takes_query(TaskView)
@takes_nothing
def retry(view: View, task_id: int) -> Response:
    """Run the FAILED subtasks of a FAILED task again, and answer with the task."""
    _operations().retry(task_id)
    _tell("task retried", task_id)
    return show(task_id, DETAIL, view)


@tasks.post("/tasks/instances/<id:task_id>/rollback")
@require(Permission.TASK_MANAGER)
@answers(with_views(TaskDetail), raises=(UnknownTask, IllegalState, RollbackProhibited))
@takes_query(TaskView)
@takes_nothing
def roll_back(view: View, task_id: int) -> Response:
    """Undo what a FAILED task has done, and answer with the task."""
    _operations().roll_back(task_id)
    _tell("task rolled back", task_id)
    return show(task_id, DETAIL, view)


@tasks.post("/tasks/instances/<id:task_id>/subtasks/<id:subtask_id>/retry")
@require(Permission.TASK_MANAGER)
@answers(Subtask, raises=SUBTASK_ERRORS)
@takes_nothing
def retry_subtask(task_id: int, subtask_id: int) -> Response:
    """Run one FAILED subtask again, and answer with it."""
    _operations().retry_node(task_id, subtask_id)
    _tell("subtask retried", task_id, subtask_id)
    return success(render.subtask(*services().store.load_node(task_id, subtask_id)))


@tasks.post("/tasks/instances/<id:task_id>/subtasks/<id:subtask_id>/skip")
@require(Permission.TASK_MANAGER)
@answers(raises=SUBTASK_ERRORS)
@takes_nothing
def skip_subtask(task_id: int, subtask_id: int) -> Response:
    """Take one FAILED subtask for SUCCESSFUL and go on with what follows."""
    _operations().skip(task_id, subtask_id, user=caller().name)
    _tell("subtask skipped", task_id, subtask_id)
    return success()


@tasks.post("/tasks/instances/<id:task_id>/subtasks/<id:subtask_id>/cancel")
@require(Permission.TASK_MANAGER)
@answers(raises=SUBTASK_ERRORS)
@takes_nothing
def cancel_subtask(task_id: int, subtask_id: int) -> Response:
    """End one RUNNING subtask: it is CANCELING until its worker has ended what runs on the host, then FAILED.

    A host that does not tell of the end within two seconds ends it by itself; the next step there waits for that.
    """
    _operations().cancel(task_id, subtask_id, user=caller().name)
    _tell("subtask cancelled", task_id, subtask_id)
    return success()


def _operations() -> Operations:
    return Operations(services().store)


def _tell(what: str, task_id: int, subtask_id: int | None = None) -> None:
    log.info(what, task=task_id, subtask=subtask_id, user=caller().name, trace_id=g.trace.trace_id)
