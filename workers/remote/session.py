"""One script in a shell on a host: sends it, hears what it prints, and lets go of it when it is to end."""

import time
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from paramiko.ssh_exception import SSHException

from dag.host import Host
from workers.remote.error import ConnectionLost, RemoteCancelled, RemoteTimeout
from workers.remote.shell import Mark, Shell

# How soon a cancelled run is noticed while its host is silent.
LOOK_SECONDS = 0.5
# How often the script is told that somebody still waits for it.
BEAT_SECONDS = 1.0
# A script whose input is closed ends itself and all that it has started; what it says of that is waited for so long.
LET_GO_SECONDS = 2.0
# Kept of the output: its beginning, and its end, where the result stands.
HEAD_BYTES, TAIL_BYTES = 768 * 1024, 256 * 1024
CHUNK = 64 * 1024


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


class Session:
    """One script in one shell."""

    def __init__(
        self, shell: Shell, host: Host, ends_at: float, cancelled: Event, listener: Listener = UNHEARD
    ) -> None:
        self._shell, self._channel = shell, shell.channel
        self._host, self._listener = host, listener
        self._mark = Mark("MUSTER-END")
        self._ends_at, self._cancelled = ends_at, cancelled
        self._head, self._tail, self._dropped = bytearray(), bytearray(), 0
        self._beat_at = 0.0

    def run(self, script: str) -> Completed:
        """Return how it ended; the shell is left open where it can take another.

        Raises:
            ConnectionLost, RemoteTimeout, RemoteCancelled: it did not run to its end
        """
        started = time.monotonic()
        try:
            self._channel.settimeout(LOOK_SECONDS)
            self._send(self._shell.text(script, self._mark))
            while not self._mark.is_seen and (chunk := self._receive()):
                self._take(self._mark.take(chunk))
            self._take(self._mark.rest())
            code = 0 if self._mark.is_seen else self._exit_code()
        except (RemoteCancelled, RemoteTimeout) as error:
            self._let_go()
            raise type(error)(str(error), self._output()) from None
        except (SSHException, EOFError, OSError) as error:
            text = f"The connection to {self._host.address} was lost ({words(error)})."
            raise ConnectionLost(text, self._output()) from None
        finally:
            if not self.is_reusable:
                self._channel.close()
        return Completed(code, self._output(), time.monotonic() - started)

    @property
    def is_reusable(self) -> bool:
        """Whether the script has ended, with 0 and as the last to print anything."""
        return self._mark.is_seen and self._mark.is_last

    def _take(self, output: bytes) -> None:
        if output:
            self._keep(output)
            self._listener.printed(output)

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

    def _let_go(self) -> None:
        ends_at = time.monotonic() + LET_GO_SECONDS
        try:
            self._channel.shutdown_write()
            while (seconds := ends_at - time.monotonic()) > 0:
                self._channel.settimeout(seconds)
                if not (chunk := self._channel.recv(CHUNK)):
                    return
                self._take(self._mark.take(chunk))
        except (SSHException, EOFError, OSError):
            # Silent or gone.
            return

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
        """Raise where the run is to end."""
        if self._cancelled.is_set():
            raise RemoteCancelled(f"The run on {self._host.address} was given up.")
        if time.monotonic() > self._ends_at:
            raise RemoteTimeout(
                f"{self._host.address} did not answer within the time limit; the connection was closed, so that what "
                "ran there is ended."
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


def words(error: Exception) -> str:
    """Return what an error of the connection says."""
    return str(error) or type(error).__name__
