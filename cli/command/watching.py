"""What the commands about one task have in common: `--watch`, and how the task is shown."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cli.command.calling import Calling
from cli.error import CommandError

if TYPE_CHECKING:
    from cli.task import TaskClient

Names = Mapping[int, str] | None
WatchFlag = Annotated[
    bool, typer.Option("--watch", help="Follow the task to its end; exits with 0 only if it is SUCCESSFUL.")
]


def watch(calling: Calling, client: "TaskClient", task_id: int, names: Names = None, *, as_json: bool) -> None:
    """Follow a task to its end and say how it ended; exits with 0 only for SUCCESSFUL.

    `names` are those of hosts by id, where they are known. Progress goes to stderr where stdout is for programs.
    """
    from rich.console import Console

    from cli.progress import drawing
    from cli.snapshot import SUCCESSFUL
    from cli.task_table import verdict
    from cli.watch import Watch, saying_how_to_return

    again = calling.again(f"tasks watch {task_id}")
    with saying_how_to_return(task_id, again), drawing(Console(stderr=as_json, highlight=False)) as draw:
        ended = Watch(client, task_id, names).follow(draw)
    print(json.dumps(ended.shape()) if as_json else verdict(ended, calling.again))
    if ended.status != SUCCESSFUL:
        raise typer.Exit(CommandError.exit_code)


def show(calling: Calling, client: "TaskClient", task_id: int, *, as_json: bool) -> None:
    """Print how far a task is, and each step that failed."""
    from cli.task_table import show_task
    from cli.watch import Watch

    show_task(Watch(client, task_id).look(), calling.again, as_json=as_json)


def goes_on(calling: Calling, client: "TaskClient", task_id: int, *, watch_it: bool, as_json: bool) -> None:
    """Tell that what was asked of a task is done, and follow it where that is wanted."""
    if watch_it:
        watch(calling, client, task_id, as_json=as_json)
    elif as_json:
        show(calling, client, task_id, as_json=True)
    else:
        print(f"Done. To follow task {task_id}: {calling.again(f'tasks watch {task_id}')}")
