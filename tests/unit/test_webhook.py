"""Webhooks: what is told to whom, how often it is tried, and what is never connected to."""

import base64
import re
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import fakeredis
import pytest

from api.webhook.deliverer import Deliverer, wait_seconds
from api.webhook.delivery import Deliveries, Delivery
from api.webhook.guard import is_denied, parse_networks
from api.webhook.hook import Hooks
from api.webhook.sender import send
from api.webhook.signature import PATTERN, headers, make_secret
from config.settings import ApiSettings, WebhookSettings
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.lease import Leases, Report, Run
from dag.outbox import Outbox
from dag.store import Store
from tests.iam import SECRET_KEY, Iam
from tests.receiver import Receiver, documented_verify
from tests.wait import until

QUICK = WebhookSettings(first_retry_seconds=0.1, attempts=3, timeout_seconds=2)
DENIED = parse_networks(WebhookSettings().denied_networks)
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
        [(offset, attempt)] = HandOut(self.store, retention_seconds=60).ready_nodes(task, 0, 1, begin_within_ms=1000)
        leases, run = Leases(self.store, lease_seconds=60, retention_seconds=60), Run(task, offset, attempt, 1, 0)
        assert leases.begin(run, "worker")
        assert leases.fail(run, Report("head\nno route to host\n"))
        return task


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    for deliverer in found.running:
        deliverer.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


def test_an_end_and_the_first_failure_are_told_with_a_right_signature(world: World, receiver: Receiver) -> None:
    hook = world.add(receiver.url)
    world.start()
    task = world.fail_task()
    until(lambda: len(receiver.got) == 2)
    [ended], [failed] = receiver.said("task.ended"), receiver.said("task.failed")
    data = ended.said["data"]
    assert (data["task"]["id"], data["task"]["status"], data["task"]["creator"]) == (task, "FAILED", "ann")
    assert (data["statuses"]["FAILED"], data["failed"][0]["reason"]) == (1, "no route to host")
    assert data["url"] == f"https://muster.example.org/console/tasks/{task}"
    assert failed.said["data"]["failed"][0]["hostId"] == 1
    verify = documented_verify()
    assert all(verify(hook["secret"], one.headers, one.body) for one in receiver.got)
    assert not verify(make_secret(), ended.headers, ended.body)
    assert not verify(hook["secret"], ended.headers, ended.body + b" ")
    until(lambda: {one["status"] for one in world.listed(hook)} == {"DELIVERED"})
    assert {(one["id"], one["code"], one["attempts"]) for one in world.listed(hook)} == {
        (one.id, 204, 1) for one in receiver.got
    }
    assert world.redis.xlen(world.store.keys.outbox) == 0


def test_the_signature_is_what_openssl_makes_of_it() -> None:
    secret, body = make_secret(), b'{"type":"test"}'
    made = headers(secret, "msg_1", 1700000000, body)
    key = base64.b64decode(secret.removeprefix("whsec_")).hex()
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    digest = subprocess.run(command, input=b"msg_1.1700000000." + body, capture_output=True, check=True).stdout
    assert made["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"events": ["task.ended"]}, ["task.ended"]),
        ({"creator": "bob"}, []),
        ({"creator": "ann", "taskName": "Batch restart OCP agent", "events": ["task.failed"]}, ["task.failed"]),
        ({"taskName": "Batch stop OCP agent"}, []),
        ({"enabled": False}, []),
    ],
)
def test_a_webhook_is_told_what_it_asks_for(world: World, wanted: dict[str, Any], told: list[str]) -> None:
    hook = world.add("http://127.0.0.1:9/", **wanted)
    world.fail_task()
    deliverer = world.deliverer()
    deliverer.turn()  # the first makes the group of those who take events
    deliverer.turn()
    assert [one["event"] for one in world.listed(hook)] == told


def test_what_fails_is_tried_again_under_the_same_id_until_it_arrives(world: World) -> None:
    answers = iter([500, 302, 200])
    receiver = Receiver(answer=lambda _received: next(answers))
    try:
        hook = world.add(receiver.url, events=["task.ended"])
        world.start()
        world.fail_task()
        until(lambda: [one["status"] for one in world.listed(hook)] == ["DELIVERED"])
    finally:
        receiver.stop()
    # Three requests to the same path: the redirect was not followed.
    assert ({one.id for one in receiver.got}, len(receiver.got)) == ({world.listed(hook)[0]["id"]}, 3)
    assert len({one.body for one in receiver.got}) == 1


