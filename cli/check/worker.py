"""Do schedulers and workers live, do the workers hear, and is each shard consumed by one of them?"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from cli.check.clock import check_clock
from cli.check.finding import Finding, State, fine, wrong
from cli.table import some
from dag.dispatch import GROUP
from dag.host import Host
from dag.roster import Worker
from dag.script import translated
from dag.shard import shards
from dag.store import Store

# A scheduler reads its stream several times a second.
SILENT_MS = 5_000

# Asks these workers by remote control and returns those that answer.
Ping = Callable[[Sequence[str]], Collection[str]]


def check_schedulers(store: Store) -> Finding:
    """Return whether a scheduler reads what is ready; StoreUnavailable while Redis is away."""
    ready, redis = store.keys.ready, store.redis
    with translated():
        groups = redis.xinfo_groups(ready) if redis.exists(ready) else []
        was_there = any(group["name"] == GROUP for group in groups)
        consumers = redis.xinfo_consumers(ready, GROUP) if was_there else []
    alive = [consumer["name"] for consumer in consumers if consumer["idle"] < SILENT_MS]
    if not alive:
        text = "none lives: tasks are taken and nothing is done"
        return wrong("schedulers", text, "Start one: `muster scheduler`.")
    return fine("schedulers", some(sorted(alive)))


def check_workers(workers: Sequence[Worker], hosts: Mapping[str, int], ping: Ping) -> Iterator[Finding]:
    """Yield whether each zone has workers, and whether they hear; `hosts` is zone to its number of hosts."""
    by_zone = Counter(worker.zone for worker in workers)
    for zone in sorted({*hosts, *by_zone}):
        what, number = f"workers of zone {zone}", hosts.get(zone, 0)
        if not by_zone[zone]:
            remedy = f"Start one where they can be reached: `MUSTER_WORKER_ZONE={zone} muster worker`."
            yield wrong(what, f"none lives, for {number} hosts", remedy)
        else:
            free = sum(worker.free for worker in workers if worker.zone == zone)
            yield fine(what, f"{by_zone[zone]} for {number} hosts, {free} threads free")
    if not hosts and not workers:
        yield wrong("workers", "none lives", "Start one: `muster worker`.")
    names = [worker.name for worker in workers]
    deaf = sorted(set(names) - set(ping(names))) if names else []
    if deaf:
        remedy = "It replaces itself within 15 s; if it does not, look at its log and start it again."
        yield wrong("hearing", f"no answer through the broker from {some(deaf)}", remedy)
    elif names:
        yield fine("hearing", "every worker answers through the broker")
    yield from _check_clocks(workers)


def _check_clocks(workers: Sequence[Worker]) -> Iterator[Finding]:
    found = [check_clock(worker.name, worker.skew_ms) for worker in workers]
    bad = [one for one in found if one.state is not State.OK]
    yield from bad
    if workers and not bad:
        most = max(abs(worker.skew_ms) for worker in workers) / 1000
        yield fine("clocks of workers", f"at most {most:.1f} s off Redis's")


def check_profiles(workers: Sequence[Worker], hosts: Sequence[Host]) -> Finding:
    """Return whether the workers of each host's zone know its agent profile; a zone that does not tell is left out."""
    known: dict[str, frozenset[str]] = {}
    for worker in workers:
        known[worker.zone] = known.get(worker.zone, frozenset()) | worker.profiles
    lost = [host for host in hosts if known.get(host.zone) and host.profile not in known[host.zone]]
    if not lost:
        return fine("profiles", "the workers know those of all hosts that they reach")
    names = some([f"{host.name or host.address} ({host.profile})" for host in lost])
    remedy = "Put the profile into worker.profile_dir of each worker there, or enrol the hosts with another."
    return wrong("profiles", f"no worker of the zone knows that of {names}", remedy)


def check_shards(workers: Sequence[Worker], per_zone: int) -> Iterator[Finding]:
    """Yield whether each shard of the workers' zones is consumed by exactly one of them."""
    owners = Counter(queue for worker in workers for queue in worker.queues)
    for zone in sorted({worker.zone for worker in workers}):
        names = shards(zone, per_zone)
        missing = [name for name in names if not owners[name]]
        double = [name for name in names if owners[name] > 1]
        what = f"shards of zone {zone}"
        if missing:
            text = f"nobody consumes {some(missing)}"
            yield wrong(what, text, "They are given out within 5 s; if not, is a scheduler there, are workers deaf?")
        elif double:
            yield wrong(what, f"two workers consume {some(double)}", "It ends within 5 s; if not, restart one of them.")
        else:
            yield fine(what, f"each of {len(names)} has one worker")
