"""The embedded Valkey: a real server, seen from outside."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from cli.embedded import HOST, EmbeddedServer
from cli.port import free_port
from cli.supervisor import ChildDied, Supervisor

PASSWORD = "correct-horse-battery-staple"


class Running:
    """A server and who started it."""

    def __init__(self, directory: Path) -> None:
        self.notes: list[str] = []
        self.server = EmbeddedServer(directory / "valkey", free_port(HOST), PASSWORD)
        self.supervisor = Supervisor(directory, self.notes.append)
        self.start()

    def start(self) -> None:
        self.supervisor.start(self.server.program())
        self.supervisor.wait_for("valkey", self.server.answers, 10)

    @property
    def pid(self) -> int:
        return self.supervisor.pid("valkey")

    def client(self) -> Redis:
        return Redis.from_url(self.server.url, decode_responses=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    try:
        yield one
    finally:
        one.supervisor.stop()


def test_it_keeps_what_it_is_told_on_disk_and_never_evicts(running: Running) -> None:
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "save": "",
        "dir": str(running.server.directory),
    }
    with running.client() as redis:
        assert {name: redis.config_get(name)[name] for name in wanted} == wanted


@pytest.mark.parametrize("password", [None, "", "wrong"])
def test_it_refuses_who_has_no_password(running: Running, password: str | None) -> None:
    once = Retry(NoBackoff(), 0)
    with (
        Redis(host=HOST, port=running.server.port, password=password, retry=once) as redis,
        pytest.raises(AuthenticationError),
    ):
        redis.ping()


def test_data_outlives_an_orderly_stop(running: Running) -> None:
    with running.client() as redis:
        redis.set("kept", "yes")
    running.supervisor.stop()
    assert not running.server.answers()
    running.start()
    with running.client() as redis:
        assert redis.get("kept") == "yes"


def test_a_killed_server_comes_back_on_its_port_with_its_data(running: Running) -> None:
    with running.client() as redis:
        redis.set("kept", "yes")
        assert redis.waitaof(1, 0, 5000)[0] == 1
    killed = running.pid
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while running.pid == killed or not running.server.answers():
        assert time.monotonic() < deadline
        running.supervisor.tend()
    with running.client() as redis:
        assert redis.get("kept") == "yes"
    assert len(running.notes) == 1
    assert running.notes[0].startswith("valkey ended (signal SIGKILL)")


def test_the_password_is_on_no_command_line(running: Running) -> None:
    lines = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
    assert str(running.server.port).encode() in lines[running.pid]
    assert [pid for pid, line in lines.items() if PASSWORD.encode() in line] == []
    assert PASSWORD not in repr(running.server)


def test_only_this_user_may_read_the_configuration(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "valkey", 1, PASSWORD)
    server.program()
    path = server.directory / "valkey.conf"
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
    assert PASSWORD in path.read_text()
    path.chmod(0o644)
    server.program()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_with_blanks_and_quotes(tmp_path: Path) -> None:
    odd = tmp_path / 'a "strange" \\ place'
    odd.mkdir()
    one = Running(odd)
    one.supervisor.stop()
    assert (odd / "valkey/appendonlydir").is_dir()


def test_a_taken_port_is_told_with_the_end_of_the_log(running: Running, tmp_path: Path) -> None:
    other = EmbeddedServer(tmp_path / "other", running.server.port, "another")
    (tmp_path / "log").mkdir()
    supervisor = Supervisor(tmp_path / "log", lambda _text: None)
    supervisor.start(other.program())
    with pytest.raises(ChildDied, match=r"(?s)valkey ended at start \(exit code 1\).*in use"):
        supervisor.wait_for("valkey", other.answers, 10)
    supervisor.stop()
