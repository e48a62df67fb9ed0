"""Webhooks of a real stack: told of ends and failures, whatever is down or killed meanwhile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.port import free_port
from tests.receiver import Receiver, documented_verify
from tests.stack import RunningStack
from tests.wait import until

# gunicorn's, and the one that answers.
API_PROCESSES = 2


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    variables = {"MUSTER_WEBHOOK_FIRST_RETRY_SECONDS": "0.3", "MUSTER_WEBHOOK_LONGEST_RETRY_SECONDS": "1"}
    running = RunningStack(tmp_path / "data", ("--workers", "1"), variables).start()
    yield running
    running.stop()


def api_pids(stack: RunningStack) -> list[int]:
    return [pid for pid, words in stack.children().items() if "muster api" in words or "muster-api" in words]


def hook(stack: RunningStack, port: int) -> dict[str, Any]:
    answer = stack.http.post("/webhooks", json={"url": f"http://127.0.0.1:{port}/hook"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_what_ends_while_receiver_and_api_are_down_is_told_once_they_are_back(
    stack: RunningStack, tmp_path: Path
) -> None:
    """Down: the receiver; paused before the task's end and killed after it: both API processes. Counted: messages."""
    port, verify = free_port("127.0.0.1"), documented_verify()
    made = hook(stack, port)
    [host] = stack.enrol(
        [
            {
                "address": "127.0.0.1",
                "name": "bad",
                "ssh_port": 9,
                "user": "x",
                "profile": "ocp_agentctl",
                "variables": {},
            }
        ]
    )
    first = stack.follow(stack.restart([host])["id"])
    until(lambda: _tries(stack, made) > 2)
    [worker] = [pid for pid, words in stack.children().items() if words.endswith("muster worker")]
    os.kill(worker, signal.SIGSTOP)
    second = stack.restart([host])["id"]
    pids = api_pids(stack)
    assert len(pids) == API_PROCESSES
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGCONT)
    # Asked of Redis: the API is paused.
    until(lambda: stack.store.read(second).head.status == "FAILED", 60)
    assert stack.redis.xlen(stack.store.keys.outbox) == len(("task.failed", "task.ended"))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    receiver = Receiver(port)
    try:
        until(stack.is_ready, 60)
        wanted = {(kind, task) for kind in ("task.ended", "task.failed") for task in (first["id"], second)}
        until(lambda: {(one.said["type"], one.said["data"]["task"]["id"]) for one in receiver.got} == wanted, 60)
        assert all(verify(made["secret"], one.headers, one.body) for one in receiver.got)
        assert {one.said["data"]["failed"][0]["hostId"] for one in receiver.got} == {host}
        # As many ids as there were events, however often each was sent.
        assert len({one.id for one in receiver.got}) == len(wanted)
        until(lambda: {one["status"] for one in _deliveries(stack, made)} == {"DELIVERED"})
        audit = stack.http.get("/audit", params={"size": 100}).text
    finally:
        receiver.stop()
    raw = made["secret"].removeprefix("whsec_")
    texts = {"hooks": str(stack.redis.hgetall("{webhook}:hooks")), "audit": audit}
    texts |= {str(path): path.read_text(errors="replace") for path in (tmp_path / "data/log").iterdir()}
    assert "webhooks.create_webhook" in audit
    assert [name for name, text in texts.items() if raw in text] == []


def _deliveries(stack: RunningStack, made: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.http.get(f"/webhooks/{made['id']}/deliveries").json()["data"]["contents"]
    return found


def _tries(stack: RunningStack, made: dict[str, Any]) -> int:
    return sum(one["attempts"] for one in _deliveries(stack, made))
