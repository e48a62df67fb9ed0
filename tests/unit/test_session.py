"""One script on one channel, where the host ends it while the worker still sends."""

import threading
import time
from typing import cast

import pytest
from paramiko import Channel

from dag.host import Host
from workers.remote.error import ConnectionLost
from workers.remote.executor import _Session


class ClosedByHost:
    """A channel that its host has answered and closed after `takes` sends; `code` None: the connection is gone, too."""

    def __init__(self, answer: bytes, code: int | None, takes: int) -> None:
        self._chunks = [answer, b""]
        self._takes = takes
        self.exit_status = -1 if code is None else code
        self.status_event = threading.Event()
        self.status_event.set()

    def set_combine_stderr(self, combine: bool) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def exec_command(self, command: str) -> None: ...

    def close(self) -> None: ...

    def get_transport(self) -> None: ...

    def send_ready(self) -> bool:
        return True

    def send(self, data: bytes) -> int:
        if not self._takes:
            raise OSError("Socket is closed")
        self._takes -= 1
        return len(data)

    def recv(self, size: int) -> bytes:
        return self._chunks.pop(0)


def session(channel: ClosedByHost) -> _Session:
    return _Session(cast(Channel, channel), Host(1, "10.0.0.1"), time.monotonic() + 10, threading.Event())


@pytest.mark.parametrize("takes", [0, 1])
def test_an_answer_is_read_though_the_script_or_the_beat_could_not_be_sent(takes: int) -> None:
    done = session(ClosedByHost(b"sudo: a password is required\n", 1, takes)).run("exit 0\n", "")
    assert (done.exit_code, done.output) == (1, "sudo: a password is required\n")


@pytest.mark.parametrize("takes", [0, 1])
def test_a_channel_that_ends_with_its_connection_is_lost(takes: int) -> None:
    with pytest.raises(ConnectionLost, match="closed by the host"):
        session(ClosedByHost(b"half a line", None, takes)).run("exit 0\n", "")
