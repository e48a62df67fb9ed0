"""Tasks: `/tasks/instances/{id}`, and `/tasks/{id}`, which the Terraform provider polls."""

from flask import Blueprint, Response

from api import render
from api.auth import require
from api.envelope import success
from api.service import services
from api.user import Permission

tasks = Blueprint("tasks", __name__)


@tasks.get("/tasks/instances/<id:task_id>")
@tasks.get("/tasks/<id:task_id>")
@require(Permission.TASK_VIEWER)
def get_task(task_id: int) -> Response:
    """Answer with one task and all its subtasks."""
    task = services().store.load(task_id)
    creator = services().users.find(task.creator)
    return success(render.detail(task, creator.id if creator else 0))
