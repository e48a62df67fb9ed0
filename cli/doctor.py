"""Looks at an installation from end to end: what is wrong, and what to do about it."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict

from redis import Redis

from cli.check.api import check_api, check_caller, check_no_caller, clock_of
from cli.check.clock import check_clock
from cli.check.finding import Finding, State, fine, unknown, wrong
from cli.check.machine import check_machine, check_reached
from cli.check.store import WHAT as REDIS
from cli.check.store import check_store
from cli.check.worker import check_profiles, check_schedulers, check_shards, check_workers
from cli.client import ApiClient
from cli.connection import open_redis
from cli.error import CommandError
from cli.table import print_table
from config.settings import Settings
from dag.error import StoreUnavailable
from dag.host import Host
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.store import Store
from workers.app import IDLE_QUEUE, create_celery
from workers.broker import QueueLengths

PING_SECONDS = 2.0
# A shard changes its worker within that time.
SETTLE_SECONDS = 5.0
PAUSE_SECONDS = 0.2
MOST_HOSTS = 1_000_000


def examine(settings: Settings, client: ApiClient, *, signs_in: bool, as_worker: bool) -> Iterator[Finding]:
    """Yield what there is to say, question by question; what depends on something that is away is left out."""
    yield from check_api(client)
    yield check_caller(client) if signs_in else check_no_caller()
    try:
        redis = open_redis(settings)
    except CommandError as error:
        yield wrong(REDIS, str(error), "The settings are redis.url and redis.broker_url; `muster config` shows them.")
        return
    with closing(redis):
        yield from check_store(redis)
        yield from _check_clocks(redis, client)
        yield from _check_fleet(settings, redis, as_worker=as_worker)


def _check_clocks(redis: Redis, client: ApiClient) -> Iterator[Finding]:
    seconds, micros = redis.time()
    ahead = time.time() - (seconds + micros / 1_000_000)
    yield check_clock("this machine", round(ahead * 1000))
    try:
        yield check_clock("the API", round((clock_of(client) + ahead) * 1000))
    except CommandError:
        yield unknown("clock of the API", "not known: it does not answer")


def _check_fleet(settings: Settings, redis: Redis, *, as_worker: bool) -> Iterator[Finding]:
    store = Store(redis)
    roster = Roster(store)
    hosts = [host for host, _agent in HostRegistry(redis).page(page=1, size=MOST_HOSTS)[0]]
    yield check_schedulers(store)
    try:
        yield from _check_broker(settings, roster, Counter(host.zone for host in hosts))
    except StoreUnavailable as error:
        yield wrong("broker", str(error), "Set redis.broker_url (MUSTER_REDIS_BROKER_URL) as the workers have it.")
    yield from _settled(lambda: list(check_shards(roster.alive(), settings.engine.shards_per_zone)))
    yield check_profiles(roster.alive(), hosts)
    yield from check_reached(hosts)
    yield from _check_here(settings, hosts, roster.alive(), as_worker=as_worker)


def _check_broker(settings: Settings, roster: Roster, zones: Counter[str]) -> Iterator[Finding]:
    app, workers = create_celery(settings), roster.alive()
    with closing(QueueLengths(app)) as lengths:
        waiting = sum(lengths.of({queue for worker in workers for queue in worker.queues}).values())
        lengths.of([IDLE_QUEUE])
    yield fine("broker", f"answers; {waiting} messages wait in the shards (`muster queues`)")

    def ping(names: Sequence[str]) -> Collection[str]:
        return app.control.inspect(destination=list(names), timeout=PING_SECONDS).ping() or ()

    yield from check_workers(workers, zones, ping)


def _settled(check: Callable[[], list[Finding]]) -> list[Finding]:
    """Return what the check finds once nothing is wrong, or after a while."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        found = check()
        if time.monotonic() >= until or not any(finding.state is State.WRONG for finding in found):
            return found
        time.sleep(PAUSE_SECONDS)


def _check_here(
    settings: Settings, hosts: Sequence[Host], workers: Sequence[Worker], *, as_worker: bool
) -> Iterator[Finding]:
    here = {worker.zone for worker in workers if worker.name.endswith(f"@{socket.gethostname()}")}
    zones = {settings.worker.zone} if as_worker else here
    if zones:
        yield from check_machine(settings, [host for host in hosts if host.zone in zones])
    else:
        text = "not looked at: no worker runs on this machine"
        yield unknown("keys and profiles", text, "Call `muster doctor` where one runs, or add --as-worker.")


def report(findings: Iterable[Finding], *, as_json: bool) -> bool:
    """Print what was found, and what to do, and tell whether nothing is wrong."""
    found = list(findings)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found]))
    else:
        print_table(("", "what", "how it stands"), [(one.state, one.what, one.text) for one in found])
        for one in found:
            if one.remedy:
                print(f"{one.what}: {one.remedy}")
    return all(one.state is not State.WRONG for one in found)
