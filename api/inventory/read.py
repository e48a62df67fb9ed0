"""Reads an inventory, whatever its format, and checks every host in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from marshmallow import ValidationError

from api.codec import shown
from api.inventory.ansible_ini import read_ini
from api.inventory.ansible_yaml import read_groups
from api.inventory.document import Document
from api.inventory.listing import read_json, read_list
from api.inventory.row import Fault, InventoryError, Row, Rows
from api.inventory.table import read_table
from api.schema.inventory import FIELDS, HostEntry
from dag.host import Host


@dataclass(frozen=True)
class Found:
    """The hosts of an inventory, without ids, and the variables in it that say nothing to Muster."""

    hosts: list[Host]
    ignored: list[str]


def read_yaml(text: str) -> Rows:
    """Return the hosts of a list of hosts, or of an Ansible inventory: groups."""
    document = Document(text)
    match document.top:
        case yaml.SequenceNode() as top:
            return read_list(document, top)
        case yaml.MappingNode() as top:
            return read_groups(document, top)
    raise InventoryError([Fault("", "", "must be a list of hosts, or the groups of an Ansible inventory")])


READERS: Mapping[str, Callable[[str], Rows]] = {
    "csv": read_table,
    "json": read_json,
    "yaml": read_yaml,
    "ini": read_ini,
}


def read_inventory(
    content: str, form: str, defaults: Mapping[str, str], *, limit: int, fault_of: Callable[[Host], str]
) -> Found:
    """Return the hosts; `form` is one of `READERS`, `defaults` fill the fields that a host leaves out.

    `fault_of` tells what is wrong with a host's profile, "" where nothing is.

    Raises:
        InventoryError: all that is wrong with it; no host, more than `limit`, one twice.
    """
    rows = READERS[form](content.removeprefix("\ufeff"))
    if not rows.hosts:
        raise InventoryError([Fault("", "", "names no hosts")])
    if len(rows.hosts) > limit:
        raise InventoryError([Fault("", "", f"names {len(rows.hosts)} hosts; one import may name at most {limit}")])
    try:
        hosts: list[Host] = HostEntry(many=True).load([{**defaults, **row.fields} for row in rows.hosts])
    except ValidationError as error:
        raise InventoryError(list(_faults(error.messages, rows.hosts))) from None
    faults = [*_doubles(hosts, rows.hosts), *_unfit(hosts, rows.hosts, fault_of)]
    if faults:
        raise InventoryError(faults)
    return Found(hosts, list(rows.ignored))


def _faults(messages: Any, rows: Any) -> Iterator[Fault]:
    for at, fields in messages.items():
        for name, found in fields.items():
            row: Row = rows[at]
            if name not in FIELDS:
                yield Fault(row.place(name), name, f"is no field of a host; there are {', '.join(FIELDS)}")
                continue
            inner = found if isinstance(found, dict) else {"": found}
            for part, texts in inner.items():
                # What may be a password is not sent back.
                value = None if name == "variables" else shown(row.fields.get(name))
                yield Fault(row.place(name), f"{name}.{part}" if part else name, str(texts[0]), value)


def _doubles(hosts: list[Host], rows: Any) -> Iterator[Fault]:
    first: dict[tuple[str, int], int] = {}
    for at, (host, row) in enumerate(zip(hosts, rows, strict=True)):
        before = first.setdefault((host.address, host.ssh_port), at)
        if before != at:
            where = rows[before].where
            text = f"{host.address} port {host.ssh_port} is named before, at {where}"
            yield Fault(row.where, "address", text, host.address)


def _unfit(hosts: list[Host], rows: Any, fault_of: Callable[[Host], str]) -> Iterator[Fault]:
    for host, row in zip(hosts, rows, strict=True):
        if fault := fault_of(host):
            yield Fault(row.place("profile"), "profile", fault, host.profile)
