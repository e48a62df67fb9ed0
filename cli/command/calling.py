"""The options of every command that calls the API: where it is, and who calls.

What makes the call is imported where it is used: it takes its time, which other commands need not wait for.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
DEFAULT_API, DEFAULT_USER = "http://127.0.0.1:8480", "admin"


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
