"""Deliveries of webhooks: how often they are tried and when, and what is never connected to."""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address

import pytest

from api.webhook.deliverer import wait_seconds
from api.webhook.delivery import Deliveries, Delivery
from api.webhook.guard import is_denied, parse_networks
from api.webhook.sender import asked_wait, send
from config.settings import WebhookSettings
from dag.outbox import Outbox
from tests.receiver import Receiver
from tests.wait import until
from tests.webhook import QUICK, World

DENIED = parse_networks(WebhookSettings().denied_networks)


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
    slow = Receiver(answer=lambda _received: 200 if go_on.wait(30) else 500)
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
    taken = outbox.take(count=10, block_ms=1)
    assert [event.kind for event in taken] == ["task.failed", "task.ended"]
    again = Outbox(world.store, "alive").take_over(count=10, idle_ms=0)
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


def test_what_waits_for_a_webhook_that_is_disabled_waits_on_uncounted(world: World, receiver: Receiver) -> None:
    """Disabled: with a delivery due, and again with one claimed; counted: attempts, requests."""
    hook = world.add(receiver.url)
    path = f"/webhooks/{hook['id']}"
    now = world.deliveries.now()
    for n in range(2):
        world.deliveries.add(Delivery(f"msg_{n}", hook["id"], "test", 0, now, "{}"))
    kept, [claimed] = world.hooks.get(hook["id"]), world.deliveries.claim(hook["id"], count=1, lease_ms=60_000)
    world.iam.data("PATCH", path, {"enabled": False})
    deliverer = world.deliverer()
    deliverer.turn()
    deliverer.turn()
    deliverer.attempt(kept, claimed)
    assert receiver.got == []
    assert {(one["status"], one["attempts"], one["error"]) for one in world.listed(hook)} == {("PENDING", 0, "")}
    for call in (f"{path}/test", f"{path}/deliveries/msg_0/redeliver"):
        assert "enable it first" in world.iam.refused(409, 10001, "POST", call)["message"]
    world.iam.data("PATCH", path, {"enabled": True})
    world.start()
    until(lambda: {(one["status"], one["attempts"]) for one in world.listed(hook)} == {("DELIVERED", 1)})
    assert len(receiver.got) == 2


def test_nothing_is_sent_to_a_webhook_that_was_removed_meanwhile(world: World, receiver: Receiver) -> None:
    hook = world.add(receiver.url)
    world.deliveries.add(Delivery("msg_1", hook["id"], "test", 0, world.deliveries.now(), "{}"))
    kept, [claimed] = world.hooks.get(hook["id"]), world.deliveries.claim(hook["id"], count=1, lease_ms=60_000)
    world.iam.call("DELETE", f"/webhooks/{hook['id']}")
    world.deliverer().attempt(kept, claimed)
    assert receiver.got == []
    assert list(world.redis.scan_iter(match=f"{{webhook}}:{hook['id']}:*")) == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_a_pause_gets_it_for_all_its_messages(world: World, status: int) -> None:
    answers = iter([status])
    receiver = Receiver(answer=lambda _received: next(answers, 204))
    receiver.headers = {"Retry-After": "1"}
    try:
        hook = world.add(receiver.url)
        path = f"/webhooks/{hook['id']}/test"
        world.start()
        first = world.iam.data("POST", path)["id"]
        until(lambda: [one["code"] for one in world.listed(hook)] == [status])
        second = world.iam.data("POST", path)["id"]
        until(lambda: {one["status"] for one in world.listed(hook)} == {"DELIVERED"})
    finally:
        receiver.stop()
    # Its own wait would have been 0.1 s; and the other message has waited, too.
    assert {one.id for one in receiver.got[1:]} == {first, second}
    assert receiver.times[1] - receiver.times[0] > 0.95
    assert {one["id"]: one["attempts"] for one in world.listed(hook)} == {first: 2, second: 1}


def test_a_wait_that_is_asked_for_is_never_longer_than_the_longest(receiver: Receiver) -> None:
    world = World(WebhookSettings(first_retry_seconds=0.1, longest_retry_seconds=0.3, timeout_seconds=2))
    receiver.headers = {"Retry-After": "86400"}
    slow = Receiver(answer=lambda _received: 503)
    slow.headers = receiver.headers
    try:
        hook = world.add(slow.url)
        world.start()
        world.iam.data("POST", f"/webhooks/{hook['id']}/test")
        until(lambda: len(slow.got) > 2)
    finally:
        for deliverer in world.running:
            deliverer.stop()
        slow.stop()


@pytest.mark.parametrize(
    ("status", "header", "asked"),
    [
        (429, "120", 120),
        (503, "0", 0),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", 0),
        (503, "soon", 0),
        (503, "-5", 0),
        (503, "", 0),
        (500, "120", 0),
        (200, "120", 0),
    ],
)
def test_a_wait_is_asked_for_in_seconds_or_by_a_date(status: int, header: str, asked: int) -> None:
    assert asked_wait(status, [(b"date", b"x"), (b"Retry-After", header.encode())]) == asked
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    found = asked_wait(status, [(b"retry-after", date.encode())])
    assert found == pytest.approx(600 if status in (429, 503) else 0, abs=5)


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
