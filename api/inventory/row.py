"""What the readers of inventories give: hosts as rows of named fields with their places, and what is wrong there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dag.error import MusterError


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where it stands ("line 3"), which field it is about ("": the whole), what and why."""

    where: str
    field: str
    message: str
    value: Any = None

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.where, self.field) if part)
        return f"{place}: {self.message}" if place else self.message


class InventoryError(MusterError):
    """An inventory can't be understood; nothing of it was enrolled."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        more = f" ({len(faults)} faults)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0]}{more}")


@dataclass(frozen=True)
class Row:
    """One host as an inventory describes it: `places` name the lines of fields that stand elsewhere than the host."""

    where: str
    fields: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        """Return where the field stands."""
        return self.places.get(name, self.where)


@dataclass(frozen=True)
class Rows:
    """All hosts of an inventory, and the variables in it that say nothing to Muster."""

    hosts: Sequence[Row]
    ignored: Sequence[str] = ()


# No longer one, and no port or id needs it: int() refuses thousands of digits by an error of its own.
_WHOLE = re.compile(r"-?[0-9]{1,100}")
NUMBERS = frozenset({"ssh_port", "credential_id"})


def typed(name: str, text: str) -> Any:
    """Return the value of a field that a format gives as text: a number where one is wanted and it is one."""
    return int(text) if name in NUMBERS and _WHOLE.fullmatch(text) else text
