"""The shape of a task: which offset is which node, and what hangs on what.

A node is known by its offset in its task; its subtask id is the task's base plus that. Edges follow from the
stages and are stored nowhere: two neighbouring per-host stages are joined host by host, any other two completely.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from dag.task import Scope, Stage

# A node's stage, that stage's index, the node's index in it, and its offset in the task.
Place = tuple[Stage, int, int, int]


@dataclass(frozen=True)
class Graph:
    """The nodes and edges of a task of `width` hosts whose first subtask id is `base`."""

    stages: tuple[Stage, ...]
    width: int
    base: int = 0

    @cached_property
    def firsts(self) -> tuple[int, ...]:
        """The first offset of each stage, and last the number of all nodes."""
        offsets = [0]
        for stage in self.stages:
            offsets.append(offsets[-1] + self.width_of(stage))
        return tuple(offsets)

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return self.firsts[-1]

    @property
    def shape(self) -> str:
        """One scope letter a stage, as the scripts read it."""
        return "".join(stage.scope for stage in self.stages)

    def width_of(self, stage: Stage) -> int:
        """How many nodes the stage has."""
        return self.width if stage.scope is Scope.HOST else 1

    def place(self, offset: int) -> tuple[int, int]:
        """Return (index of the stage, index in the stage) of the node; IndexError outside of the task."""
        if not 0 <= offset < self.size:
            raise IndexError(offset)
        index = max(i for i, first in enumerate(self.firsts[:-1]) if first <= offset)
        return index, offset - self.firsts[index]

    def offsets(self) -> Iterator[Place]:
        """Yield the place of every node."""
        for number, stage in enumerate(self.stages):
            for inner in range(self.width_of(stage)):
                yield stage, number, inner, self.firsts[number] + inner

    def upstreams(self, stage: int, inner: int) -> Sequence[int]:
        """Return the subtask ids that the node waits for."""
        return self._joined(stage - 1, stage, inner) if stage else ()

    def downstreams(self, stage: int, inner: int) -> Sequence[int]:
        """Return the subtask ids that wait for the node."""
        return self._joined(stage + 1, stage, inner) if stage + 1 < len(self.stages) else ()

    def _joined(self, other: int, stage: int, inner: int) -> Sequence[int]:
        first = self.base + self.firsts[other]
        if self.stages[other].scope is self.stages[stage].scope is Scope.HOST:
            return (first + inner,)
        return range(first, first + self.width_of(self.stages[other]))
