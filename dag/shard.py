"""Which queue a host's nodes go to, and which worker consumes which queue."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache


def shards(zone: str, count: int) -> list[str]:
    """Return the names of a zone's shard queues."""
    return [f"hosts.{zone}.{number:02d}" for number in range(count)]


def zone_of_shard(queue: str) -> str:
    """Return the zone whose shard this queue is, "" where it is none."""
    head, _, zone = queue.rpartition(".")[0].partition(".")
    return zone if head == "hosts" else ""


@lru_cache(maxsize=65536)
def shard_of(host_id: int, zone: str, count: int) -> str:
    """Return the shard of a host, by rendezvous hashing (Thaler and Ravishankar, 1998).

    A host keeps its shard while the number of shards stands, whatever other hosts come or go; and where that number
    grows by one, only the hosts of the new shard move.
    """
    return max(
        shards(zone, count), key=lambda shard: hashlib.blake2b(f"{shard}/{host_id}".encode(), digest_size=8).digest()
    )


def spread(queues: Iterable[str], workers: Iterable[str], before: Mapping[str, str]) -> dict[str, str]:
    """Return queue to worker: even to within one, and as `before` wherever that allows; {} without workers."""
    names, wanted = sorted(queues), sorted(workers)
    if not wanted:
        return {}
    room = {worker: len(names) // len(wanted) for worker in wanted}
    spare = len(names) % len(wanted)
    owner: dict[str, str] = {}
    for queue in names:
        worker = before.get(queue, "")
        if room.get(worker, 0) > 0:
            room[worker] -= 1
            owner[queue] = worker
        elif room.get(worker) == 0 and spare > 0:
            spare -= 1
            owner[queue] = worker
            room[worker] -= 1  # below zero: this worker has its one extra
    for queue in names:
        if queue in owner:
            continue
        worker = max(wanted, key=lambda name: room[name])
        room[worker] -= 1
        owner[queue] = worker
    return owner
