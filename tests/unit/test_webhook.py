"""Webhooks: what is told to whom, how often it is tried, and what is never connected to."""

import base64
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

import fakeredis
import pytest

from api.webhook.deliverer import Deliverer, wait_seconds
from api.webhook.delivery import Deliveries, Delivery
from api.webhook.guard import is_denied, parse_networks
from api.webhook.hook import MOST_OLDER, Hooks
from api.webhook.sender import asked_wait, send
from api.webhook.signature import PATTERN, headers, make_secret
from config.settings import ApiSettings, WebhookSettings
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.operation import Operations
from dag.outbox import Outbox
from dag.registry import HostRegistry
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
        events = outbox.take(count=10, block_ms=1, idle_ms=60_000)
        outbox.done(events)
        return [event.kind for event in events]


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
    made = headers([secret], "msg_1", 1700000000, body)
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
    now, kept = world.deliveries.now(), world.hooks.get(hook["id"])
    assert world.hooks.secrets_of(kept, now) == [PLANTED]
    with pytest.raises(Exception, match=r"another api\.secret_key"):
        Hooks(world.redis, "another key that is long enough").secrets_of(kept, now)


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


def rotate(world: World, hook: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    found: dict[str, Any] = world.iam.data("POST", f"/webhooks/{hook['id']}/rotateSecret", wanted)
    return found


def test_a_message_is_signed_with_each_secret_that_is_valid(world: World, receiver: Receiver) -> None:
    hook, verify = world.add(receiver.url), documented_verify()
    world.start()

    def valid(secrets: list[str]) -> list[bool]:
        sent = world.iam.data("POST", f"/webhooks/{hook['id']}/test")["id"]
        until(lambda: [one for one in receiver.got if one.id == sent])
        [got] = [one for one in receiver.got if one.id == sent]
        assert len(got.headers["webhook-signature"].split()) == len(world.secrets(hook))
        return [verify(secret, got.headers, got.body) for secret in secrets]

    first = hook["secret"]
    made = rotate(world, hook)
    second = made["secret"]
    assert second != first
    path = f"/webhooks/{hook['id']}"
    assert world.iam.data("GET", path)["olderSecretsEndTime"] == made["olderSecretsEndTime"]
    assert valid([first, second]) == [True, True]
    # Whoever does it twice, since an answer got lost, shuts nobody out.
    assert rotate(world, hook, secret=PLANTED, overlapSeconds=60)["secret"] == PLANTED
    assert valid([first, second, PLANTED]) == [True, True, True]
    last = rotate(world, hook, overlapSeconds=0)
    assert last["olderSecretsEndTime"] is None
    assert valid([first, second, PLANTED, last["secret"]]) == [False, False, False, True]
    texts = [str(world.redis.hgetall("{webhook}:hooks")), str(world.iam.data("GET", "/audit")), str(receiver.got)]
    raw = [one.removeprefix("whsec_") for one in (first, second, PLANTED, last["secret"])]
    assert [one for one in raw for text in texts if one in text] == []


def test_an_older_secret_ends_in_time_and_there_are_few(world: World) -> None:
    hook = world.add("http://127.0.0.1:9/")
    now = world.deliveries.now()
    made = [make_secret() for _ in range(MOST_OLDER + 3)]
    for secret in made:
        world.hooks.rotate(hook["id"], secret, now=now, overlap_ms=1000)
    kept = world.hooks.get(hook["id"])
    assert world.hooks.secrets_of(kept, now + 999) == made[: -MOST_OLDER - 2 : -1]
    assert world.hooks.secrets_of(kept, now + 1000) == made[-1:]
    # What can't be read any more is left out: a new secret mends what another api.secret_key has broken.
    other = Hooks(world.redis, "another key that is long enough")
    other.rotate(hook["id"], PLANTED, now=now, overlap_ms=1000)
    assert other.secrets_of(other.get(hook["id"]), now) == [PLANTED]


@pytest.mark.parametrize(
    ("field", "value"), [("overlapSeconds", -1), ("overlapSeconds", 7 * 86_400 + 1), ("secret", "whsec_c2hvcnQ=")]
)
def test_a_wrong_rotation_is_refused_by_its_field(world: World, field: str, value: Any) -> None:
    hook = world.add("http://127.0.0.1:9/")
    before = world.hooks.get(hook["id"])
    path = f"/webhooks/{hook['id']}/rotateSecret"
    assert world.iam.refused(400, 10001, "POST", path, {field: value})["target"] == field
    assert world.hooks.get(hook["id"]) == before
    world.iam.refused(404, 10002, "POST", "/webhooks/99/rotateSecret", {})


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


def test_the_first_failure_is_told_once_from_a_tasks_beginning_to_its_end(world: World) -> None:
    HostRegistry(world.redis).create([Host(0, "10.0.0.2")])
    task = world.store.submit(BATCH_RESTART, [1, 2], creator="ann", executor="e", trace_id="t")
    operations = Operations(world.store)
    world.fail_step(task, 0)
    assert world.told() == ["task.failed"]
    # Retried while the task still runs, and failed again: nobody is told twice.
    operations.retry_node(task, world.store.read(task).graph.base)
    world.fail_step(task, 0)
    world.fail_step(task, 1)
    assert world.told() == ["task.ended"]
    # One of two failures is retried, and the task goes on: what fails from now on is told once more.
    world.release(task)
    operations.retry_node(task, world.store.read(task).graph.base)
    world.fail_step(task, 0)
    assert world.told() == ["task.failed", "task.ended"]


def test_without_a_secret_key_there_are_none() -> None:
    iam = Iam(fakeredis.FakeRedis(decode_responses=True), ApiSettings())
    iam.refused(409, 10001, "POST", "/webhooks", {"url": "https://example.org/"})


@pytest.mark.parametrize(("count", "fits"), [(23, False), (24, True), (25, True), (62, True), (64, True), (65, False)])
def test_a_secret_has_24_to_64_bytes(count: int, fits: bool) -> None:
    text = f"whsec_{base64.b64encode(b'x' * count).decode()}"
    assert (re.fullmatch(PATTERN, text) is not None) is fits
    assert re.fullmatch(PATTERN, make_secret())
