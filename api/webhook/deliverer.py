"""Tells receivers what happens: takes events from the outbox, makes a delivery for each webhook, and sends what is due.

Any number of API processes do this; each event and each attempt goes to one of them, what a dead one had to another.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog

from api.access_key import NoSecretKey
from api.cipher import WrongKey
from api.webhook.delivery import Deliveries, Delivery, DeliveryStatus
from api.webhook.guard import parse_networks
from api.webhook.hook import MOST, Hook, Hooks, UnknownWebhook
from api.webhook.payload import message, read_task
from api.webhook.sender import Outcome, send
from api.webhook.signature import headers
from config.settings import WebhookSettings
from dag.error import MusterError, StoreUnavailable
from dag.outbox import Event, Outbox
from dag.snapshot import Snapshot
from dag.store import Store

BLOCK_MS, AT_ONCE = 250, 20
# What another process has taken and not told for so long is taken over; it is looked for four times as often.
TAKE_OVER_MS = 10_000
# Where there is no webhook, nothing but an event is to be waited for; one that is added meanwhile may wait so long.
IDLE_BLOCK_MS = 1000
PAUSE_SECONDS = 0.5
# What an attempt may take beyond its time limit before another process tries it, too.
MARGIN_SECONDS = 10.0
# A wait is up to a quarter shorter or longer, so that those that failed together do not come again together.
JITTER = 0.25

log = structlog.get_logger()


class Deliverer(threading.Thread):
    """Works until `stop`; a daemon thread, whose process may end at any moment without harm."""

    def __init__(
        self, store: Store, hooks: Hooks, deliveries: Deliveries, settings: WebhookSettings, console: str, name: str
    ) -> None:
        super().__init__(name="webhooks", daemon=True)
        self._store, self._hooks, self._deliveries, self._settings = store, hooks, deliveries, settings
        self._console, self._outbox = console, Outbox(store, name)
        self._denied = parse_networks(settings.denied_networks)
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._busy: Counter[int] = Counter()
        self._block_ms, self._takes_over_at = BLOCK_MS, 0.0
        # Until when (monotonic, s) receivers have asked this process to be left alone.
        self._asked: dict[int, float] = {}
        # A slow receiver holds its own threads only; there are as many as all webhooks may hold.
        self._pool = ThreadPoolExecutor(MOST * settings.at_once, thread_name_prefix="webhook")

    def run(self) -> None:
        """Repeat: take events, send what is due."""
        while not self._stopping.is_set():
            try:
                self.turn()
            except StoreUnavailable as error:
                log.warning("webhooks wait for Redis", reason=str(error))
                self._stopping.wait(PAUSE_SECONDS)
            except Exception:
                # A fault of ours must not end the thread: without it nobody would be told anything any more.
                log.exception("webhooks")
                self._stopping.wait(PAUSE_SECONDS)

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()
        self.join()
        self._pool.shutdown()

    def turn(self) -> None:
        """Make the deliveries of new events, then begin the attempts that are due."""
        events = []
        if time.monotonic() >= self._takes_over_at:
            self._takes_over_at = time.monotonic() + TAKE_OVER_MS / 4000
            events = self._outbox.take_over(count=AT_ONCE, idle_ms=TAKE_OVER_MS)
        # What was taken over does not wait for what may come.
        events += self._outbox.take(count=AT_ONCE, block_ms=1 if events else self._block_ms)
        hooks = self._hooks.all()
        self._block_ms = BLOCK_MS if hooks else IDLE_BLOCK_MS
        for event in events:
            self._spread(event, [hook for hook in hooks if hook.enabled and event.kind in hook.events])
        self._outbox.done(events)
        for hook in hooks:
            # What waits for a webhook that is disabled waits on.
            if hook.enabled:
                self._begin(hook)

    def _spread(self, event: Event, hooks: list[Hook]) -> None:
        if not hooks:
            return
        snapshot, body = read_task(self._store, event.task_id), ""
        for hook in hooks:
            if _wants(hook, snapshot):
                body = body or message(self._store, event, snapshot, self._console)
                # Its id follows from the event: an event that is taken twice makes no second delivery.
                id = f"msg_{hook.id}_{event.id}"
                made = Delivery(id, hook.id, event.kind, event.task_id, self._deliveries.now(), body)
                if lost := self._deliveries.add(made):
                    log.warning("deliveries dropped: too many wait", webhook=hook.id, count=lost)

    def _begin(self, hook: Hook) -> None:
        free = self._settings.at_once - self._busy[hook.id]
        if free <= 0 or time.monotonic() < self._asked.get(hook.id, 0.0):
            return
        lease_ms = int((self._settings.timeout_seconds + MARGIN_SECONDS) * 1000)
        for delivery in self._deliveries.claim(hook.id, count=free, lease_ms=lease_ms):
            with self._lock:
                self._busy[hook.id] += 1
            self._pool.submit(self._try, hook, delivery)

    def _try(self, hook: Hook, delivery: Delivery) -> None:
        try:
            self.attempt(hook, delivery)
        finally:
            with self._lock:
                self._busy[hook.id] -= 1

    def attempt(self, hook: Hook, delivery: Delivery) -> None:
        """Send a delivery that was claimed, and keep what came of it; an attempt that was not made is none."""
        try:
            # It may have been changed, disabled or removed since.
            hook = self._hooks.get(hook.id)
            if hook.enabled:
                self._settle(delivery, self._send(hook, delivery))
            else:
                self._deliveries.settle(replace(delivery, next_at=self._deliveries.now()))
        except UnknownWebhook:
            return
        except MusterError as error:
            # Its lease runs out, and it is tried again.
            log.warning("delivery is left to its lease", delivery=delivery.id, reason=str(error))
        except Exception:
            # A fault of ours: in the pool nobody asks for what a thread raised, so it would be told nowhere. Its lease
            # runs out, too.
            log.exception("delivery", delivery=delivery.id)

    def _send(self, hook: Hook, delivery: Delivery) -> Outcome:
        try:
            secrets = self._hooks.secrets_of(hook, self._deliveries.now())
        except (WrongKey, NoSecretKey):
            return Outcome(error="its secret was kept under another api.secret_key")
        body = delivery.body.encode()
        told = headers(secrets, delivery.id, int(time.time()), body)
        return send(hook.url, told, body, seconds=self._settings.timeout_seconds, denied=self._denied)

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        attempts, now = delivery.attempts + 1, self._deliveries.now()
        asked = min(outcome.wait_seconds, self._settings.longest_retry_seconds)
        if asked:
            self._asked[delivery.hook_id] = time.monotonic() + asked
        ended = replace(
            delivery, attempts=attempts, code=outcome.code, error=outcome.error, answer=outcome.answer, tried_at=now
        )
        if outcome.is_delivered:
            ended = replace(ended, status=DeliveryStatus.DELIVERED, next_at=None)
        elif attempts >= self._settings.attempts:
            log.warning("delivery given up", webhook=delivery.hook_id, delivery=delivery.id, reason=outcome.error)
            ended = replace(ended, status=DeliveryStatus.FAILED, next_at=None)
        else:
            wait = max(asked, wait_seconds(self._settings, attempts))
            ended = replace(ended, next_at=now + int(wait * 1000))
        self._deliveries.settle(ended)


def wait_seconds(settings: WebhookSettings, attempts: int) -> float:
    """Return how long to wait after so many attempts: twice as long each time, with jitter."""
    plain = min(settings.first_retry_seconds * 2.0 ** (attempts - 1), settings.longest_retry_seconds)
    return plain * random.uniform(1 - JITTER, 1 + JITTER)


def _wants(hook: Hook, snapshot: Snapshot | None) -> bool:
    if snapshot is None:
        return not (hook.creator or hook.task_name)
    return hook.creator in ("", snapshot.head.creator) and hook.task_name in ("", snapshot.head.name)
