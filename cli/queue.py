"""The shard queues: how much waits in each, which worker is to consume it, and which does."""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

from cli.connection import open_redis
from cli.table import print_table
from config.settings import Settings
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.shard import shards
from dag.store import Store
from workers.app import create_celery
from workers.broker import QueueLengths


@dataclass(frozen=True)
class Queue:
    """One shard; `assigned` is the worker that is to consume it, `consumers` are those that say that they do."""

    name: str
    waiting: int
    assigned: str
    consumers: tuple[str, ...]


def names_of_queues(
    zones: Collection[str], workers: Sequence[Worker], assigned: Mapping[str, str], per_zone: int
) -> list[str]:
    """Return the shards of these zones and of all that have or had a worker, by name."""
    zones = {*zones, *(worker.zone for worker in workers)}
    ours = {name for zone in zones for name in shards(zone, per_zone)}
    return sorted(ours | assigned.keys() | {name for worker in workers for name in worker.queues})


def read_queues(settings: Settings) -> list[Queue]:
    """Return all shards; those of a zone with hosts, too, that never had a worker: steps wait there.

    Raises:
        CommandError: Redis does not answer.
        StoreUnavailable: Redis or the broker is away.

    """
    with closing(open_redis(settings)) as redis:
        roster = Roster(Store(redis))
        workers, assigned, zones = roster.alive(), roster.wanted(), HostRegistry(redis).zones()
    names = names_of_queues(zones, workers, assigned, settings.engine.shards_per_zone)
    with closing(QueueLengths(create_celery(settings))) as lengths:
        waiting = lengths.of(names)
    return [
        Queue(
            name,
            waiting.get(name, 0),
            assigned.get(name, ""),
            tuple(worker.name for worker in workers if name in worker.queues),
        )
        for name in names
    ]


def show_queues(settings: Settings, zone: str, *, as_json: bool) -> None:
    """Print the shards of a zone ("": of all zones)."""
    found = [queue for queue in read_queues(settings) if not zone or queue.name.startswith(f"hosts.{zone}.")]
    if as_json:
        print(json.dumps([asdict(queue) for queue in found]))
        return
    rows = [(q.name, str(q.waiting), q.assigned or "nobody", ", ".join(q.consumers) or "nobody") for q in found]
    print_table(("queue", "waiting", "assigned to", "consumed by"), rows)
