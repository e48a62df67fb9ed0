"""What hosts are called, for whoever shows many of them at once."""

import json
from collections.abc import Sequence

from dag.script import translated
from dag.store import Store

# Hosts read by one command: about 1 ms of Redis's time.
READ_AT_ONCE = 1000


# Names that are remembered; all are forgotten where there are more.
MOST_KNOWN = 100_000


class HostNames:
    """The names of one store's hosts, remembered until a host is enrolled or forgotten: records never change.

    Of a task of 10,000 hosts they are nearly all that a grid costs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[tuple[int, ...], dict[int, str]] = ((), {})

    def read(self, ids: Sequence[int]) -> list[str]:
        """Return the name of each host (its address where it has none), "" where it is not enrolled any more.

        Raises:
            StoreUnavailable: Redis is away.
        """
        # Read before the names: what is remembered may be newer than its version, never older.
        version = names_version(self._store)
        before, known = self._known
        if version != before or len(known) > MOST_KNOWN:
            known = {}
            self._known = version, known
        missing = [host for host in ids if host not in known]
        known.update(zip(missing, _load(self._store, missing), strict=True))
        return [known[host] for host in ids]


def _load(store: Store, ids: Sequence[int]) -> list[str]:
    with translated(), store.redis.pipeline(transaction=False) as pipe:
        for at in range(0, len(ids), READ_AT_ONCE):
            pipe.hmget(store.keys.hosts, list(map(str, ids[at : at + READ_AT_ONCE])))
        texts = [text for chunk in pipe.execute() for text in chunk]
    # At once: a call of the parser for each costs more than what it parses.
    found = iter(json.loads(f"[{','.join(filter(None, texts))}]"))
    return [_name(next(found)) if text else "" for text in texts]


def names_version(store: Store) -> tuple[int, ...]:
    """Return what is another one whenever a host was enrolled or forgotten: how many there are, and the newest id.

    Ids are never used again and records never change: as long as the newest id stays, there are only ever fewer hosts.

    Raises:
        StoreUnavailable: Redis is away.
    """
    with translated(), store.redis.pipeline(transaction=True) as pipe:
        pipe.zcard(store.keys.host_index)
        pipe.zrevrange(store.keys.host_index, 0, 0)
        count, newest = pipe.execute()
    return int(count), *map(int, newest)


def _name(host: dict[str, str]) -> str:
    return host["name"] or host["address"]
