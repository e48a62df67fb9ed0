"""Logins of many threads at once, at a server that hangs up: each is told so, and nothing else."""

import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import pytest

from dag.host import Host
from workers.remote.error import HostUnreachable
from workers.remote.login import Login
from workers.remote.settings import SshOptions

THREADS, LOGINS = 8, 200


@pytest.fixture
def port() -> Iterator[int]:
    """A port where connections are taken and closed at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=THREADS) as server:
        thread = threading.Thread(target=hang_up, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def hang_up(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


@pytest.fixture
def _hasty() -> Iterator[None]:
    """Let threads interrupt each other wherever they are."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_hasty")
def test_threads_that_log_in_at_once_do_not_disturb_each_other(port: int, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(
        f"[127.0.0.1]:{port} {asyncssh.generate_private_key('ssh-ed25519').export_public_key().decode()}"
    )
    login = Login(SshOptions("admin", known_hosts))
    host = Host(1, "127.0.0.1", ssh_port=port)

    def try_it(_number: int) -> str:
        try:
            login.open(host)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "open"

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = Counter(pool.map(try_it, range(LOGINS)))
    fault = f"127.0.0.1 port {port} can't be reached: it takes connections, but closed this one before an SSH server"
    assert outcomes == {f"{HostUnreachable.__name__}: {fault} greeted.": LOGINS}
