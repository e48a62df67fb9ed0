"""Passwords that somebody chooses: read from a file, the environment or the terminal, never from the command line."""

import os
import sys
from getpass import getpass
from pathlib import Path

from cli.error import UsageError


def read_new_password(file: Path | None) -> str:
    """Return the new password: of the file, else of MUSTER_NEW_PASSWORD, else as it is typed in twice.

    Raises:
        UsageError: there is none, or it was typed in differently.

    """
    if file:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--new-password-file {file} can't be read: {error}") from None
    if "MUSTER_NEW_PASSWORD" in os.environ:
        return os.environ["MUSTER_NEW_PASSWORD"]
    if not sys.stdin.isatty():
        raise UsageError("A new password is needed: name a file with --new-password-file, or set MUSTER_NEW_PASSWORD.")
    password = getpass("New password: ")
    if getpass("Again: ") != password:
        raise UsageError("The passwords are not the same.")
    return password
