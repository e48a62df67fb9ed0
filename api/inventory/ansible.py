"""What an Ansible inventory says, whichever way it is written: hosts, groups, variables, and which of them win.

Source of the order: Ansible's documentation, "How variables are merged": all, then parent groups before child groups,
those of one depth by name, then the host itself.
"""

from dataclasses import dataclass, field
from typing import Any

from api.inventory.host_range import MOST_NAMES, expand
from api.inventory.row import Fault, InventoryError, Row, Rows, typed

ALL = "all"
# Groups that every host is in, or that say that it is in none.
NO_LABELS = frozenset({ALL, "ungrouped"})
FIELDS = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "ssh_port",
    "ansible_ssh_port": "ssh_port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "muster_profile": "profile",
    "muster_zone": "zone",
    "muster_alias": "alias",
    "muster_description": "description",
    "muster_credential_id": "credential_id",
}
MAPS = {"muster_var_": "variables", "muster_label_": "labels"}
IN_GROUP = "true"


@dataclass(frozen=True)
class Variable:
    """A value and the line on which it stands."""

    value: str
    where: str


Variables = dict[str, Variable]


@dataclass
class Group:
    """A group: its variables, and the groups below it by name with the line that says so."""

    variables: Variables = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    is_defined: bool = False


@dataclass
class Member:
    """A host: where it was first named, the groups that name it, its own variables."""

    where: str
    groups: set[str] = field(default_factory=set)
    variables: Variables = field(default_factory=dict)


@dataclass
class Inventory:
    """Collects what the readers find, then gives the hosts."""

    groups: dict[str, Group] = field(default_factory=lambda: {ALL: Group(is_defined=True)})
    members: dict[str, Member] = field(default_factory=dict)
    named: int = 0

    def group(self, name: str, *, defined: bool = True) -> Group:
        """Return the group of this name; only named as a child it is not yet `defined`."""
        found = self.groups.setdefault(name, Group())
        found.is_defined = found.is_defined or defined
        return found

    def add_hosts(self, pattern: str, group: str, variables: Variables, where: str) -> None:
        """Note the hosts that a pattern stands for; a later line adds to what an earlier one said."""
        try:
            names = expand(pattern)
        except ValueError as error:
            raise InventoryError([Fault(where, pattern[:100], str(error))]) from None
        self.named += len(names)
        if self.named > MOST_NAMES:
            raise InventoryError([Fault(where, "", f"is the line at which more than {MOST_NAMES} names are reached")])
        for name in names:
            member = self.members.setdefault(name, Member(where))
            member.groups.add(group)
            member.variables |= variables

    def rows(self) -> Rows:
        """Return the hosts in the order of their first naming.

        Raises:
            InventoryError: a group that is not defined, or that is above itself.
        """
        above = _Ancestry(self.groups)
        ignored: set[str] = set()
        hosts = []
        for name, member in self.members.items():
            groups, inherited = above.of(frozenset(member.groups))
            hosts.append(_row(name, member, groups, inherited | member.variables, ignored))
        return Rows(hosts, sorted(ignored))


class _Ancestry:
    """Which groups are above which, and what hosts inherit from them; worked out once for each set of groups."""

    def __init__(self, groups: dict[str, Group]) -> None:
        self._groups = groups
        self._parents: dict[str, set[str]] = {name: set() for name in groups}
        for name, group in groups.items():
            for child, where in group.children.items():
                if not groups[child].is_defined:
                    raise InventoryError([Fault(where, child, "is a group that is defined nowhere")])
                self._parents[child].add(name)
        self._depths = self._measure()
        self._known: dict[frozenset[str], tuple[list[str], Variables]] = {}

    def of(self, groups: frozenset[str]) -> tuple[list[str], Variables]:
        """Return the groups and those above them, outermost first, and the variables that hosts in them have."""
        if groups not in self._known:
            found = sorted(self._above(groups | {ALL}), key=lambda name: (self._depths[name], name))
            variables: Variables = {}
            for name in found:
                variables |= self._groups[name].variables
            self._known[groups] = found, variables
        return self._known[groups]

    def _measure(self) -> dict[str, int]:
        """Return how many groups are above each by the longest way (Kahn, 1962)."""
        left = {name: len(parents) for name, parents in self._parents.items()}
        depths = dict.fromkeys(self._groups, 1) | {ALL: 0}
        ready = [name for name, count in left.items() if not count]
        while ready:
            name = ready.pop()
            for child in self._groups[name].children:
                depths[child] = max(depths[child], depths[name] + 1)
                left[child] -= 1
                if not left[child]:
                    ready.append(child)
        for name, group in self._groups.items():
            for child, where in group.children.items():
                if left[name] and left[child]:
                    raise InventoryError([Fault(where, child, "is a group above or below itself")])
        return depths

    def _above(self, groups: frozenset[str]) -> set[str]:
        seen, left = set(groups), list(groups)
        while left:
            more = self._parents[left.pop()] - seen
            seen |= more
            left += more
        return seen


def _row(name: str, member: Member, groups: list[str], variables: Variables, ignored: set[str]) -> Row:
    fields: dict[str, Any] = {"name": name, "address": name}
    places: dict[str, str] = {}
    labels = {group: IN_GROUP for group in groups if group not in NO_LABELS}
    if labels:
        fields["labels"] = labels
    for variable, one in variables.items():
        if not _take(fields, variable, one.value):
            ignored.add(variable)
        elif variable in FIELDS:
            places[FIELDS[variable]] = one.where
    return Row(member.where, fields, places)


def _take(fields: dict[str, Any], variable: str, value: str) -> bool:
    """Put what a variable says into the host's fields; False where it says nothing to Muster."""
    if variable in FIELDS:
        name = FIELDS[variable]
        fields[name] = typed(name, value)
        return True
    for prefix, name in MAPS.items():
        if variable.startswith(prefix):
            fields.setdefault(name, {})[variable.removeprefix(prefix)] = value
            return True
    return False
