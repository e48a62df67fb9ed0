"""Runs one script on one host: the only place where Muster talks SSH."""

import shlex
import time
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from fabric import Connection
from paramiko import Channel
from paramiko.ssh_exception import SSHException

from dag.host import Host
from dag.trace import current
from telemetry.span import NO_SPANS, Attribute, Span, Spans
from telemetry.worker import WorkerMetrics
from workers.remote.error import ConnectionLost, RemoteCancelled, RemoteError, RemoteTimeout
from workers.remote.login import Login
from workers.remote.pool import Pool
from workers.remote.settings import SshOptions

# How soon a cancelled run is noticed while its host is silent.
LOOK_SECONDS = 0.5
# How often the script is told that somebody still waits for it.
BEAT_SECONDS = 1.0
# Kept of the output: its beginning, and its end, where the result stands.
HEAD_BYTES, TAIL_BYTES = 768 * 1024, 256 * 1024
CHUNK = 64 * 1024
# How a script that did not end by itself is counted.
OUTCOMES = {ConnectionLost: "connection_lost", RemoteTimeout: "timeout", RemoteCancelled: "cancelled"}


@dataclass(frozen=True)
class Completed:
    """A script that ended: standard output and error as they came, exit code (-1: by a signal), time taken."""

    exit_code: int
    output: str
    duration_seconds: float


class Listener(Protocol):
    """Whoever wants to know of a script before it has ended; told by the thread that runs it, which must not wait."""

    def connecting(self, place: str) -> None:
        """A connection to this place is awaited."""

    def connected(self) -> None:
        """The script begins."""

    def printed(self, chunk: bytes) -> None:
        """It has printed this."""


class Unheard:
    """Nobody who wants to know."""

    def connecting(self, place: str) -> None:
        """Do nothing."""

    def connected(self) -> None:
        """Do nothing."""

    def printed(self, chunk: bytes) -> None:
        """Do nothing."""


UNHEARD = Unheard()


class Executor:
    """Runs scripts over kept connections; used by all threads of a worker."""

    def __init__(self, options: SshOptions, metrics: WorkerMetrics | None = None, spans: Spans = NO_SPANS) -> None:
        self._user, self._spans = options.user, spans
        self._metrics = metrics or WorkerMetrics()
        self._pool = Pool(options, Login(options), self._metrics)

    def run(
        self,
        host: Host,
        script: str,
        *,
        run_as: str = "",
        timeout_seconds: float,
        cancelled: Event,
        listener: Listener = UNHEARD,
    ) -> Completed:
        """Run the script with `sh` on the host, as user `run_as` where one is given (`sudo -n`).

        The script comes over standard input, which stays open while it runs: when it is closed (time limit, cancelled,
        connection lost), or nothing comes any more (it gets an empty line a second), the script ends itself and what it
        started.

        Raises:
            HostUnreachable, HostKeyUnknown, HostKeyChanged, AuthenticationFailed: there was no connection.
            ConnectionLost, RemoteTimeout, RemoteCancelled: the script did not run to its end.
        """
        ends_at = time.monotonic() + timeout_seconds
        other = run_as if run_as != (host.user or self._user) else ""
        listener.connecting(f"{host.address} port {host.ssh_port}")
        while True:
            with self._pool.lend(host) as (connection, kept):
                channel = _session(connection, host, kept)
                if channel:
                    listener.connected()
                    return self._measured(_Session(channel, host, ends_at, cancelled, listener), script, other, host)
            # What was kept open had died unnoticed. Nothing was sent yet, so the next one is tried.

    def _measured(self, session: "_Session", script: str, run_as: str, host: Host) -> Completed:
        began, outcome = time.monotonic(), "ended"
        try:
            return session.run(script, run_as)
        except RemoteError as error:
            outcome = OUTCOMES[type(error)]
            raise
        finally:
            seconds = time.monotonic() - began
            self._metrics.commanded(outcome, seconds)
            self._trace(host, outcome, seconds)

    def _trace(self, host: Host, outcome: str, seconds: float) -> None:
        trace = current()
        if trace and self._spans.wants(trace):
            attributes: dict[str, Attribute] = {
                "server.address": host.address,
                "server.port": host.ssh_port,
                "muster.outcome": outcome,
            }
            fault, now = "" if outcome == "ended" else outcome, time.time()
            self._spans.tell(Span(trace.part(), "ssh", now - seconds, now, "client", attributes, fault))

    @property
    def open_connections(self) -> int:
        """How many connections are open, idle ones included."""
        return self._pool.open_count

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


