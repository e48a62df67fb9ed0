"""`muster restart` and `muster stop-agents`: submit a task on hosts, and watch it if asked to."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.watching import WatchFlag, watch

HostsOption = Annotated[
    list[str] | None,
    typer.Option("--hosts", help="Ids, ranges of ids, names or addresses: 1,2,10-20,web-1; may be repeated"),
]
AllFlag = Annotated[bool, typer.Option("--all", help="All hosts that are enrolled")]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", help="NAME=VALUE: the hosts that have this label, or all of several")
]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="File with hosts, one a line, # begins a comment; -: standard input")
]
DryRunFlag = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done and what stands in the way; do nothing.")
]


def _command(operation: str) -> Callable[..., None]:
    """Return the command that submits this operation of the API."""

    @calls
    def submit(
        calling: Calling,
        hosts: HostsOption = None,
        everything: AllFlag = False,
        label: LabelOption = None,
        file: FileOption = None,
        dry_run: DryRunFlag = False,
        watch_it: WatchFlag = False,
        as_json: JsonFlag = False,
    ) -> None:
        from cli.host import pairs
        from cli.selection import Selection
        from cli.submission import show_plan, show_task

        selection = Selection(hosts or (), file, pairs(label or [], "--label"), everything)
        with calling.tasks() as client:
            chosen = selection.hosts(client)
            ids = [host["id"] for host in chosen]
            if dry_run:
                show_plan(client.plan(operation, ids), as_json=as_json)
                return
            task = client.submit(operation, ids)
            if not (watch_it and as_json):
                show_task(task, chosen, calling.again(f"tasks watch {task['id']}"), as_json=as_json)
            if watch_it:
                watch(calling, client, task["id"], {host["id"]: host["name"] for host in chosen}, as_json=as_json)

    return submit


restart, stop_agents = _command("batchRestartAgents"), _command("batchStopAgents")
