"""The option of commands that look at Redis and the broker themselves: `muster queues` and `muster doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from config.load import load
from config.settings import Settings

StackOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of a running `muster up`, to look at that one [default: the settings]"),
]


def settings_from(data: Path | None) -> Settings:
    """Return the settings of the stack on this directory, without one those of the file and the environment.

    Raises:
        UsageError: the directory is none of a stack.
        SettingError: a setting is wrong.

    """
    from cli.environment import settings_of_stack

    return settings_of_stack(data) if data else load().settings
