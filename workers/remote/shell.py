"""A shell on a host that is used again: scripts follow each other in it, each in a subshell of its own.

A login shell and a session of sshd for each step would cost the host more than most steps do.
"""

import secrets
import shlex

from fabric import Connection
from paramiko import Channel


class Mark:
    """A line that nobody can print by chance; found in what a shell prints, whose chunks may cut it in two."""

    def __init__(self, word: str) -> None:
        self.text = f"{word} {secrets.token_hex(8)}"
        self._line, self._held = f"{self.text}\n".encode(), b""
        self.is_seen = self.is_last = False

    def take(self, chunk: bytes) -> bytes:
        """Return what stands before the mark, without an end that may be the beginning of it."""
        data = self._held + chunk
        before, found, behind = data.partition(self._line)
        if found:
            self.is_seen, self.is_last, self._held = True, not behind, b""
            return before
        size = max(n for n in range(len(self._line)) if data.endswith(self._line[:n]))
        self._held = data[len(data) - size :]
        return data[: len(data) - size]

    def rest(self) -> bytes:
        """Return what was held back; to be called where nothing follows any more."""
        held, self._held = self._held, b""
        return held


def command(script: str, mark: Mark) -> bytes:
    """Return what has a shell run a script: where it ends with 0 the mark is printed, else the shell ends as it did."""
    return f"(\n{script}) && echo {mark.text} || exit\n".encode()


class Shell:
    """`sh` that reads from its channel, as user `run_as` where one is given (`sudo -n`); for one thread at a time.

    `library` is what it is told before its first script: functions that scripts use.
    """

    def __init__(self, channel: Channel, run_as: str = "", library: str = "") -> None:
        self.channel, self.run_as = channel, run_as
        self._library = library
        channel.set_combine_stderr(True)
        channel.exec_command(f"exec sudo -n -H -u {shlex.quote(run_as)} -- sh" if run_as else "exec sh")

    def is_ready(self, seconds: float) -> bool:
        """Ask whether it waits for a script; what else it says is none of a shell that is as it should be.

        Raises:
            TimeoutError: no answer in time
        """
        mark = Mark("MUSTER-READY")
        self.channel.settimeout(seconds)
        try:
            self.channel.sendall(f"echo {mark.text}\n".encode())
        except TimeoutError:
            raise
        except OSError:
            # The channel is closed, perhaps the connection with it: whoever opens another will see.
            return False
        while not mark.is_seen and (chunk := self.channel.recv(1024)):
            if mark.take(chunk):
                return False
        return mark.is_last

    def text(self, script: str, mark: Mark) -> bytes:
        """Return what is to be sent for a script."""
        library, self._library = self._library, ""
        return library.encode() + command(script, mark)


class Link:
    """An open connection, and the shells in it that wait for a next script."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._idle: dict[str, Shell] = {}

    def shell(self, run_as: str, library: str, seconds: float) -> Shell:
        """Return a shell that waits and knows the library, a new one where there is none.

        Raises:
            SSHException, EOFError, OSError: the connection is lost, or does not answer within so many seconds
        """
        kept = self._idle.pop(run_as, None)
        if kept:
            if not kept.channel.closed and kept.is_ready(seconds):
                return kept
            kept.channel.close()
        return Shell(self.connection.create_session(), run_as, library)

    def keep(self, shell: Shell) -> None:
        """Keep the shell for a next script."""
        self._idle[shell.run_as] = shell

    @property
    def is_open(self) -> bool:
        """Whether the connection is, as far as is known."""
        transport = self.connection.client.get_transport()
        return transport is not None and transport.is_active()

    def close(self) -> None:
        """Close the connection whatever state it is in; its shells end at that."""
        self.connection.client.close()