def test_what_always_fails_is_given_up_and_can_be_sent_again(world: World) -> None:
    answers = [503]
    receiver = Receiver(answer=lambda _received: answers[0])
    try:
        hook = world.add(receiver.url, events=["task.ended"])
        world.start()
        world.fail_task()
        until(lambda: [one["status"] for one in world.listed(hook)] == ["FAILED"])
        [given_up] = world.listed(hook)
        assert (given_up["attempts"], given_up["code"], given_up["error"]) == (3, 503, "HTTP status 503")
        answers[0] = 200
        path = f"/webhooks/{hook['id']}/deliveries/{given_up['id']}/redeliver"
        assert world.iam.data("POST", path)["status"] == "PENDING"
        until(lambda: [one["status"] for one in world.listed(hook)] == ["DELIVERED"])
    finally:
        receiver.stop()
    assert len({one.id for one in receiver.got}) == 1


def test_a_slow_receiver_holds_up_nobody_else(world: World, receiver: Receiver) -> None:
    """Held: each request of one receiver, until the other has got all of its own."""
    go_on = threading.Event()
    slow = Receiver(answer=lambda _received: 200 if go_on.wait(5) else 500)
    try:
        world.add(slow.url)
        world.add(receiver.url)
        world.start()
        for _ in range(3):
            world.store.redis.hdel(world.store.keys.holders, "1")
            world.fail_task()
        until(lambda: len(receiver.got) == 6)
        assert len(slow.got) <= QUICK.at_once
        go_on.set()
        until(lambda: len({one.id for one in slow.got}) == 6)
    finally:
        go_on.set()
        slow.stop()


def test_what_a_dead_process_had_is_taken_over(world: World, receiver: Receiver) -> None:
    """Left undone: an event that was taken, then a delivery that was claimed; counted: ids that arrive."""
    hook = world.add(receiver.url, events=["task.ended"])
    outbox = Outbox(world.store, "dead")
    outbox.open()
    world.fail_task()
    taken = outbox.take(count=10, block_ms=1, idle_ms=0)
    assert [event.kind for event in taken] == ["task.failed", "task.ended"]
    again = Outbox(world.store, "alive").take(count=10, block_ms=1, idle_ms=0)
    assert again == taken
    body = Delivery("msg_1_x", hook["id"], "test", 0, world.deliveries.now(), "{}")
    assert world.deliveries.add(body) == 0
    assert len(world.deliveries.claim(hook["id"], count=5, lease_ms=300)) == 1
    assert world.deliveries.claim(hook["id"], count=5, lease_ms=300) == []
    until(lambda: world.deliveries.claim(hook["id"], count=5, lease_ms=300))


def test_the_lists_are_bounded(world: World) -> None:
    deliveries = Deliveries(world.redis, most=3, keep_seconds=60)
    now = deliveries.now()
    lost = [deliveries.add(Delivery(f"msg_{n}", 1, "test", 0, now + n, "{}")) for n in range(5)]
    assert lost == [0, 0, 0, 1, 1]
    assert deliveries.add(Delivery("msg_4", 1, "test", 0, now, "{}")) == 0
    assert [one.id for one in deliveries.page(1, page=1, size=10)[0]] == ["msg_4", "msg_3", "msg_2"]
    assert deliveries.add(Delivery("msg_9", 1, "test", 0, now + 100_000, "{}")) == 3
    assert [one.id for one in deliveries.page(1, page=1, size=10)[0]] == ["msg_9"]


