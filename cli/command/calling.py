"""The options of every command that calls the API: where it is, and who calls.

What makes the call is imported where it is used: it takes its time, which other commands need not wait for.
"""

import inspect
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.error import UsageError

if TYPE_CHECKING:
    from cli.iam import IamClient
    from cli.task import TaskClient
    from cli.webhook import WebhookClient

ApiOption = Annotated[str, typer.Option("--api", envvar="MUSTER_API_URL", help="The API's URL")]
UserOption = Annotated[str, typer.Option("--user", help="Who calls")]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the caller's password [default: $MUSTER_PASSWORD, else asked for]"),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with a token, in place of user and password [default: $MUSTER_TOKEN]"),
]
NewPasswordFileOption = Annotated[
    Path | None,
    typer.Option("--new-password-file", help="File with it [default: $MUSTER_NEW_PASSWORD, else asked for twice]"),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
DEFAULT_API, DEFAULT_USER = "http://127.0.0.1:8480", "admin"
OPTIONS: dict[str, tuple[Any, Any]] = {
    "api": (ApiOption, DEFAULT_API),
    "user": (UserOption, DEFAULT_USER),
    "password_file": (PasswordFileOption, None),
    "token_file": (TokenFileOption, None),
}


@dataclass(frozen=True)
class Calling:
    """Who calls which API: with the token of a file, else a password, else the token of MUSTER_TOKEN."""

    api: str
    user: str
    password_file: Path | None
    token_file: Path | None = None

    def password(self) -> str:
        """Return the caller's password; UsageError where there is none."""
        from cli.password import read_password

        return read_password(self.password_file)

    def client(self) -> "IamClient":
        """Return a client to be closed by the caller."""
        from cli.iam import IamClient

        return IamClient(self.api, self.user, *self._secrets())

    def tasks(self) -> "TaskClient":
        """Return a client for tasks, to be closed by the caller."""
        from cli.task import TaskClient

        return TaskClient(self.api, self.user, *self._secrets())

    def webhooks(self) -> "WebhookClient":
        """Return a client for webhooks, to be closed by the caller."""
        from cli.webhook import WebhookClient

        return WebhookClient(self.api, self.user, *self._secrets())

    @property
    def is_signed_in(self) -> bool:
        """Tell whether there is a secret without asking somebody for it."""
        return bool(self.password_file or self.token_file or {"MUSTER_PASSWORD", "MUSTER_TOKEN"} & os.environ.keys())

    def again(self, command: str) -> str:
        """Return how to call the same API once more with this command."""
        own = [] if self.api in (DEFAULT_API, os.environ.get("MUSTER_API_URL")) else ["--api", self.api]
        own += [] if self.user == DEFAULT_USER else ["--user", self.user]
        return shlex.join(["muster", *command.split(), *own])

    def _secrets(self) -> tuple[str, str]:
        """Return password and token, of which one is empty."""
        token = self._token()
        return ("", token) if token else (self.password(), "")

    def _token(self) -> str:
        if self.token_file and self.password_file:
            raise UsageError("--token-file and --password-file are two ways to say who calls: give one of them.")
        if self.token_file:
            from cli.password import read_secret

            token = read_secret(self.token_file, "--token-file").strip()
            if not token:
                raise UsageError(f"--token-file {self.token_file} holds no token.")
            return token
        given = self.password_file or "MUSTER_PASSWORD" in os.environ
        return "" if given else os.environ.get("MUSTER_TOKEN", "")


def calls(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is a `Calling`, the options that make one."""
    own = list(inspect.signature(command).parameters.values())[1:]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        calling = Calling(**{name: given.pop(name) for name in OPTIONS})
        command(calling, **given)

    # What typer reads of a command: its parameters, and their types once more.
    signature = inspect.Signature([*own, *options])
    run.__dict__["__signature__"] = signature
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run
