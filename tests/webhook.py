"""An API with its deliverer of webhooks, and tasks whose steps are played by hand."""

import base64
from typing import Any

import fakeredis

from api.webhook.deliverer import Deliverer
from api.webhook.delivery import Deliveries
from api.webhook.hook import Hooks
from config.settings import ApiSettings, WebhookSettings
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.lease import Leases, Report, Run
from dag.outbox import Outbox
from dag.store import Store
from tests.iam import SECRET_KEY, Iam

QUICK = WebhookSettings(first_retry_seconds=0.1, attempts=3, timeout_seconds=2)
PLANTED = f"whsec_{base64.b64encode(b'planted-secret-4711-planted').decode()}"


class World:
    """An API with its deliverer, and a host whose tasks are played by hand."""

    def __init__(self, settings: WebhookSettings = QUICK) -> None:
        self.redis = fakeredis.FakeRedis(decode_responses=True)
        self.iam = Iam(self.redis, ApiSettings(secret_key=SECRET_KEY, public_url="https://muster.example.org/"))
        self.store, self.hooks = Store(self.redis), Hooks(self.redis, SECRET_KEY)
        self.deliveries = Deliveries(self.redis, most=settings.keep, keep_seconds=settings.keep_seconds)
        self.settings = settings
        self.running: list[Deliverer] = []

    def deliverer(self, name: str = "api-1") -> Deliverer:
        url = self.iam.settings.url
        return Deliverer(self.store, self.hooks, self.deliveries, self.settings, url, name)

    def start(self) -> None:
        self.running.append(self.deliverer())
        self.running[-1].start()

    def add(self, url: str, **wanted: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.iam.data("POST", "/webhooks", {"url": url, **wanted})
        return found

    def listed(self, hook: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.iam.data("GET", f"/webhooks/{hook['id']}/deliveries")["contents"]
        return found

    def fail_task(self) -> int:
        """A task whose only host fails at the first step."""
        task = self.store.submit(BATCH_RESTART, [1], creator="ann", executor="e", trace_id="t")
        self.fail_step(task)
        return task

    def fail_step(self, task: int, index: int = 0) -> None:
        """The first step of a task that fails on the host of this index, as soon as it may begin."""
        hand = HandOut(self.store, retention_seconds=60)
        [(offset, attempt)] = hand.ready_nodes(task, index, 1, begin_within_ms=1000)
        host = self.store.read(task).head.host_ids[index]
        leases = Leases(self.store, lease_seconds=60, retention_seconds=60)
        run = Run(task, offset, attempt, host, index)
        assert leases.begin(run, "worker")
        assert leases.fail(run, Report("head\nno route to host\n"))

    def release(self, task: int) -> None:
        """Do what a scheduler does once the task has failed: free its hosts."""
        hand = HandOut(self.store, retention_seconds=60)
        info = hand.info(task)
        assert info
        hand.release(info)

    def secrets(self, hook: dict[str, Any]) -> list[str]:
        return self.hooks.secrets_of(self.hooks.get(hook["id"]), self.deliveries.now())

    def told(self) -> list[str]:
        """The events that wait to be told, which are taken off."""
        outbox = Outbox(self.store, "told")
        outbox.open()
        events = outbox.take(count=10, block_ms=1)
        outbox.done(events)
        return [event.kind for event in events]
