"""The executor on OpenSSH's own server: logins that fail as they should, time limits, and connections that die."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import asyncssh
import pytest
from paramiko import Transport

from config.settings import SshSettings
from dag.host import Host
from tests.openssh import FEW_ROUNDS, OpenSshHosts
from tests.wait import until
from workers.remote.error import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    KeyFileError,
    RemoteCancelled,
    RemoteTimeout,
)
from workers.remote.executor import Executor
from workers.remote.settings import load_key, ssh_options

Make = Callable[..., Executor]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshHosts]:
    """A server of this module's own, which its tests stop and start."""
    hosts = OpenSshHosts(Path(tmp_path_factory.mktemp("executor")), 4, network=79)
    with hosts.started():
        yield hosts


@pytest.fixture
def make(server: OpenSshHosts) -> Iterator[Make]:
    """Executors with these settings, closed at the end; no thread and no socket of them may be left."""
    made: list[Executor] = []
    threads = set(threading.enumerate())

    def create(**settings: Any) -> Executor:
        base: dict[str, Any] = {
            "key_file": str(server.key_path),
            "known_hosts": str(server.known_hosts_path),
            "user": server.user,
        }
        made.append(Executor(ssh_options(SshSettings(**{**base, **settings}))))
        return made[-1]

    yield create
    for executor in made:
        executor.close()
    until(lambda: set(threading.enumerate()) <= threads)


def host(server: OpenSshHosts, number: int = 1, **fields: Any) -> Host:
    values: dict[str, Any] = {"address": server.address(number), "ssh_port": server.port, **fields}
    return Host(id=number, **values)


def run(executor: Executor, at: Host, script: str, seconds: float = 10, cancelled: Event | None = None) -> str:
    text = f"{{\n{script}\n}}\n"
    return executor.run(at, text, timeout_seconds=seconds, cancelled=cancelled or Event()).output


def test_output_and_exit_code_arrive(server: OpenSshHosts, make: Make) -> None:
    script = "{\necho out; echo err >&2; echo more; exit 7\n}\n"
    done = make().run(host(server), script, timeout_seconds=10, cancelled=Event())
    assert (done.exit_code, sorted(done.output.split())) == (7, ["err", "more", "out"])


def test_large_output_keeps_its_beginning_and_its_end(server: OpenSshHosts, make: Make) -> None:
    text = run(make(), host(server), "echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 0")
    assert text.startswith("first\n")
    assert text.endswith("x\nlast\n")
    assert "bytes left out" in text
    assert len(text) < 1_100_000


def test_connections_are_kept_and_used_again(server: OpenSshHosts, make: Make) -> None:
    executor = make()
    parents = {run(executor, host(server), "echo $PPID; exit 0") for _ in range(5)}
    assert len(parents) == 1


