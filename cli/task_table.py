"""Tasks as text: a list of them, the stages of one, and how it ended."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.error import UsageError
from cli.selection import find_hosts
from cli.snapshot import FAILED, ROLLBACK, Snapshot
from cli.submission import count
from cli.table import print_table
from cli.task import TaskClient

COLUMNS = ("id", "name", "status", "by", "started", "took", "steps")

# Makes a command of Muster's, such as "tasks retry 12", one that calls the same API.
Again = Callable[[str], str]


def show_tasks(client: TaskClient, most: int, host: str, *, as_json: bool, **filters: str) -> None:
    """Print the newest tasks that pass the filters; `host` is an id, a name or an address, "" for any."""
    found = find_hosts(client, [host]) if host else []
    if len(found) > 1:
        raise UsageError(f"--host takes one host, and {host} is {len(found)}.")
    rows = client.newest(most, **filters, hostId=str(found[0]["id"]) if found else "")
    if as_json:
        # A page of large tasks is megabytes of subtasks; `show` has what became of them.
        print(json.dumps([{name: value for name, value in row.items() if name != "subtasks"} for row in rows]))
        return
    print_table(COLUMNS, [_row(row) for row in rows])


def _row(task: dict[str, Any]) -> list[str]:
    head = [str(task["id"]), task["name"], task["status"], task["creator"]["name"], task["startTime"]]
    return [*head, _took(task["startTime"], task["finishTime"]), str(task["subtaskCount"])]


def _took(started: str, finished: str | None) -> str:
    end = datetime.fromisoformat(finished) if finished else datetime.now(UTC)
    seconds = max(0.0, (end - datetime.fromisoformat(started)).total_seconds())
    return f"{seconds:.1f} s" + ("" if finished else " so far")


def show_task(task: Snapshot, again: Again, *, as_json: bool) -> None:
    """Print the stages of a task, each failure with its reason, and what to do."""
    if as_json:
        print(json.dumps(task.shape()))
        return
    rows = [(stage.name, *map(str, (stage.done, stage.running, stage.failed, stage.total))) for stage in task.stages]
    print_table(("stage", "undone" if task.operation == ROLLBACK else "done", "running", "failed", "of"), rows)
    for failure in task.failures:
        print(f"FAILED {failure}")
    if task.failed > len(task.failures):
        print(f"... and {task.failed - len(task.failures)} more")
    print(verdict(task, again))


def verdict(task: Snapshot, again: Again) -> str:
    """Return how a task ended or that it runs, and where it failed what to do about it."""
    took = _took_or_left(task)
    what = f"rollback of {task.name}" if task.operation == ROLLBACK else task.name
    lines = [f"Task {task.id} is {task.status}: {what} on {count(task.hosts)}{took}"]
    if task.status == FAILED:
        lines += [f"{task.failed} of {count(task.hosts)} failed. What to do:", *_remedies(task, again)]
    return "\n".join(lines)


def _took_or_left(task: Snapshot) -> str:
    if task.seconds is not None:
        return f" in {task.seconds:.1f} s"
    return "" if task.seconds_left is None else f", about {task.seconds_left:.0f} s left"


def _remedies(task: Snapshot, again: Again) -> Sequence[str]:
    # A rollback is gone on with as it was begun; a retry of the task is refused then.
    is_back = task.operation == ROLLBACK
    verbs = {} if is_back else {"retry": "run those steps again"}
    verbs["rollback"] = "go on with it, once what is wrong is mended" if is_back else "leave all hosts as they were"
    lines = [f"  {again(f'tasks {verb} {task.id} --watch')}   # {why}" for verb, why in verbs.items()]
    return [*lines, f"  {again(f'tasks log {task.id} {task.failures[0].subtask}')}   # all that the first one logged"]


def write_new(path: Path, content: bytes) -> int:
    """Write a file that is not there yet and return its size; UsageError where it is, or can't be written."""
    try:
        with path.open("xb") as file:
            return file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} is there already: name another file with --output.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}.") from None
