"""`muster users`: who may call, through the API."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.command.calling import Calling, JsonFlag, NewPasswordFileOption, calls
from cli.command.completion import ROLES, one_of
from cli.new_password import read_new_password
from cli.table import print_table

users = typer.Typer(help="Say who may call.", no_args_is_help=True, rich_markup_mode=None)

Row = dict[str, Any]
NameArgument = Annotated[str, typer.Argument(help="The user's name")]
WHICH_ROLES = "ADMIN, OPERATOR, VIEWER, or a single permission such as HOST_MANAGER"


@users.command("list", epilog="Example: muster users list --password-file pw")
@calls
def list_users(calling: Calling, as_json: JsonFlag = False) -> None:
    """List all users with their roles."""
    with calling.client() as client:
        _print(client.users(), as_json=as_json)


@users.command("add", epilog="Example: muster users add ann --role OPERATOR --new-password-file ann.pw")
@calls
def add_user(
    calling: Calling,
    name: NameArgument,
    role: Annotated[list[str], typer.Option(help=f"{WHICH_ROLES}; may be repeated", autocompletion=one_of(ROLES))],
    new_password_file: NewPasswordFileOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a user. Its password comes from a file, a variable or the terminal, never from the command line."""
    with calling.client() as client:
        _print([client.add_user(name, read_new_password(new_password_file), role)], as_json=as_json)


@users.command("set-password", epilog="Example: muster users set-password ann --new-password-file ann.pw")
@calls
def set_password(
    calling: Calling,
    name: NameArgument,
    new_password_file: NewPasswordFileOption = None,
) -> None:
    """Give a user another password.

    Everybody may change their own.
    """
    if name == calling.user:
        current = calling.password()
        with calling.client() as client:
            client.change_own_password(current, read_new_password(new_password_file))
        return
    with calling.client() as client:
        client.change_user(name, password=read_new_password(new_password_file))


@users.command("set-roles", epilog="Example: muster users set-roles ann VIEWER TASK_MANAGER")
@calls
def set_roles(
    calling: Calling,
    name: NameArgument,
    roles: Annotated[list[str], typer.Argument(help=WHICH_ROLES, autocompletion=one_of(ROLES))],
    as_json: JsonFlag = False,
) -> None:
    """Give a user these roles instead of those that it had."""
    with calling.client() as client:
        _print([client.change_user(name, roles=roles)], as_json=as_json)


@users.command("disable", epilog="Example: muster users disable ann")
@calls
def disable(
    calling: Calling,
    name: NameArgument,
    as_json: JsonFlag = False,
) -> None:
    """Refuse a user, its tokens and its access keys from now on.

    All of them are kept, for `enable`.
    """
    with calling.client() as client:
        _print([client.change_user(name, enabled=False)], as_json=as_json)


@users.command("enable", epilog="Example: muster users enable ann")
@calls
def enable(
    calling: Calling,
    name: NameArgument,
    as_json: JsonFlag = False,
) -> None:
    """Let a user who was disabled call again."""
    with calling.client() as client:
        _print([client.change_user(name, enabled=True)], as_json=as_json)


@users.command("remove", epilog="Example: muster users remove ann")
@calls
def remove_user(
    calling: Calling,
    name: NameArgument,
) -> None:
    """Forget a user, with its tokens and access keys."""
    with calling.client() as client:
        client.remove_user(name)


def _print(rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(list(rows)))
        return
    cells = [
        (str(row["id"]), row["name"], " ".join(row["roles"]), "yes" if row["enabled"] else "no", row["createTime"])
        for row in rows
    ]
    print_table(("id", "name", "roles", "enabled", "created"), cells)
