"""Webhooks: what is told to whom, and under which secrets."""

import base64
import re
import subprocess
from typing import Any

import fakeredis
import pytest

from api.webhook.hook import MOST_OLDER, Hooks
from api.webhook.signature import PATTERN, headers, make_secret
from config.settings import ApiSettings
from dag.definition.batch_restart import BATCH_RESTART
from dag.host import Host
from dag.operation import Operations
from dag.registry import HostRegistry
from tests.iam import Iam
from tests.receiver import Receiver, documented_verify
from tests.wait import until
from tests.webhook import PLANTED, World


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
