"""The audit log as the command line shows it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cli.duration import parse_duration
from cli.error import UsageError
from cli.table import print_table


def moment(text: str) -> str:
    """Return what `--since` says as the API wants it: ISO 8601 with an offset ("" for nothing).

    Raises:
        UsageError: it is neither a time nor how long ago.
    """
    ago = parse_duration(text)
    if ago is not None:
        return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds")
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError:
        raise UsageError(
            f"--since must be how long ago (30m, 2h, 7d) or a time such as 2021-09-03T14:20:26+08:00, not {text!r}."
        ) from None


def show_entries(entries: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print the entries, as a table or as one line of JSON."""
    if as_json:
        print(json.dumps(list(entries)))
        return
    rows = [
        (
            entry["time"],
            entry["user"]["name"] or "(a stranger)",
            entry["address"],
            entry["action"],
            entry["path"],
            entry["result"],
            entry["message"] or _details(entry["details"]),
            entry["traceId"],
        )
        for entry in entries
    ]
    print_table(("time", "user", "from", "action", "path", "result", "what", "trace id"), rows)


def _details(details: dict[str, Any]) -> str:
    return " ".join(f"{name}={json.dumps(value, separators=(',', ':'))}" for name, value in details.items())
