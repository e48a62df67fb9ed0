"""The commands `muster tasks ...`: what each is called and takes. What it does stands in the module it calls."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.completion import TASK_STATUSES, some_of
from cli.command.watching import WatchFlag, goes_on, show, watch

tasks = typer.Typer(
    help="Follow tasks, and say what becomes of those that failed.", no_args_is_help=True, rich_markup_mode=None
)

TaskArgument = Annotated[int, typer.Argument(metavar="TASK", min=1, help="The task's id")]
SUBTASK = "ids of subtasks, as `muster tasks show` tells them"
SubtaskArguments = Annotated[list[int], typer.Argument(metavar="SUBTASK", min=1, help=SUBTASK.capitalize())]
OnlyArguments = Annotated[
    list[int] | None, typer.Argument(metavar="SUBTASK", min=1, help=f"Only these {SUBTASK} [default: all]")
]


@tasks.command("list", epilog="Example: muster tasks list --status FAILED,RUNNING")
@calls
def list_tasks(
    calling: Calling,
    status: Annotated[
        str,
        typer.Option(help="RUNNING, FAILED or SUCCESSFUL, several with commas", autocompletion=some_of(TASK_STATUSES)),
    ] = "",
    keyword: Annotated[str, typer.Option(help="Part of a task's name")] = "",
    host: Annotated[str, typer.Option(help="Only tasks on this host: its id, name or address")] = "",
    limit: Annotated[int, typer.Option(min=1, max=2000, help="How many at most")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the newest tasks, the last one first."""
    from cli.task_table import show_tasks

    with calling.tasks() as client:
        show_tasks(client, limit, host, as_json=as_json, status=status, keyword=keyword)


@tasks.command("show", epilog="Example: muster tasks show 12")
@calls
def show_task(calling: Calling, task: TaskArgument, as_json: JsonFlag = False) -> None:
    """Show how far a task is, and why steps failed."""
    with calling.tasks() as client:
        show(calling, client, task, as_json=as_json)


@tasks.command("watch", epilog="Example: muster tasks watch 12")
@calls
def watch_task(calling: Calling, task: TaskArgument, as_json: JsonFlag = False) -> None:
    """Follow a task to its end. Ctrl-C leaves it running. Exits with 0 only if it is SUCCESSFUL."""
    with calling.tasks() as client:
        watch(calling, client, task, as_json=as_json)


@tasks.command("retry", epilog="Example: muster tasks retry 12 --watch")
@calls
def retry(
    calling: Calling,
    task: TaskArgument,
    subtasks: OnlyArguments = None,
    watch_it: WatchFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run the steps of a task that FAILED again."""
    with calling.tasks() as client:
        if subtasks:
            client.operate_subtasks(task, subtasks, "retry")
        else:
            client.operate(task, "retry")
        goes_on(calling, client, task, watch_it=watch_it, as_json=as_json)


@tasks.command("rollback", epilog="Example: muster tasks rollback 12 --watch")
@calls
def roll_back(calling: Calling, task: TaskArgument, watch_it: WatchFlag = False, as_json: JsonFlag = False) -> None:
    """Leave the hosts of a task that FAILED as they were before it."""
    with calling.tasks() as client:
        client.operate(task, "rollback")
        goes_on(calling, client, task, watch_it=watch_it, as_json=as_json)


@tasks.command("skip", epilog="Example: muster tasks skip 12 57")
@calls
def skip(
    calling: Calling,
    task: TaskArgument,
    subtasks: SubtaskArguments,
    watch_it: WatchFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on as if steps that FAILED were SUCCESSFUL."""
    with calling.tasks() as client:
        client.operate_subtasks(task, subtasks, "skip")
        goes_on(calling, client, task, watch_it=watch_it, as_json=as_json)


@tasks.command("cancel", epilog="Example: muster tasks cancel 12 57")
@calls
def cancel(
    calling: Calling,
    task: TaskArgument,
    subtasks: SubtaskArguments,
    watch_it: WatchFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """End steps that are RUNNING; they become FAILED.

    What they run on their hosts is ended, too.
    """
    with calling.tasks() as client:
        client.operate_subtasks(task, subtasks, "cancel")
        goes_on(calling, client, task, watch_it=watch_it, as_json=as_json)


@tasks.command("log", epilog="Example: muster tasks log 12 57 --follow")
@calls
def log(
    calling: Calling,
    task: TaskArgument,
    subtask: Annotated[int, typer.Argument(metavar="SUBTASK", min=1, help=f"One of the {SUBTASK}")],
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on as it grows, until the step has ended. Ctrl-C leaves it running."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print what the runs of a step logged, oldest first.

    Of a step that runs it is what there is by now. With --follow and --json it is one line of JSON a part.
    """
    from cli.log_follow import LogFollower
    from cli.watch import saying_how_to_return

    def show(text: str) -> None:
        print(json.dumps({"log": text}) if as_json else text, end="\n" if as_json else "", flush=True)

    with calling.tasks() as client:
        if not follow:
            show(client.log(task, subtask))
            return
        with saying_how_to_return(task, calling.again(f"tasks log {task} {subtask} --follow")):
            LogFollower(client, task, subtask).follow(show)


@tasks.command("diagnosis", epilog="Example: muster tasks diagnosis 12 --output task-12.zip")
@calls
def diagnosis(
    calling: Calling,
    task: TaskArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New file [default: task-TASK-diagnosis.zip here]")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a zip of a task, its subtasks and every log."""
    from cli.task_table import write_new

    path = output or Path(f"task-{task}-diagnosis.zip")
    with calling.tasks() as client:
        size = write_new(path, client.diagnosis(task))
    print(json.dumps({"file": str(path), "bytes": size}) if as_json else f"{path}: {size} bytes")
