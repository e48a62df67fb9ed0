"""The secret with which the command line calls the API."""

import os
import sys
from getpass import getpass
from pathlib import Path

from cli.error import UsageError


def read_password(file: Path | None) -> str:
    """Return the password: of the file, else of MUSTER_PASSWORD, else as it is typed in.

    Raises:
        UsageError: there is none.

    """
    if file:
        return read_secret(file, "--password-file")
    if "MUSTER_PASSWORD" in os.environ:
        return os.environ["MUSTER_PASSWORD"]
    if sys.stdin.isatty():
        return getpass("Password: ")
    raise UsageError(
        "A password or a token is needed: name a file with --password-file or --token-file, "
        "or set MUSTER_PASSWORD or MUSTER_TOKEN."
    )


def read_secret(file: Path, option: str) -> str:
    """Return the content of a secret's file without its last line break; UsageError where it can't be read."""
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option} {file} can't be read: {error}") from None
