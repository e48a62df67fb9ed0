"""`muster audit`: who changed what, through the API."""

from typing import Annotated

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.completion import RESULTS, some_of

audit = typer.Typer(help="See who changed what.", no_args_is_help=True, rich_markup_mode=None)


@audit.callback()
def _group() -> None:
    pass


@audit.command("list", epilog="Example: muster audit list --by ann --since 2h")
@calls
def list_entries(
    calling: Calling,
    by: Annotated[str, typer.Option(help="Only this user's")] = "",
    action: Annotated[str, typer.Option(help="Only this, such as hosts.batch_delete")] = "",
    result: Annotated[
        str,
        typer.Option(
            help="SUCCESSFUL, REFUSED, FAILED or UNFINISHED, several with commas", autocompletion=some_of(RESULTS)
        ),
    ] = "",
    since: Annotated[str, typer.Option(help="Not before: 30m, 2h, 7d, or 2021-09-03T14:20:26+08:00")] = "",
    limit: Annotated[int, typer.Option(min=1, max=2000, help="Entries at most")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List the changes that were asked for, done or refused, newest first."""
    from cli.audit import moment, show_entries

    filters = {"user": by, "action": action, "result": result, "since": moment(since)}
    with calling.client() as client:
        show_entries(client.audit(limit, **filters), as_json=as_json)
