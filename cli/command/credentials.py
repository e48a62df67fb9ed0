"""`muster tokens` and `muster access-keys`: what stands for a user beside the password, through the API."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.completion import PERMISSIONS, one_of
from cli.table import print_table

Row = dict[str, Any]
NameArgument = Annotated[str, typer.Argument(help="What it is for")]
OwnerOption = Annotated[str, typer.Option("--for", help="Another user, for administrators [default: who calls]")]
PermissionOption = Annotated[
    list[str] | None,
    typer.Option(
        help="What it may, such as TASK_VIEWER; may be repeated [default: all of its user's]",
        autocompletion=one_of(PERMISSIONS),
    ),
]
IdArgument = Annotated[str, typer.Argument(help="As `list` shows it")]


def _commands(name: str, kind: str, help: str, secret: str, hint: str) -> typer.Typer:
    """Return the commands of one kind of credential; `secret` is its field in the API's answer."""
    commands = typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)

    @commands.command("list", epilog=f"Example: muster {name} list --password-file pw")
    @calls
    def list_all(calling: Calling, as_json: JsonFlag = False) -> None:
        """List one's own, newest first; administrators see everybody's. Secrets are not shown."""
        with calling.client() as client:
            _print(client.credentials(kind), as_json=as_json)

    @commands.command("create", epilog=f"Example: muster {name} create ci --permission TASK_VIEWER --expires-days 30")
    @calls
    def create(
        calling: Calling,
        name: NameArgument,
        owner: OwnerOption = "",
        permission: PermissionOption = None,
        expires_days: Annotated[int | None, typer.Option(min=1, help=hint)] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Make one and print its secret to stdout.

        That happens once: it can't be shown again.
        """
        wish: Row = {"name": name, "user": owner}
        wish |= {"permissions": permission} if permission else {}
        wish |= {"expiresInDays": expires_days} if expires_days else {}
        with calling.client() as client:
            made = client.create_credential(kind, wish)
        if as_json:
            print(json.dumps(made))
            return
        print(f"id {made['id']}, until {made['expireTime'] or 'it is revoked'}", file=sys.stderr)
        print(made[secret])

    @commands.command("revoke", epilog=f"Example: muster {name} revoke 3f2a9c1b7d04")
    @calls
    def revoke(
        calling: Calling,
        id: IdArgument,
    ) -> None:
        """Refuse it from now on."""
        with calling.client() as client:
            client.revoke_credential(kind, id)

    return commands


def _print(rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(list(rows)))
        return
    cells = [
        (
            row["id"],
            row["name"],
            row["user"]["name"],
            " ".join(row["permissions"] or ["all"]),
            row["expireTime"] or "never",
            row["lastUseTime"] or "never",
        )
        for row in rows
    ]
    print_table(("id", "name", "user", "permissions", "expires", "last use"), cells)


tokens = _commands(
    "tokens", "tokens", "Make tokens for programs (Authorization: Bearer).", "token", "Days it holds [default: 90]"
)
access_keys = _commands(
    "access-keys",
    "accessKeys",
    "Make keys for programs that sign their requests as OCP's do.",
    "secretKey",
    "Days it holds [default: until it is revoked]",
)
