"""A task as a zip for whoever has to find out what happened: the task, its subtasks, every log."""

import re
import tempfile
import zipfile
from contextlib import ExitStack
from typing import IO, Any

import orjson

from dag.log import each_log
from dag.store import Store
from dag.task import Node, Task

# Kept in memory up to this size, beyond it in a temporary file.
MOST_IN_MEMORY = 8 * 1024 * 1024


def pack(store: Store, task: Task, detail: dict[str, Any], subtasks: list[dict[str, Any]]) -> IO[bytes]:
    """Return the zip, open at its beginning; `detail` and `subtasks` are the task as GET shows it.

    It has `task.json`, `subtasks.json`, and `logs/<stage>/host-<id>-subtask-<id>.log` for each subtask that has run.

    Raises:
        StoreUnavailable: Redis is away.
    """
    with ExitStack() as undone:
        file = undone.enter_context(tempfile.SpooledTemporaryFile(MOST_IN_MEMORY))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("task.json", _json(detail))
            archive.writestr("subtasks.json", _json(subtasks))
            for node, text in each_log(store, task):
                archive.writestr(_log_name(node), text)
        file.seek(0)
        undone.pop_all()
        return file


def _log_name(node: Node) -> str:
    stage = re.sub(r"[^A-Za-z0-9]+", "-", node.stage.name).strip("-")
    place = f"host-{node.host_id}-" if node.host_id is not None else ""
    return f"logs/{stage}/{place}subtask-{node.id}.log"


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
