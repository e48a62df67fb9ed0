"""Inventories: lists of hosts in JSON or CSV, checked by the API's own rules and enrolled through it."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from getpass import getpass
from pathlib import Path
from typing import Any

from api.error import InvalidRequest
from api.schema.host import HostCreation
from cli.client import ApiClient
from cli.error import UsageError
from cli.table import print_table

SSH_PORT = 22
TEXTS = ("name", "address", "user", "profile", "zone")
FIELDS = (*TEXTS, "ssh_port", "variables", "labels")
SHORT = {"variables": "var", "labels": "label"}
# The names of the API's body, where they are not ours.
OURS = {"innerIpAddress": "address", "sshPort": "ssh_port"}
# One call enrols at most so many: far below every limit of the API.
HOSTS_A_CALL = 1000


@dataclass(frozen=True)
class Entry:
    """One host of an inventory; what is empty is left to the API. `where` is its place in the file."""

    where: str
    address: str
    name: str = ""
    ssh_port: int = SSH_PORT
    user: str = ""
    profile: str = ""
    zone: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, int]:
        """What the API knows a host by."""
        return self.address, self.ssh_port

    def common(self) -> dict[str, Any]:
        """Return the fields that the API takes once a call, for all its hosts."""
        names = ("user", "profile", "zone", "variables", "labels")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def own(self) -> dict[str, Any]:
        """Return the fields that the API takes for each host."""
        name = {"name": self.name} if self.name else {}
        return {"innerIpAddress": self.address, "sshPort": self.ssh_port, **name}


def read_inventory(path: Path, defaults: Mapping[str, str] | None = None) -> list[Entry]:
    """Return the hosts of a `.json` or `.csv` file; `defaults` fill the empty fields.

    Raises:
        UsageError: the file can't be read, or a host in it is wrong; the text names the place and the field.

    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from None
    rows = _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)
    filled = {name: value for name, value in (defaults or {}).items() if value}
    entries = [_entry(where, {**filled, **row}) for where, row in rows]
    if not entries:
        raise UsageError(f"{path} names no hosts.")
    _refuse_doubles(entries)
    return entries


def _from_json(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from None
    if not isinstance(rows, list):
        raise UsageError(f"{path} must be a JSON list of hosts.")
    for number, row in enumerate(rows, 1):
        where = f"{path}, entry {number}"
        if not isinstance(row, dict):
            raise UsageError(f"{where}: must be an object with at least an address.")
        yield where, {name: value for name, value in row.items() if value not in ("", None)}


def _from_csv(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise UsageError(f"{where}: has another number of columns than the header.")
            yield where, _unfold(where, {name.strip(): value.strip() for name, value in row.items()})
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}") from None


def _unfold(where: str, row: dict[str, str]) -> dict[str, Any]:
    """Return a CSV row in the shape of a JSON entry: `var.home` and `label.rack` are parts of maps."""
    unfolded: dict[str, Any] = {}
    for name, value in row.items():
        parent = next((full for full, short in SHORT.items() if name.startswith(f"{short}.")), "")
        if not value:
            continue
        if parent:
            unfolded.setdefault(parent, {})[name.partition(".")[2]] = value
        elif name == "ssh_port":
            unfolded[name] = _number(where, value)
        else:
            unfolded[name] = value
    return unfolded


def _number(where: str, text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError(f"{where}: ssh_port must be a number from 1 to 65535, not {text!r}.")


def _entry(where: str, row: dict[str, Any]) -> Entry:
    unknown = sorted(set(row) - set(FIELDS))
    if unknown:
        raise UsageError(f"{where}: there is no field {unknown[0]!r}; there are {', '.join(FIELDS)}.")
    if "address" not in row:
        raise UsageError(f"{where}: address is required.")
    entry = Entry(where, **row)
    try:
        (host,) = HostCreation(1).load({"hostBasicDataList": [entry.own()], **entry.common()})
    except InvalidRequest as error:
        raise UsageError(f"{where}: {_fault(error.messages)}.") from None
    # The canonical spelling: it decides whether a host is enrolled already.
    return replace(entry, address=host.address)


def _fault(messages: Any, name: str = "") -> str:
    """Return the first fault of marshmallow's nested messages, with our name of the field."""
    if isinstance(messages, dict):
        key, inner = next(iter(messages.items()))
        nested = isinstance(key, int) or key == "hostBasicDataList"
        known = name if nested else ".".join(part for part in (name, OURS.get(key, key)) if part)
        return _fault(inner, known)
    return f"{name} {messages[0]}" if isinstance(messages, list) else f"{name} {messages}"


def _refuse_doubles(entries: Sequence[Entry]) -> None:
    first: dict[tuple[str, int], str] = {}
    for entry in entries:
        if entry.place in first:
            raise UsageError(f"{entry.where}: names the same address and ssh_port as {first[entry.place]}.")
        first[entry.place] = entry.where


@dataclass(frozen=True)
class Enrolled:
    """What became of an inventory: id by name, and the entries that had been enrolled before."""

    created: dict[str, int]
    skipped: list[Entry]


def enrol(
    client: ApiClient, entries: Sequence[Entry], *, dry_run: bool = False, done: Callable[[int], None] | None = None
) -> Enrolled:
    """Enrol those that the API does not know yet; `done` hears how many after each call."""
    known = {(host["innerIpAddress"], host["sshPort"]) for host in client.hosts()}
    missing = [entry for entry in entries if entry.place not in known]
    skipped = [entry for entry in entries if entry.place in known]
    created: dict[str, int] = {}
    for body in [] if dry_run else calls(missing):
        created |= {host["name"]: host["id"] for host in client.enrol(body)}
        if done:
            done(len(created))
    if dry_run:
        created = {entry.name or entry.address: 0 for entry in missing}
    return Enrolled(created, skipped)


def calls(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Yield the bodies of `batchCreate` that enrol these: hosts with the same common fields share one."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(json.dumps(entry.common(), sort_keys=True), []).append(entry)
    for group in groups.values():
        for at in range(0, len(group), HOSTS_A_CALL):
            hosts = [entry.own() for entry in group[at : at + HOSTS_A_CALL]]
            yield {"hostBasicDataList": hosts, **group[0].common()}


def report(enrolled: Enrolled, *, dry_run: bool, as_json: bool) -> None:
    """Print name and id of the new hosts to stdout, and to stderr what was skipped."""
    skipped = [entry.name or entry.address for entry in enrolled.skipped]
    if as_json:
        created = list(enrolled.created) if dry_run else enrolled.created
        print(json.dumps({"would_enrol" if dry_run else "enrolled": created, "skipped": skipped}))
        return
    if skipped:
        print(f"Enrolled already, skipped: {', '.join(skipped)}", file=sys.stderr)
    rows = [(name, "(dry run)" if dry_run else str(number)) for name, number in enrolled.created.items()]
    print_table(("name", "id"), rows)


def read_password(file: Path | None) -> str:
    """Return the password: of the file, else of MUSTER_PASSWORD, else as it is typed in.

    Raises:
        UsageError: there is none.

    """
    if file:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--password-file {file} can't be read: {error}") from None
    if "MUSTER_PASSWORD" in os.environ:
        return os.environ["MUSTER_PASSWORD"]
    if sys.stdin.isatty():
        return getpass("Password: ")
    raise UsageError("A password is needed: name a file with --password-file, or set MUSTER_PASSWORD.")
