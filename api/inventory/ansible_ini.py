"""Ansible inventories in INI: `[group]`, `[group:vars]`, `[group:children]`, a host or a range of hosts a line."""

import ast
import re
import shlex

from api.inventory.ansible import Inventory, Variable, Variables
from api.inventory.row import Fault, InventoryError, Rows

_HEADER = re.compile(r"\[([^:\[\]\s]+)(?::([a-z]+))?\]\s*(?:[#;].*)?")
_PORT = re.compile(r"(?P<host>[^:]*|.*\])(?::(?P<port>[0-9]{1,10}))")
_KINDS = ("hosts", "vars", "children")


def read_ini(text: str) -> Rows:
    """Return the hosts; InventoryError names the line of a fault."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        reader.take(line.strip(), f"line {number}")
    return reader.inventory.rows()


class _Reader:
    def __init__(self) -> None:
        self.inventory = Inventory()
        self._group, self._kind = "ungrouped", "hosts"
        self.inventory.group(self._group)

    def take(self, line: str, where: str) -> None:
        if not line or line[0] in "#;":
            return
        header = _HEADER.fullmatch(line)
        if header:
            self._open(header.group(1), header.group(2) or "hosts", where)
        elif self._kind == "hosts":
            self._host(line, where)
        elif self._kind == "vars":
            self._variable(line, where)
        else:
            self._child(line, where)

    def _open(self, group: str, kind: str, where: str) -> None:
        if kind not in _KINDS:
            raise _fault(where, group, f"there is no section :{kind}; there are :vars and :children")
        # Variables alone make no group: their name may be a typing error.
        self.inventory.group(group, defined=kind != "vars")
        self._group, self._kind = group, kind

    def _host(self, line: str, where: str) -> None:
        name, *pairs = _words(line, where)
        variables: Variables = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals or not key:
                raise _fault(where, pair[:100], "must be name=value")
            variables[key] = Variable(value, where)
        found = _PORT.fullmatch(name)
        if found and found["host"]:
            name = found["host"]
            variables.setdefault("ansible_port", Variable(found["port"], where))
        self.inventory.add_hosts(_unbracketed(name), self._group, variables, where)

    def _variable(self, line: str, where: str) -> None:
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise _fault(where, line[:100], "must be name=value")
        self.inventory.group(self._group, defined=False).variables[key.strip()] = Variable(_plain(value.strip()), where)

    def _child(self, line: str, where: str) -> None:
        [name, *more] = _words(line, where)
        if more:
            raise _fault(where, name, "must be the name of one group")
        self.inventory.group(name, defined=False)
        self.inventory.group(self._group).children.setdefault(name, where)


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise _fault(where, "", str(error)) from None


def _plain(value: str) -> str:
    """Return a value without the quotes around it."""
    if value[:1] in ("'", '"'):
        try:
            return str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            return value
    return value


def _unbracketed(name: str) -> str:
    """Return an IPv6 address without the brackets in which it stands before a port."""
    inner = name[1:-1]
    return inner if name[:1] == "[" and name[-1:] == "]" and inner.count(":") > 2 else name


def _fault(where: str, field: str, message: str) -> InventoryError:
    return InventoryError([Fault(where, field, message)])