def _session(connection: Connection, host: Host, kept: bool) -> Channel | None:
    try:
        return connection.create_session()
    except (SSHException, EOFError, OSError):
        connection.client.close()
        if kept:
            return None
        raise ConnectionLost(f"{host.address} closed the connection before the script began.") from None


class _Session:
    """One script on one channel."""

    def __init__(
        self, channel: Channel, host: Host, ends_at: float, cancelled: Event, listener: Listener = UNHEARD
    ) -> None:
        self._channel, self._host, self._listener = channel, host, listener
        self._ends_at, self._cancelled = ends_at, cancelled
        self._head, self._tail, self._dropped = bytearray(), bytearray(), 0
        self._beat_at = 0.0

    def run(self, script: str, run_as: str) -> Completed:
        started = time.monotonic()
        shell = f"exec sudo -n -H -u {shlex.quote(run_as)} -- sh" if run_as else "exec sh"
        try:
            self._channel.set_combine_stderr(True)
            self._channel.settimeout(LOOK_SECONDS)
            self._channel.exec_command(shell)
            self._send(script.encode())
            while chunk := self._receive():
                self._keep(chunk)
                self._listener.printed(chunk)
            code = self._exit_code()
        except (SSHException, EOFError, OSError) as error:
            text = f"The connection to {self._host.address} was lost ({_words(error)})."
            raise ConnectionLost(text, self._output()) from None
        finally:
            self._channel.close()
        return Completed(code, self._output(), time.monotonic() - started)

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._channel.send(view[:CHUNK].tobytes()) :]
            except TimeoutError:
                self._check()
            except OSError:
                # Closed by the host: what it said before is still to be read, and tells more than this error.
                return

    def _receive(self) -> bytes:
        while True:
            self._check()
            self._beat()
            try:
                return bytes(self._channel.recv(CHUNK))
            except TimeoutError:
                continue

    def _beat(self) -> None:
        now = time.monotonic()
        # A window that is full of unread lines says nothing about the script: what it has read tells it enough.
        if now >= self._beat_at and self._channel.send_ready():
            self._send(b"\n")
            self._beat_at = now + BEAT_SECONDS

    def _exit_code(self) -> int:
        # The output has ended; the exit code follows at once, or the connection was cut.
        while not self._channel.status_event.wait(LOOK_SECONDS):
            self._check()
        transport = self._channel.get_transport()
        code = self._channel.exit_status
        if code == -1 and (transport is None or not transport.is_active()):
            raise EOFError("closed by the host")
        return int(code)

    def _check(self) -> None:
        """Raise where the run is to end; closing the channel makes the script end itself."""
        if self._cancelled.is_set():
            raise RemoteCancelled(f"The run on {self._host.address} was given up.", self._output())
        if time.monotonic() > self._ends_at:
            raise RemoteTimeout(
                f"{self._host.address} did not answer within the time limit; the connection was closed, so that what "
                "ran there is ended.",
                self._output(),
            )

    def _keep(self, chunk: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room < len(chunk) else b""
        over = len(self._tail) - TAIL_BYTES
        if over > 0:
            del self._tail[:over]
            self._dropped += over

    def _output(self) -> str:
        gap = f"\n[... {self._dropped} bytes left out ...]\n" if self._dropped else ""
        return self._head.decode(errors="replace") + gap + self._tail.decode(errors="replace")


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
