"""Ansible inventories in YAML: groups of `hosts`, `vars` and `children`."""

import yaml

from api.inventory.ansible import ALL, Inventory, Variable, Variables
from api.inventory.document import Document
from api.inventory.row import Rows

DEEPEST = 50


def read_groups(document: Document, top: yaml.MappingNode) -> Rows:
    """Return the hosts; InventoryError names the line of a fault."""
    reader = _Reader(document)
    for name, key, node in document.entries(top, "groups"):
        reader.group(name, key, node, 0)
    return reader.inventory.rows()


class _Reader:
    def __init__(self, document: Document) -> None:
        self.inventory, self._document = Inventory(), document

    def group(self, name: str, key: yaml.Node, node: yaml.Node, depth: int) -> None:
        if not name or name != name.strip():
            raise self._document.fault(key, name, "must be the name of a group")
        if depth > DEEPEST:
            raise self._document.fault(key, name, f"is nested deeper than {DEEPEST} groups")
        group = self.inventory.group(name)
        for part, at, inner in self._document.entries(node, "a group"):
            match part:
                case "vars":
                    group.variables |= self._variables(inner)
                case "hosts":
                    self._hosts(name, inner)
                case "children":
                    for child, below, one in self._document.entries(inner, "groups"):
                        self.group(child, below, one, depth + 1)
                        if name != ALL:
                            group.children.setdefault(child, self._document.where(below))
                case _:
                    raise self._document.fault(at, part, "is no part of a group; there are hosts, vars and children")

    def _hosts(self, group: str, node: yaml.Node) -> None:
        for pattern, key, inner in self._document.entries(node, "hosts"):
            where = self._document.where(key)
            self.inventory.add_hosts(pattern, group, self._variables(inner), where)

    def _variables(self, node: yaml.Node) -> Variables:
        found: Variables = {}
        for name, key, value in self._document.entries(node, "variables"):
            if not isinstance(value, yaml.ScalarNode):
                # A list or a map says nothing to Muster, whatever its name.
                found[name] = Variable("", self._document.where(key))
            elif (text := self._document.text(value, name)) is not None:
                found[name] = Variable(text, self._document.where(key))
        return found
