"""Inventories: files of hosts in CSV, JSON, YAML or Ansible's formats, which the API reads, checks and enrols."""

import json
import sys
from pathlib import Path
from typing import Any

from cli.client import ApiClient, Refused
from cli.error import UsageError
from cli.table import print_table

# What Ansible calls an inventory "hosts" has no suffix.
FORMATS = {".csv": "csv", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".ini": "ini", "": "ini"}


def format_of(path: Path) -> str:
    """Return the format that the file's name tells.

    Raises:
        UsageError: it tells none.

    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"{path}: which format is it? Name one with --format csv, json, yaml or ini.") from None


def import_inventory(client: ApiClient, path: Path, form: str = "", *, dry_run: bool = False, **defaults: str) -> Any:
    """Enrol the hosts of a file, all or none, and return the API's answer; `defaults` fill what hosts leave out.

    Raises:
        UsageError: the file can't be read, or something in it is wrong; the text names file, line and field.
        CommandError: the API does not answer or refuses.

    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from None
    given = {name: value for name, value in defaults.items() if value}
    body = {"format": form or format_of(path), "content": content, "dryRun": dry_run, **given}
    try:
        return client.import_hosts(body)
    except Refused as error:
        if not error.details:
            raise
        # What is said of the whole file has no place before its colon.
        told = (f"{path}{'' if detail.startswith(':') else ', '}{detail}" for detail in error.details)
        raise UsageError("; ".join(told)) from None


def report(answer: Any, *, dry_run: bool, as_json: bool) -> None:
    """Print name and id of the new hosts to stdout, and to stderr what was skipped and what was ignored."""
    skipped = [host["name"] for host in answer["skipped"]]
    if as_json:
        created = {host["name"]: host["id"] for host in answer["contents"]}
        told = {"would_enrol": list(created)} if dry_run else {"enrolled": created}
        print(json.dumps({**told, "skipped": skipped, "ignored_variables": answer["ignoredVariables"]}))
        return
    if skipped:
        print(f"Enrolled already, skipped: {', '.join(skipped)}", file=sys.stderr)
    if answer["ignoredVariables"]:
        print(f"Variables that say nothing to Muster: {', '.join(answer['ignoredVariables'])}", file=sys.stderr)
    rows = [(host["name"], "(dry run)" if dry_run else str(host["id"])) for host in answer["contents"]]
    print_table(("name", "id"), rows)