@pytest.mark.parametrize(
    ("address", "denied"),
    [
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("fe80::1", True),
        ("0.0.0.0", True),
        ("::", True),
        ("224.0.0.1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("2001:db8::1", False),
    ],
)
def test_link_local_and_its_like_are_denied(address: str, denied: bool) -> None:
    assert is_denied(ip_address(address), DENIED) is denied


def test_the_address_is_checked_that_is_connected_to(receiver: Receiver) -> None:
    """A name that leads to a denied address, and that address itself; counted: requests that arrive."""
    loopback = parse_networks("127.0.0.0/8,::1/128")
    for host in ("localhost", "127.0.0.1", "[::ffff:127.0.0.1]"):
        met = send(f"http://{host}:{receiver.port}/", {}, b"{}", seconds=2, denied=loopback)
        assert "denied" in met.error, met
    assert receiver.got == []
    assert send(receiver.url, {}, b"{}", seconds=2, denied=DENIED).code == 204


def test_an_attempt_is_over_in_time_however_slowly_the_other_side_is() -> None:
    stop = threading.Event()
    receiver = Receiver(answer=lambda _received: 200 + stop.wait(10))
    try:
        met = send(receiver.url, {}, b"{}", seconds=0.3, denied=())
        assert (met.code, met.error) == (None, "no answer within 0.3 s")
    finally:
        stop.set()
        receiver.stop()


def test_waits_grow_to_the_longest_and_differ() -> None:
    settings = WebhookSettings()
    waits = [wait_seconds(settings, attempts) for attempts in range(1, settings.attempts)]
    assert all(0.75 <= wait / min(5 * 2**n, 3600) <= 1.25 for n, wait in enumerate(waits))
    assert 1.5 * 3600 < sum(waits) < 4 * 3600
    assert len({wait_seconds(settings, 1) for _ in range(20)}) > 1


def test_a_secret_is_in_redis_only_encrypted_and_in_no_answer_but_the_first(world: World) -> None:
    hook = world.add("http://127.0.0.1:9/path", secret=PLANTED)
    assert hook["secret"] == PLANTED
    raw = PLANTED.removeprefix("whsec_")
    texts = [str(world.redis.hgetall("{webhook}:hooks"))]
    texts += [str(world.iam.data("GET", path)) for path in ("/webhooks", f"/webhooks/{hook['id']}", "/audit")]
    assert [text for text in texts if raw in text] == []
    assert "/path" not in texts[-1]
    assert world.hooks.secret_of(world.hooks.get(hook["id"])) == PLANTED
    with pytest.raises(Exception, match=r"another api\.secret_key"):
        Hooks(world.redis, "another key that is long enough").secret_of(world.hooks.get(hook["id"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://example.org/"),
        ("url", "https://user:password@example.org/"),
        ("url", "https://example.org/#part"),
        ("events", ["task.began"]),
        ("events", []),
        ("secret", "whsec_c2hvcnQ="),
        ("secret", PLANTED.removeprefix("whsec_")),
    ],
)
def test_a_wrong_webhook_is_refused_by_its_field(world: World, field: str, value: Any) -> None:
    body = {"url": "https://example.org/", field: value}
    error = world.iam.refused(400, 10001, "POST", "/webhooks", body)
    assert error["target"] == field
    assert PLANTED.removeprefix("whsec_") not in str(error)


def test_webhooks_are_changed_tried_and_forgotten(world: World, receiver: Receiver) -> None:
    hook = world.add("http://127.0.0.1:9/")
    path = f"/webhooks/{hook['id']}"
    assert world.iam.data("PATCH", path, {"url": receiver.url, "taskName": "x"})["taskName"] == "x"
    world.iam.refused(400, 10001, "PATCH", path, {})
    world.start()
    made = world.iam.data("POST", f"{path}/test")
    until(lambda: [one.id for one in receiver.said("test")] == [made["id"]])
    assert world.iam.call("DELETE", path).status_code == 200
    for method, gone in (("GET", path), ("DELETE", path), ("GET", f"{path}/deliveries"), ("POST", f"{path}/test")):
        world.iam.refused(404, 10002, method, gone)
    assert list(world.redis.scan_iter(match=f"{{webhook}}:{hook['id']}:*")) == []


def test_without_a_secret_key_there_are_none() -> None:
    iam = Iam(fakeredis.FakeRedis(decode_responses=True), ApiSettings())
    iam.refused(409, 10001, "POST", "/webhooks", {"url": "https://example.org/"})


@pytest.mark.parametrize(("count", "fits"), [(23, False), (24, True), (25, True), (62, True), (64, True), (65, False)])
def test_a_secret_has_24_to_64_bytes(count: int, fits: bool) -> None:
    text = f"whsec_{base64.b64encode(b'x' * count).decode()}"
    assert (re.fullmatch(PATTERN, text) is not None) is fits
    assert re.fullmatch(PATTERN, make_secret())
