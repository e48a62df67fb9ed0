"""`muster webhooks`: who is told of the ends and failures of tasks, through the API."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.completion import EVENTS, one_of
from cli.error import CommandError
from cli.table import print_table

webhooks = typer.Typer(
    help="Tell others of the ends and failures of tasks.", no_args_is_help=True, rich_markup_mode=None
)
IdArgument = Annotated[int, typer.Argument(help="As `list` shows it")]


@webhooks.command("list", epilog="Example: muster webhooks list --password-file pw")
@calls
def list_all(calling: Calling, as_json: JsonFlag = False) -> None:
    """List all webhooks, without their secrets."""
    with calling.webhooks() as client:
        rows = client.webhooks()
    if as_json:
        print(json.dumps(rows))
        return
    cells = [
        (
            str(row["id"]),
            row["url"],
            " ".join(row["events"]),
            row["creator"],
            row["taskName"],
            _yes(row["enabled"]),
            row["olderSecretsEndTime"] or "",
        )
        for row in rows
    ]
    print_table(("id", "url", "events", "only of", "only named", "enabled", "older secrets until"), cells)


@webhooks.command("add", epilog="Example: muster webhooks add https://ops.example.org/muster --event task.ended")
@calls
def add(
    calling: Calling,
    url: Annotated[str, typer.Argument(help="Where messages are sent")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="task.ended or task.failed; may be repeated [default: both]", autocompletion=one_of(EVENTS)),
    ] = None,
    creator: Annotated[str, typer.Option(help="Only of this user's tasks")] = "",
    task_name: Annotated[str, typer.Option(help="Only of tasks of this name")] = "",
    secret_file: Annotated[Path | None, typer.Option(help="File with the secret [default: one is made]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a webhook and print its secret to stdout, this once."""
    from cli.password import read_secret

    wanted: dict[str, Any] = {"url": url, "creator": creator, "taskName": task_name}
    wanted |= {"events": event} if event else {}
    wanted |= {"secret": read_secret(secret_file, "--secret-file").strip()} if secret_file else {}
    with calling.webhooks() as client:
        made = client.add(wanted)
    if as_json:
        print(json.dumps(made))
        return
    print(
        f"Webhook {made['id']}. To try it: muster webhooks test {made['id']}. Its secret, this once:", file=sys.stderr
    )
    print(made["secret"])


@webhooks.command("rotate", epilog="Example: muster webhooks rotate 1 --overlap 2h")
@calls
def rotate(
    calling: Calling,
    id: IdArgument,
    overlap: Annotated[
        str, typer.Option(help="The secret from before signs for so long, too; 0s: no older one")
    ] = "1d",
    secret_file: Annotated[Path | None, typer.Option(help="File with the secret [default: one is made]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a webhook another secret, printed to stdout this once.

    Messages are signed with the old and the new one until the overlap ends:
    tell the receiver the new one meanwhile.
    """
    from cli.duration import seconds_of
    from cli.password import read_secret

    wanted: dict[str, Any] = {"overlapSeconds": seconds_of(overlap, "--overlap")}
    wanted |= {"secret": read_secret(secret_file, "--secret-file").strip()} if secret_file else {}
    with calling.webhooks() as client:
        made = client.rotate(id, wanted)
    if as_json:
        print(json.dumps(made))
        return
    end = made["olderSecretsEndTime"]
    older = f"Older secrets sign, too, until {end}." if end else "Older secrets sign nothing any more."
    print(f"{older} The new one, this once:", file=sys.stderr)
    print(made["secret"])


@webhooks.command("remove", epilog="Example: muster webhooks remove 1")
@calls
def remove(calling: Calling, id: IdArgument) -> None:
    """Forget a webhook and its deliveries."""
    with calling.webhooks() as client:
        client.remove(id)


@webhooks.command("enable", epilog="Example: muster webhooks enable 1")
@calls
def enable(calling: Calling, id: IdArgument) -> None:
    """Tell it again."""
    with calling.webhooks() as client:
        client.change(id, enabled=True)


@webhooks.command("disable", epilog="Example: muster webhooks disable 1")
@calls
def disable(calling: Calling, id: IdArgument) -> None:
    """Tell it nothing from now on."""
    with calling.webhooks() as client:
        client.change(id, enabled=False)


@webhooks.command("deliveries", epilog="Example: muster webhooks deliveries 1 --limit 10")
@calls
def deliveries(
    calling: Calling,
    id: IdArgument,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="Deliveries at most")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List a webhook's messages and what became of them."""
    with calling.webhooks() as client:
        rows = client.deliveries(id, limit)
    if as_json:
        print(json.dumps(rows))
        return
    cells = [
        (
            row["createTime"],
            row["event"],
            str(row["taskId"] or ""),
            row["status"],
            str(row["attempts"]),
            _met(row),
            row["nextTime"] or "",
            row["id"],
        )
        for row in rows
    ]
    print_table(("time", "event", "task", "status", "attempts", "outcome", "next", "id"), cells)


@webhooks.command("redeliver", epilog="Example: muster webhooks redeliver 1 msg_1_1795579200123-0")
@calls
def redeliver(
    calling: Calling,
    id: IdArgument,
    delivery: Annotated[str, typer.Argument(help="As `deliveries` shows it")],
    as_json: JsonFlag = False,
) -> None:
    """Send a message once more, and see whether it arrives.

    Exits with 0 only if it does at once.
    """
    with calling.webhooks() as client:
        _tell(id, client.redeliver(id, delivery), as_json=as_json)


@webhooks.command("test", epilog="Example: muster webhooks test 1")
@calls
def try_it(calling: Calling, id: IdArgument, as_json: JsonFlag = False) -> None:
    """Send a message to try the way, and see whether it arrives.

    Exits with 0 only if it does at once.
    """
    with calling.webhooks() as client:
        _tell(id, client.test(id), as_json=as_json)


def _tell(id: int, delivery: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(delivery))
    if delivery["status"] != "DELIVERED":
        why, then = _met(delivery) or "nobody has tried to send it yet", "There will be no more attempts."
        if delivery["status"] == "PENDING":
            then = f"It will be tried again: muster webhooks deliveries {id} shows what comes of it."
        raise CommandError(f"The message has not arrived: {why}. {then}")
    if not as_json:
        print(f"DELIVERED: {_met(delivery)}")


def _met(row: dict[str, Any]) -> str:
    return str(row["error"]) or (f"HTTP status {row['code']}" if row["code"] else "")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
