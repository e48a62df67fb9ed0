"""One script in a shell: where the host ends it while the worker still sends, and where it ends in the output."""

import threading
import time
from typing import cast

import pytest
from paramiko import Channel

from dag.host import Host
from workers.remote.error import ConnectionLost
from workers.remote.session import Session
from workers.remote.shell import Mark, Shell


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


def session(channel: ClosedByHost) -> Session:
    return Session(Shell(cast(Channel, channel)), Host(1, "10.0.0.1"), time.monotonic() + 10, threading.Event())


@pytest.mark.parametrize("takes", [0, 1])
def test_an_answer_is_read_though_the_script_or_the_beat_could_not_be_sent(takes: int) -> None:
    done = session(ClosedByHost(b"sudo: a password is required\n", 1, takes)).run("exit 0\n")
    assert (done.exit_code, done.output) == (1, "sudo: a password is required\n")


@pytest.mark.parametrize("takes", [0, 1])
def test_a_channel_that_ends_with_its_connection_is_lost(takes: int) -> None:
    with pytest.raises(ConnectionLost, match="closed by the host"):
        session(ClosedByHost(b"half a line", None, takes)).run("exit 0\n")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_the_end_is_found_however_the_output_is_cut(size: int) -> None:
    mark = Mark("END")
    output = f"line\nEND\nEND {'0' * 16}\nEN".encode() + f"{mark.text}\n".encode()
    taken = b"".join(mark.take(output[at : at + size]) for at in range(0, len(output), size))
    assert taken == f"line\nEND\nEND {'0' * 16}\nEN".encode()
    assert mark.is_seen
    assert mark.is_last


def test_what_looks_like_the_begin_of_a_mark_is_not_lost_where_the_output_ends_with_it() -> None:
    mark = Mark("END")
    assert mark.take(b"line\nEN") == b"line\n"
    assert (mark.is_seen, mark.rest()) == (False, b"EN")


def test_a_shell_in_which_something_goes_on_printing_takes_no_other_script() -> None:
    mark = Mark("END")
    assert mark.take(f"line\n{mark.text}\nmore".encode()) == b"line\n"
    assert (mark.is_seen, mark.is_last) == (True, False)
