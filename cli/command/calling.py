"""The options of every command that calls the API: where it is, and who calls. `@calls` gives a command all of them.

What makes the call is imported where it is used: it takes its time, which other commands need not wait for.
"""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

if TYPE_CHECKING:
    from cli.iam import IamClient

ApiOption = Annotated[str, typer.Option("--api", help="The API's URL")]
UserOption = Annotated[str, typer.Option("--user", help="Who calls")]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the caller's password [default: $MUSTER_PASSWORD, else asked for]"),
]
NewPasswordFileOption = Annotated[
    Path | None,
    typer.Option("--new-password-file", help="File with it [default: $MUSTER_NEW_PASSWORD, else asked for twice]"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True)
class Calling:
    """Who calls which API; a token of MUSTER_TOKEN counts where no password is given."""

    api: str
    user: str
    password_file: Path | None

    def password(self) -> str:
        """Return the caller's password; UsageError where there is none."""
        from cli.password import read_password

        return read_password(self.password_file)

    def client(self) -> "IamClient":
        """Return a client to be closed by the caller."""
        from cli.iam import IamClient

        token = os.environ.get("MUSTER_TOKEN", "")
        if token and not self.password_file and "MUSTER_PASSWORD" not in os.environ:
            return IamClient(self.api, self.user, "", token)
        return IamClient(self.api, self.user, self.password())


P = ParamSpec("P")
OPTIONS: dict[str, tuple[Any, str | None]] = {
    "api": (ApiOption, "http://127.0.0.1:8480"),
    "user": (UserOption, "admin"),
    "password_file": (PasswordFileOption, None),
}


def calls(command: Callable[Concatenate[Calling, P], None]) -> Callable[..., None]:
    """Give a command the options that say who calls which API; it gets them as its first argument."""
    called: Callable[..., None] = command

    @wraps(command)
    def run(*, api: str, user: str, password_file: Path | None, **rest: Any) -> None:
        called(Calling(api, user, password_file), **rest)

    # Typer makes a command's options from its signature.
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in OPTIONS.items()
    ]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + more
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
