"""The run's hold on the processes that the keeper runs: start and end all of them, hit one, see who does not serve."""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import suppress

import httpx
from redis import Redis
from redis.exceptions import RedisError

from cli.client import ApiClient
from cli.inventory import import_inventory
from config.settings import EngineSettings, WorkerSettings
from dag.dispatch import GROUP
from dag.error import StoreUnavailable
from dag.roster import Roster
from dag.shard import shards
from dag.store import Store
from tests.chaos.keeper import START_SECONDS, USER, Layout, keep
from tests.chaos.plan import ROLES
from tests.wait import until

# A scheduler asks for messages twice a second.
READS_EVERY_MS = 3000
# A call to a process that is gone fails at once; one that is paused answers late or never.
CALL_SECONDS = 5.0


class Cluster:
    """The processes of a layout. `start` it, `stop` it in any case; `signal` hits one of them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.redis = Redis.from_url(
            layout.server.url, decode_responses=True, socket_timeout=1, socket_connect_timeout=1
        )
        self.store = Store(self.redis)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._keeper = context.Process(target=keep, args=(layout, theirs), name="keeper")
        self._theirs = theirs

    def start(self) -> list[int]:
        """Return the ids of the hosts in the order of the fleet, once all processes serve."""
        self._keeper.start()
        self._theirs.close()
        self._answer()
        until(lambda: not self.missing(), START_SECONDS)
        with ApiClient(self.layout.apis[0], USER, self.layout.password) as client:
            import_inventory(client, self.layout.fleet / "inventory.json")
            ids = {host["name"]: host["id"] for host in client.hosts()}
        return [ids[name] for name in sorted(ids)]

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to a process; False where it is dead just now and waits to be started again."""
        self._pipe.send((name, int(number)))
        return bool(self._answer())

    def missing(self) -> list[str]:
        """Return what does not serve: APIs that don't answer, schedulers that don't read, workers without shards."""
        found = [url for url in self.layout.apis if not _answers(f"{url}/readyz")]
        try:
            return [*found, *self._missing_schedulers(), *self._missing_workers()]
        except (StoreUnavailable, RedisError):
            return [*found, "valkey"]

    def _missing_schedulers(self) -> Iterator[str]:
        consumers = self.store.redis.xinfo_consumers(self.store.keys.ready, GROUP)
        lacking = ROLES["scheduler"] - sum(consumer["idle"] < READS_EVERY_MS for consumer in consumers)
        if lacking > 0:
            yield f"{lacking} schedulers"

    def _missing_workers(self) -> Iterator[str]:
        roster = Roster(self.store)
        workers = [worker for worker in roster.alive() if not worker.draining]
        if len(workers) < ROLES["worker"]:
            yield f"{ROLES['worker'] - len(workers)} workers"
        consumed = {queue for worker in workers for queue in worker.queues}
        for queue in shards(WorkerSettings().zone, EngineSettings().shards_per_zone):
            if queue not in consumed:
                yield f"queue {queue}"

    def stop(self) -> None:
        """End all processes; what runs on the hosts, too."""
        with suppress(OSError):
            self._pipe.close()
        self._keeper.join()
        self.redis.close()

    def _answer(self) -> object:
        try:
            return self._pipe.recv()
        except EOFError:
            raise AssertionError(f"the keeper has ended; see {self.layout.logs}") from None


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=CALL_SECONDS, trust_env=False).is_success
    except httpx.HTTPError:
        return False
