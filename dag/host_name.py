"""What hosts are called, for whoever shows many of them at once."""

import json
from collections.abc import Sequence

from dag.script import translated
from dag.store import Store

# Hosts read by one command: about 1 ms of Redis's time.
READ_AT_ONCE = 1000


def read_names(store: Store, ids: Sequence[int]) -> list[str]:
    """Return the name of each host (its address where it has none), "" where it is not enrolled any more.

    Raises:
        StoreUnavailable: Redis is away.
    """
    with translated(), store.redis.pipeline(transaction=False) as pipe:
        for at in range(0, len(ids), READ_AT_ONCE):
            pipe.hmget(store.keys.hosts, list(map(str, ids[at : at + READ_AT_ONCE])))
        return [_name(text) if text else "" for chunk in pipe.execute() for text in chunk]


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


def _name(text: str) -> str:
    host = json.loads(text)
    found: str = host["name"] or host["address"]
    return found
