"""The audit log: every change that was asked for, in two bounded Redis streams.

One holds the calls of known users, the other those of strangers (401), so that these can't push the others out.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from redis import Redis

from dag.script import translated

KEY, STRANGERS_KEY = "{iam}:audit", "{iam}:audit:strangers"
# Of all entries that are kept at most this share is about strangers.
STRANGERS_SHARE = 10
READ_AT_ONCE = 1000

Entry = dict[str, Any]


@dataclass(frozen=True)
class AuditFilter:
    """What is looked for; empty: everything. Times are ms since the epoch, both inclusive; None: no bound."""

    user: str = ""
    action: str = ""
    results: tuple[str, ...] = ()
    trace_id: str = ""
    since: int | None = None
    until: int | None = None

    def fits(self, entry: Entry) -> bool:
        """Tell whether the entry is looked for; its time is not asked again."""
        wanted = {"user": self.user, "action": self.action, "traceId": self.trace_id}
        return all(not text or entry[name] == text for name, text in wanted.items()) and (
            not self.results or entry["result"] in self.results
        )


@dataclass(frozen=True)
class Addition:
    """An entry, as JSON, that a script is to add to the stream `key`, which keeps about `most` of them (api/lua/)."""

    key: str
    entry: bytes
    most: int


class AuditLog:
    """Writes and lists entries; the oldest go when there are more than `most`."""

    def __init__(self, redis: Redis, most: int) -> None:
        # Replies are text (decode_responses); redis-py types them as bytes, text or awaitables of either.
        self._redis: Any = redis
        self._most = {KEY: most, STRANGERS_KEY: max(1, most // STRANGERS_SHARE)}

    def opening(self, entry: Mapping[str, Any]) -> Addition:
        """Return what adds the entry of a user's call that is about to be answered; its id is for `write` or `drop`."""
        return Addition(KEY, orjson.dumps(entry), self._most[KEY])

    def write(self, entry: Mapping[str, Any], *, of_stranger: bool, begun: str = "") -> None:
        """Add an entry, in place of the one that was `begun`; its id and time come from Redis.

        Raises:
            StoreUnavailable: Redis is away; what was begun stays.
        """
        with translated(), self._redis.pipeline() as pipe:
            self._add(pipe, STRANGERS_KEY if of_stranger else KEY, entry)
            if begun:
                pipe.xdel(KEY, begun)
            pipe.execute()

    def drop(self, begun: str) -> None:
        """Take off an entry that was begun by a call which changes nothing."""
        with translated():
            self._redis.xdel(KEY, begun)

    def _add(self, redis: Any, key: str, entry: Mapping[str, Any]) -> Any:
        return redis.xadd(key, {"entry": orjson.dumps(entry)}, maxlen=self._most[key], approximate=True)

    def page(self, wanted: AuditFilter, *, page: int, size: int) -> tuple[list[Entry], int]:
        """Return one page (from 1), newest first, and how many entries there are in all pages."""
        first = (page - 1) * size
        if wanted == AuditFilter():
            with translated():
                total = sum(self._redis.xlen(key) for key in self._most)
            return list(islice(self._newest_first(wanted), first, first + size)), total
        total, found = 0, []
        for entry in self._newest_first(wanted):
            if wanted.fits(entry):
                if first <= total < first + size:
                    found.append(entry)
                total += 1
        return found, total

    def _newest_first(self, wanted: AuditFilter) -> Iterator[Entry]:
        streams = [self._read(key, wanted) for key in (KEY, STRANGERS_KEY)]
        return heapq.merge(*streams, key=lambda entry: entry["order"], reverse=True)

    def _read(self, key: str, wanted: AuditFilter) -> Iterator[Entry]:
        # Ids of a stream begin with 0, and times before 1970 are negative.
        newest = "+" if wanted.until is None else str(max(0, wanted.until))
        oldest = "-" if wanted.since is None else str(max(0, wanted.since))
        while True:
            with translated():
                rows = self._redis.xrevrange(key, newest, oldest, count=READ_AT_ONCE)
            for id, fields in rows:
                ms, sequence = map(int, id.split("-"))
                # Entries of both streams may have come in one ms, as the first ones there.
                own = id if key == KEY else f"{id}-stranger"
                yield {"id": own, "order": (ms, sequence), **orjson.loads(fields["entry"])}
            if len(rows) < READ_AT_ONCE:
                return
            newest = f"({rows[-1][0]}"
