"""The command line: what each command is called and takes. What it does stands in the module it calls.

Those modules are imported where they are used: a command needs a part of the project only, and Celery, Flower
and Fabric take their time.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from cli.command.agents import restart, stop_agents
from cli.command.audit import audit
from cli.command.calling import JsonFlag
from cli.command.credentials import access_keys, tokens
from cli.command.doctor import doctor
from cli.command.hosts import hosts
from cli.command.queues import queues
from cli.command.tasks import tasks
from cli.command.users import users
from cli.command.webhooks import webhooks
from cli.data import DEFAULT as DEFAULT_DATA
from cli.error import CommandError, UsageError
from cli.interrupt import StopAsked
from config.load import SettingError, load
from config.settings import Settings
from dag.error import MusterError

app = typer.Typer(
    name="muster",
    help="Restarts the monitoring and control agents of whole fleets, as one asynchronous task that runs to its end.",
    epilog="Begin with: muster demo --hosts 8",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
WHICH = """

Which hosts is said in one of four ways. A range of ids stands for those of them that are enrolled.

The task goes on whatever becomes of this command. With --watch it shows each stage until the end, where Ctrl-C leaves
the task running, and exits with 0 only if it is SUCCESSFUL.
"""
app.command(
    "restart",
    help=f"Restart the agents of hosts, as one task.{WHICH}",
    epilog="Example: muster restart --hosts 1,2,10-20 --watch",
)(restart)
app.command(
    "stop-agents",
    help=f"Stop the agents of hosts, as one task.{WHICH}",
    epilog="Example: muster stop-agents --label rack=r1 --dry-run",
)(stop_agents)
app.command("doctor", epilog="Example: MUSTER_REDIS_URL=redis://:secret@10.0.0.5:6379/0 muster doctor")(doctor)
app.command("queues", epilog="Example: muster queues --zone default")(queues)
app.add_typer(tasks, name="tasks")
app.add_typer(hosts, name="hosts")
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")
app.add_typer(access_keys, name="access-keys")
app.add_typer(audit, name="audit")
app.add_typer(webhooks, name="webhooks")

DataOption = Annotated[Path | None, typer.Option(help="Data directory [default: $MUSTER_DATA or .muster]")]


def main() -> None:
    """Run the command line; what fails as can be expected ends in a sentence and an exit code."""
    try:
        app(prog_name="muster")
    except SettingError as error:
        _exit(str(error), UsageError.exit_code)
    except CommandError as error:
        _exit(str(error), error.exit_code)
    except MusterError as error:
        _exit(str(error), CommandError.exit_code)
    except StopAsked as asked:
        sys.exit(128 + asked.number)


def _exit(text: str, code: int) -> None:
    print(f"muster: {text}", file=sys.stderr)
    sys.exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"muster {version('muster')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


def _run(process: Callable[[Settings], None]) -> None:
    from cli.log import configure_logging

    settings = load().settings
    configure_logging(settings.log)
    process(settings)


@app.command(epilog="Example: MUSTER_REDIS_URL=redis://:secret@10.0.0.5:6379/0 muster api")
def api() -> None:
    """Answer calls over HTTP, until SIGTERM.

    Makes the first user (api.admin_user) where there is none; without api.admin_password its password is random and
    printed once to stderr.
    """
    from cli.process.api import run_api

    _run(run_api)


@app.command(epilog="Example: MUSTER_REDIS_URL=redis://:secret@10.0.0.5:6379/0 muster scheduler")
def scheduler() -> None:
    """Hand what is ready to the workers and find what was lost.

    Runs until SIGTERM, in any number at the same time.
    """
    from cli.process.scheduler import run_scheduler

    _run(run_scheduler)


@app.command(epilog="Example: MUSTER_SSH_KEY_FILE=~/.ssh/id_ed25519 muster worker")
def worker() -> None:
    """Run the steps of tasks on hosts over SSH.

    Runs until SIGTERM: what is under way is finished; a second one gives it up. Any number may run at the same time.
    """
    from cli.process.worker import run_worker

    _run(run_worker)


@app.command(epilog="Example: MUSTER_FLOWER_PORT=5556 muster flower")
def flower() -> None:
    """Show the workers and what they run in a browser.

    Runs until SIGTERM. Opens to api.admin_user with api.admin_password; without one the password is random and printed
    to stderr.
    """
    from cli.dashboard import run_flower

    _run(run_flower)


@app.command(epilog="Example: muster up --hosts 8")
def up(
    hosts: Annotated[
        int | None, typer.Option(min=0, max=5000, help="Demo hosts [default: as at the last start, else 0]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The API's port; 0: a free one [default: 8480 if free]")
    ] = None,
    flower_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Flower's port; 0: a free one [default: 5555 if free]")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes")] = 2,
    data: DataOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Run all of Muster in the foreground, until Ctrl-C.

    Brings a Valkey server of its own, and prints where everything is once it answers. Tasks, hosts, ports and passwords
    are kept in the data directory, logs in its subdirectory log.
    """
    from cli.stack import StackOptions, running, tell

    path = data or Path(os.environ.get("MUSTER_DATA") or DEFAULT_DATA)
    with (
        suppress(StopAsked),
        running(path, StackOptions(hosts, port, flower_port, workers), load(), tell) as (stack, ready),
    ):
        print(json.dumps(asdict(ready)) if as_json else ready.text(path), flush=True)
        stack.watch()


@app.command(epilog="Example: muster demo --hosts 50")
def demo(
    hosts: Annotated[int, typer.Option(min=1, max=5000, help="Demo hosts")] = 8,
    data: Annotated[Path | None, typer.Option(help="Keep the data here [default: a temporary directory]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Restart a demo fleet's agents and prove that it happened.

    Starts everything, makes one call, shows each stage, then the process ids before and after; stops everything.
    Exits with 0 only if the task succeeded and every agent is a new process.
    """
    from cli.demo import run_demo

    if not run_demo(hosts, data, load(), as_json=as_json):
        raise typer.Exit(CommandError.exit_code)


@app.command(epilog="Example: MUSTER_API_PORT=9000 muster config")
def config(as_json: JsonFlag = False) -> None:
    """Show every setting in force, and where it comes from.

    Secrets are masked. A setting is set in muster.toml (or the file named by MUSTER_CONFIG) as `key` below `[section]`,
    or by the variable MUSTER_SECTION_KEY, which wins.
    """
    from cli.table import print_table

    shown = list(load().shown())
    if as_json:
        print(json.dumps([asdict(setting) for setting in shown], indent=2))
        return
    rows = [(item.key, item.value, item.unit, item.source, item.why) for item in shown]
    print_table(("setting", "value", "unit", "source", "why"), rows)


if __name__ == "__main__":
    main()