def test_scripts_follow_each_other_in_one_shell_and_leave_nothing_to_each_other(
    server: OpenSshHosts, make: Make
) -> None:
    executor = make()
    told = "echo $$ ${kept-unset} $PWD $(umask)"
    before = run(executor, host(server), f"{told}; kept=yes; cd /; umask 0; exec 3</dev/null; exit 0")
    assert run(executor, host(server), f"{told}; [ ! -e /proc/self/fd/3 ] || echo open; exit 0") == before
    assert run(executor, host(server, 2), "echo $$; exit 0") != before


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$", "kill -9 $(exec sh -c 'echo $PPID')", "(("])
def test_a_shell_whose_script_did_not_end_well_is_not_used_again(server: OpenSshHosts, make: Make, end: str) -> None:
    executor = make()
    before = run(executor, host(server), "echo $$; exit 0")
    run(executor, host(server), end)
    after = run(executor, host(server), "echo $$; exit 0")
    assert after.strip().isdecimal()
    assert after != before


def test_a_shell_that_was_ended_meanwhile_is_opened_anew(server: OpenSshHosts, make: Make) -> None:
    executor = make()
    before = run(executor, host(server), "echo $$ $PPID; exit 0").split()
    os.kill(int(before[0]), signal.SIGKILL)
    after = run(executor, host(server), "echo $$ $PPID; exit 0").split()
    assert after[0] != before[0]
    assert after[1] == before[1], "in the same connection"


def test_a_shell_that_does_not_answer_gets_no_script(server: OpenSshHosts, make: Make) -> None:
    """Stopped: the kept shell. Counted: how often the script ran, once that shell goes on."""
    executor = make(channel_timeout_seconds=0.5)
    ran = server.root / "home/ran"
    shell = int(run(executor, host(server), "echo $$; exit 0"))
    os.kill(shell, signal.SIGSTOP)
    assert run(executor, host(server), f"echo here >>{ran}; exit 0") == ""
    os.kill(shell, signal.SIGCONT)
    until(lambda: not Path(f"/proc/{shell}").exists())
    assert ran.read_text() == "here\n"


def test_what_a_script_leaves_in_the_background_does_not_speak_into_the_next(server: OpenSshHosts, make: Make) -> None:
    executor = make()
    marker = server.root / "home/may-speak"
    wait = f"while [ ! -e {marker} ]; do sleep 0.05; done"
    before = run(executor, host(server), f"({wait}; echo late; touch {marker}-done) </dev/null & echo $$; exit 0")
    marker.touch()
    until(Path(f"{marker}-done").exists)
    after = run(executor, host(server), "echo $$; exit 0")
    assert after.strip().isdecimal()
    assert after != before


def test_idle_connections_are_closed_after_a_while(server: OpenSshHosts, make: Make) -> None:
    before = threading.active_count()
    executor = make(idle_seconds=1.0)
    run(executor, host(server), "exit 0")
    assert threading.active_count() == before + 2
    until(lambda: threading.active_count() == before + 1)


def test_the_pool_is_bounded(server: OpenSshHosts, make: Make) -> None:
    executor = make(pool_size=2)
    seen: list[int] = []

    def work(number: int) -> None:
        run(executor, host(server, number), "sleep 0.2; exit 0")

    threads = [threading.Thread(target=work, args=(n % 4 + 1,)) for n in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        # An ended one's thread lives on for a moment.
        seen.append(sum(isinstance(t, Transport) and t.is_active() for t in threading.enumerate()))
        time.sleep(0.01)
    assert max(seen) <= 2


def test_the_socket_has_no_delay(server: OpenSshHosts, make: Make) -> None:
    executor = make()
    with executor._pool.lend(host(server)) as (link, kept):
        sock = link.connection.client.get_transport().sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert not kept


def test_failed_logins_are_told_apart_and_leave_nothing(server: OpenSshHosts, make: Make, tmp_path: Path) -> None:
    other = tmp_path / "other_key"
    other.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    known = server.known_hosts_path.read_text()
    unknown, changed = tmp_path / "unknown", tmp_path / "changed"
    unknown.write_text("")
    wrong = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[1]
    changed.write_text("".join(f"{line.rsplit(' ', 1)[0]} {wrong}\n" for line in known.splitlines()))
    make().close()
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (AuthenticationFailed, "refuses the login of user", {"key_file": str(other)}),
        (
            HostKeyUnknown,
            f"ssh-keyscan -p {server.port} {server.address(1)} >> {unknown}",
            {"known_hosts": str(unknown)},
        ),
        (HostKeyUnknown, "SHA256:", {"known_hosts": str(unknown)}),
        (HostKeyUnknown, "ssh.known_hosts", {"known_hosts": str(tmp_path / "nowhere")}),
        (HostKeyChanged, "not the known", {"known_hosts": str(changed)}),
    ]
    for kind, words, settings in cases:
        executor = make(**settings)
        with pytest.raises(kind) as caught:
            run(executor, host(server), "exit 0")
        assert words in str(caught.value)
        executor.close()
    until(lambda: threading.active_count() == threads)
    until(lambda: len(os.listdir("/proc/self/fd")) == files)


def test_an_enrolled_key_is_known_without_a_restart(server: OpenSshHosts, make: Make, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("# none yet\n")
    executor = make(known_hosts=str(known))
    with pytest.raises(HostKeyUnknown):
        run(executor, host(server), "exit 0")
    known.write_text(server.known_hosts_path.read_text())
    assert run(executor, host(server), "echo in; exit 0") == "in\n"


def test_nobody_there_and_somebody_silent_are_unreachable(server: OpenSshHosts, make: Make) -> None:
    executor = make(connect_timeout_seconds=0.5)
    with pytest.raises(HostUnreachable, match="Connection refused"):
        run(executor, host(server, ssh_port=1), "exit 0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(HostUnreachable, match=r"no SSH server greeted within 0\.5 s"):
            run(executor, Host(9, "127.0.0.1", ssh_port=silent.getsockname()[1]), "exit 0")
        assert time.monotonic() - began < 12


def test_a_host_whose_packets_are_dropped_gives_no_answer(server: OpenSshHosts, make: Make) -> None:
    """A full queue of connections that nobody accepts: the kernel drops what comes then, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with pytest.raises(HostUnreachable, match="no answer in time"):
            run(make(connect_timeout_seconds=0.5), Host(9, "127.0.0.1", ssh_port=full.getsockname()[1]), "exit 0")


@pytest.mark.parametrize(
    ("sent", "words"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "greeted"), (b"SSH-2.0-mute\r\n", "handshake did not")]
)
def test_what_is_no_ssh_server_is_said(server: OpenSshHosts, make: Make, sent: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=lambda: greet(listener, sent))
        answering.start()
        with pytest.raises(HostUnreachable, match=words):
            run(make(connect_timeout_seconds=0.5), Host(9, "127.0.0.1", ssh_port=listener.getsockname()[1]), "exit 0")
        answering.join()


def greet(listener: socket.socket, words: bytes) -> None:
    """Send these words to whoever connects, and listen until they go."""
    with listener.accept()[0] as connection:
        connection.sendall(words)
        while connection.recv(4096):
            continue


def test_a_worker_without_a_key_says_what_to_set(server: OpenSshHosts, make: Make) -> None:
    with pytest.raises(AuthenticationFailed, match=r"set ssh\.key_file"):
        run(make(key_file=""), host(server), "exit 0")


def test_a_script_that_hangs_is_left_at_its_time_limit(server: OpenSshHosts, make: Make) -> None:
    with pytest.raises(RemoteTimeout, match="time limit") as raised:
        run(make(), host(server), "echo so far; sleep 30", seconds=1.5)
    assert raised.value.output == "so far\n"


def test_a_cancelled_run_returns_at_once(server: OpenSshHosts, make: Make) -> None:
    cancelled, began = Event(), time.monotonic()
    threading.Timer(0.3, cancelled.set).start()
    with pytest.raises(RemoteCancelled):
        run(make(), host(server), "sleep 30", cancelled=cancelled)
    assert time.monotonic() - began < 20


def test_a_server_that_goes_away_is_noticed_and_its_return_too(server: OpenSshHosts, make: Make) -> None:
    executor = make()
    assert run(executor, host(server), "echo before; exit 0") == "before\n"
    marker = server.root / "home/under-way"
    stopping = threading.Thread(target=lambda: (until(marker.exists), server.stop_server()))
    stopping.start()
    try:
        with pytest.raises(ConnectionLost, match="was lost"):
            run(executor, host(server), "touch $HOME/under-way; sleep 30")
        stopping.join()
    finally:
        server.start_server()
    assert run(executor, host(server), "echo after; exit 0") == "after\n"


def test_a_kept_connection_that_died_meanwhile_is_opened_anew(server: OpenSshHosts, make: Make) -> None:
    executor = make()
    run(executor, host(server), "exit 0")
    server.stop_server()
    server.start_server()
    assert run(executor, host(server), "echo again; exit 0") == "again\n"


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
def test_keys_with_a_passphrase(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "key"
    key = asyncssh.generate_private_key(algorithm)
    path.write_bytes(key.export_private_key(passphrase="planted-4711", rounds=FEW_ROUNDS))
    assert load_key(path, "planted-4711").get_base64() == key.export_public_key().decode().split()[1]
    for passphrase, words in (("", "set ssh.passphrase"), ("planted-wrong", "ssh.passphrase does not fit")):
        with pytest.raises(KeyFileError) as caught:
            load_key(path, passphrase)
        assert words in str(caught.value)
        assert "planted" not in str(caught.value)


def test_a_key_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"ssh\.key_file .*No such file"):
        load_key(tmp_path / "nowhere", "")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(KeyFileError, match="no private key"):
        load_key(tmp_path / "text", "")


def test_a_host_s_credential_names_its_key(server: OpenSshHosts, make: Make, tmp_path: Path) -> None:
    """The worker's own key is refused there; the one named by the credential is not, and is read again once changed."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
    (tmp_path / "own").write_bytes(other)
    (tmp_path / "keys").mkdir()
    executor = make(key_file=str(tmp_path / "own"), key_dir=str(tmp_path / "keys"))
    named = host(server, credential_id=7)
    with pytest.raises(KeyFileError, match=r"Host 1 names credential 7, and ssh\.key_dir has no such key"):
        run(executor, named, "exit 0")
    (tmp_path / "keys/7").write_bytes(other)
    with pytest.raises(AuthenticationFailed):
        run(executor, named, "exit 0")
    (tmp_path / "keys/7").write_bytes(server.key_path.read_bytes())
    assert run(executor, named, "echo in; exit 0") == "in\n"
    with pytest.raises(AuthenticationFailed):
        run(executor, host(server), "exit 0")
    # Without a folder of keys an id is only kept.
    assert run(make(), named, "echo in; exit 0") == "in\n"


def test_another_user_s_shell_is_asked_of_sudo(server: OpenSshHosts, make: Make) -> None:
    """A recording sudo stands before the real one in the session's PATH."""
    folder = server.root / "home/bin"
    folder.mkdir(exist_ok=True)
    sudo = folder / "sudo"
    sudo.write_text('#!/bin/sh\necho "asked: $*"\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n')
    sudo.chmod(0o755)
    script = "{\necho ran; exit 0\n}\n"
    done = make().run(host(server), script, run_as="ocp user", timeout_seconds=10, cancelled=Event())
    assert done.output == "asked: -n -H -u ocp user -- sh\nran\n"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    done = make().run(host(server), script, run_as="ocp", timeout_seconds=10, cancelled=Event())
    assert (done.exit_code, done.output) == (1, "sudo: a password is required\n")
