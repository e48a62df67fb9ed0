"""A YAML document as nodes with lines: what its author wrote, without YAML's own ideas of what a plain word means."""

from collections.abc import Iterator

import yaml

from api.inventory.row import Fault, InventoryError

# Aliases may name the same part again and again; this many steps are far more than 10,000 hosts need.
MOST_STEPS = 2_000_000
MOST_DEPTH = 64
_TEXTS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "null"))
_NULL, _MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """One document; every fault that it raises (InventoryError) names the line."""

    def __init__(self, text: str) -> None:
        self._steps = 0
        try:
            self._check_depth(text)
            self.top: yaml.Node | None = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"line {mark.line + 1}" if mark else ""
            raise InventoryError([Fault(where, "", f"is no YAML: {error.problem or error.context}")]) from None
        except yaml.YAMLError as error:
            raise InventoryError([Fault("", "", f"is no YAML: {str(error).splitlines()[0]}")]) from None

    def _check_depth(self, text: str) -> None:
        # The composer calls itself for each level, and a C stack has no recursion limit: events come one by one.
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                where = f"line {event.start_mark.line + 1}" if event.start_mark else ""
                raise InventoryError([Fault(where, "", f"is nested deeper than {MOST_DEPTH} levels")])

    def where(self, node: yaml.Node) -> str:
        """Return the place of a node."""
        return f"line {node.start_mark.line + 1}"

    def entries(self, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Yield (name, its node, value) of a mapping, none of null; what `<<` merges comes where it lacks."""
        if self._is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, "", f"must be {what}, with names and values")
        own: set[str] = set()
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            name = self.text(key, "") or ""
            if name in own:
                raise self.fault(key, name, "stands there twice")
            own.add(name)
            yield name, key, value
        for other in merged:
            for name, key, value in self.entries(other, what):
                if name not in own:
                    own.add(name)
                    yield name, key, value

    def text(self, node: yaml.Node, name: str) -> str | None:
        """Return the text of a plain value as it stands there; None for null."""
        self._step(node)
        if not isinstance(node, yaml.ScalarNode):
            raise self.fault(node, name, "must be a plain value")
        if node.tag not in _TEXTS:
            raise self.fault(node, name, f"has the tag {node.tag}, which is not understood")
        return None if node.tag == _NULL else str(node.value)

    def fault(self, node: yaml.Node, name: str, message: str) -> InventoryError:
        """Return the error about a node."""
        return InventoryError([Fault(self.where(node), name, message)])

    def _is_null(self, node: yaml.Node) -> bool:
        self._step(node)
        return isinstance(node, yaml.ScalarNode) and node.tag == _NULL

    def _step(self, node: yaml.Node) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise self.fault(node, "", "is more than an inventory may hold: do aliases name each other?")
