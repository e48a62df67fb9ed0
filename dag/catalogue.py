"""Which tasks there are: filters, pages, names, creators.

Each task stands in one sorted set under its status, its name and each of its hosts, so that a filter is a range of it
and a count the difference of two ranks. Of several filters the shortest range is walked, and
the others are asked about what it holds. Measured with 100,000 tasks: see docs/design.md. What retention has removed
is taken off by `sweep`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from dag.script import translated
from dag.state import TaskStatus
from dag.store import Store

# Members read or looked up by one command: about 1 ms of Redis's time.
CHUNK = 1000
# As the scripts write ids, so that their order is that of the names.
DIGITS = 16


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks to list; what is empty does not count. `keyword` is looked for in names, without regard to case."""

    keyword: str = ""
    statuses: Sequence[TaskStatus] = ()
    host_id: int | None = None


class Catalogue:
    """The ids of the tasks of one store. Every call raises StoreUnavailable while Redis is away."""

    def __init__(self, store: Store) -> None:
        self._redis, self._keys = store.redis, store.keys
        self._swept = self._looked = 0

    def page(self, wanted: TaskFilter, *, page: int, size: int, descending: bool = False) -> tuple[list[int], int]:
        """Return one page (from 1) of the ids in order, and how many there are in all pages."""
        first, groups = (page - 1) * size, self._groups(wanted)
        if groups is None:
            return [], 0
        if not groups:
            with translated():
                total = int(self._redis.zcard(self._keys.index))
                return [
                    int(i) for i in self._redis.zrange(self._keys.index, first, first + size - 1, descending)
                ], total
        lengths = [sum(map(self._length, group)) for group in groups]
        shortest = lengths.index(min(lengths))
        if len(groups) == len(groups[0]) == 1:
            return self._slice(groups[0][0], first, size, descending), lengths[0]
        found = merge(*(self._walk(prefix, descending) for prefix in groups[shortest]), reverse=descending)
        others = groups[:shortest] + groups[shortest + 1 :]
        if not others:
            return list(islice(found, first, first + size)), lengths[shortest]
        ids = [task for chunk in _chunks(found) for task in self._common(chunk, others)]
        return ids[first : first + size], len(ids)

    def creators(self) -> list[str]:
        """Return the names of all who have submitted tasks, in order."""
        with translated():
            return sorted(self._redis.smembers(self._keys.creators))

    def sweep(self) -> None:
        """Look at some entries and drop those of tasks that are gone; the next call goes on behind them."""
        self._forget_expired()
        with translated():
            members = self._redis.zrange(self._keys.listed, self._swept, self._swept + CHUNK - 1)
            known = self._redis.zmscore(self._keys.index, list(map(_id_of, members))) if members else []
            gone = [member for member, score in zip(members, known, strict=True) if score is None]
            if gone:
                self._redis.zrem(self._keys.listed, *gone)
        self._swept = self._swept + len(members) - len(gone) if members else 0

    def _forget_expired(self) -> None:
        """Take tasks off the index whose records have expired."""
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            ids = self._redis.zrange(self._keys.index, self._looked, self._looked + CHUNK - 1)
            for task in ids:
                pipe.exists(self._keys.task(int(task)))
            gone = [task for task, is_kept in zip(ids, pipe.execute(), strict=True) if not is_kept]
            if gone:
                self._redis.zrem(self._keys.index, *gone)
        self._looked = self._looked + len(ids) - len(gone) if ids else 0

    def _groups(self, wanted: TaskFilter) -> list[list[str]] | None:
        """Return the filters, each as the ranges that it allows; None where nothing can fit."""
        groups = [[f"status:{status}" for status in set(wanted.statuses)]] if wanted.statuses else []
        if wanted.host_id is not None:
            groups.append([f"host:{wanted.host_id}"])
        if wanted.keyword:
            word, names = wanted.keyword.casefold(), self._names()
            fitting = [f"name:{name}" for name in names if word in name.casefold()]
            if not fitting:
                return None
            if len(fitting) < len(names):
                groups.append(fitting)
        return groups

    def _names(self) -> list[str]:
        """Return the names that tasks have, by a jump from each range to the next."""
        names: list[str] = []
        after = "[name:"
        while True:
            with translated():
                found = self._redis.zrangebylex(self._keys.listed, after, "(name;", 0, 1)
            if not found:
                return names
            names.append(found[0].split(":")[1])
            after = f"(name:{names[-1]};"

    def _length(self, prefix: str) -> int:
        with translated():
            return int(self._redis.zlexcount(self._keys.listed, f"[{prefix}:", f"({prefix};"))

    def _walk(self, prefix: str, descending: bool) -> Iterator[int]:
        """Yield the ids of a range in order, read in chunks as they are needed."""
        after = ""
        while True:
            members = self._read(prefix, after, 0, CHUNK, descending)
            yield from map(_id_of, members)
            if len(members) < CHUNK:
                return
            after = members[-1]

    def _slice(self, prefix: str, first: int, size: int, descending: bool) -> list[int]:
        return list(map(_id_of, self._read(prefix, "", first, size, descending)))

    def _read(self, prefix: str, after: str, first: int, size: int, descending: bool) -> list[str]:
        """Return `size` members of a range from the one at `first` behind `after` (from the range's beginning: "")."""
        low, high = f"[{prefix}:", f"({prefix};"
        with translated():
            members: list[str] = (
                self._redis.zrevrangebylex(self._keys.listed, f"({after}" if after else high, low, first, size)
                if descending
                else self._redis.zrangebylex(self._keys.listed, f"({after}" if after else low, high, first, size)
            )
        return members

    def _common(self, ids: Sequence[int], groups: Sequence[Sequence[str]]) -> Sequence[int]:
        """Return those of the ids that stand in a range of each group."""
        for group in groups:
            fitting: set[int] = set()
            for prefix in group:
                members = [f"{prefix}:{task:0{DIGITS}d}" for task in ids]
                with translated():
                    scores = self._redis.zmscore(self._keys.listed, members) if members else []
                fitting |= {task for task, score in zip(ids, scores, strict=True) if score is not None}
            ids = [task for task in ids if task in fitting]
        return ids


def _chunks(ids: Iterator[int]) -> Iterator[list[int]]:
    while chunk := list(islice(ids, CHUNK)):
        yield chunk


def _id_of(member: str) -> int:
    return int(member.rpartition(":")[2])
