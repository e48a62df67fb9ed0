"""Inventories in CSV: a header, then a host a line; `var.home` and `label.rack` are columns of its maps."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from api.inventory.row import Fault, InventoryError, Row, Rows, typed
from api.schema.inventory import FIELDS

MAPS = {"var": "variables", "label": "labels"}
COLUMNS = (*(name for name in FIELDS if name not in MAPS.values()), *(f"{name}.NAME" for name in MAPS))

NAMELESS = "column "


def read_table(text: str) -> Rows:
    """Return the hosts; InventoryError names the line of a fault."""
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        rows = list(_rows(reader))
    except csv.Error as error:
        raise InventoryError([Fault(f"line {reader.line_num}", "", str(error))]) from None
    _check_columns(reader.fieldnames or (), rows)
    return Rows(rows)


def _check_columns(names: Sequence[str], rows: Sequence[Row]) -> None:
    # The header is at fault, so it is named once, and not each host.
    used = {name for row in rows for name in row.fields if name not in FIELDS}
    faults = [
        Fault("line 1", name, f"is no column of an inventory; there are {', '.join(COLUMNS)}")
        for name in names
        if name in used and not name.startswith(NAMELESS)
    ]
    if faults:
        raise InventoryError(faults)


def _rows(reader: "csv.DictReader[str]") -> Iterator[Row]:
    names = [name.strip() for name in reader.fieldnames or ()]
    twice = next((name for at, name in enumerate(names) if name and name in names[:at]), None)
    if twice is not None:
        raise InventoryError([Fault("line 1", twice, "is the name of two columns")])
    # Spreadsheets leave empty columns at the end; what stands in one has a place to be named by.
    reader.fieldnames = [name or f"{NAMELESS}{number}" for number, name in enumerate(names, 1)]
    for row in reader:
        where = f"line {reader.line_num}"
        if None in row or None in row.values():
            raise InventoryError([Fault(where, "", "has another number of columns than the header")])
        yield Row(where, _unfold({name: value.strip() for name, value in row.items()}))


def _unfold(row: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in row.items():
        head, dot, rest = name.partition(".")
        if not value:
            continue
        if dot and head in MAPS:
            fields.setdefault(MAPS[head], {})[rest] = value
        else:
            fields[name] = typed(name, value)
    return fields
