"""Inventories that are a list of hosts, each an object of its fields: in JSON, and in YAML."""

from typing import Any

import yaml

from api.codec import parse
from api.inventory.document import Document
from api.inventory.row import Fault, InventoryError, Row, Rows, typed


def read_json(text: str) -> Rows:
    """Return the hosts of a JSON list; InventoryError names the entry of a fault."""
    try:
        entries = parse(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise InventoryError([Fault("", "", f"is no JSON: {error}")]) from None
    if not isinstance(entries, list):
        raise InventoryError([Fault("", "", "must be a list of hosts")])
    return Rows([_entry(number, entry) for number, entry in enumerate(entries, 1)])


def _entry(number: int, entry: Any) -> Row:
    where = f"entry {number}"
    if not isinstance(entry, dict):
        raise InventoryError([Fault(where, "", "must be an object with at least an address")])
    return Row(where, {name: value for name, value in entry.items() if value not in ("", None)})


def read_list(document: Document, top: yaml.SequenceNode) -> Rows:
    """Return the hosts of a YAML list; every plain value is taken as the text that stands there."""
    return Rows([_item(document, node) for node in top.value])


def _item(document: Document, node: yaml.Node) -> Row:
    where = document.where(node)
    fields: dict[str, Any] = {}
    places: dict[str, str] = {}
    for name, key, value in document.entries(node, "a host with at least an address"):
        places[name] = document.where(key)
        if isinstance(value, yaml.MappingNode):
            fields[name] = {
                inner: document.text(one, inner) or "" for inner, _key, one in document.entries(value, name)
            }
        elif text := document.text(value, name):
            fields[name] = typed(name, text)
    return Row(where, fields, places)
