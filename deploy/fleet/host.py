"""The SSH server of one demo host: runs commands as real processes, as sshd does without a terminal."""

import asyncio
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

CHUNK = 32 * 1024
BACKLOG = 256
LOGIN_SECONDS = 30


@dataclass
class DemoHost:
    """A host of the demo fleet: where it listens, who may log in, where its commands run.

    `directory` is HOME and working directory of its commands, `authorized_keys` the content of a file of
    that name. Only `user` may log in, only with one of these keys.
    """

    name: str
    address: str
    directory: Path
    user: str
    host_key: asyncssh.SSHKey
    authorized_keys: str
    _acceptor: asyncssh.SSHAcceptor | None = field(default=None, repr=False)
    _connections: set[asyncssh.SSHServerConnection] = field(default_factory=set, repr=False)

    @property
    def agent_home(self) -> Path:
        """The directory of the host's agent."""
        return self.directory / "ocp_agent"

    async def listen(self, port: int) -> int:
        """Start the server; port 0 takes a free one. Returns the port, raises OSError when it is taken."""
        keys = asyncssh.import_authorized_keys(self.authorized_keys)
        self._acceptor = await asyncssh.listen(
            self.address,
            port,
            family=socket.AF_INET,
            backlog=BACKLOG,
            server_factory=lambda: _Login(self.user, keys, self._connections),
            process_factory=self._run,
            server_host_keys=[self.host_key],
            config=None,
            encoding=None,
            line_editor=False,
            allow_pty=False,
            agent_forwarding=False,
            public_key_auth=True,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            login_timeout=LOGIN_SECONDS,
        )
        return self._acceptor.get_port()

    async def close(self) -> None:
        """Stop listening and cut every connection; what the sessions run goes on, as under sshd."""
        if self._acceptor is None:
            return
        self._acceptor.close()
        for connection in list(self._connections):
            connection.abort()
        await self._acceptor.wait_closed()
        self._acceptor = None

    async def _run(self, session: asyncssh.SSHServerProcess[bytes]) -> None:
        """Serve one session: run its command to the end and report how it ended."""
        if session.subsystem is not None:
            session.exit(1)
            return
        # A shell without a command reads its commands from stdin, as a login without a terminal does.
        arguments = ["-c", session.command] if session.command is not None else []
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.directory,
            env=self._environment(),
            start_new_session=True,
        )
        await _wire(session, process)
        code = await process.wait()
        if code < 0:
            session.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            session.exit(code)

    def _environment(self) -> dict[str, str]:
        own = {"HOME": str(self.directory), "USER": self.user, "LOGNAME": self.user, "SHELL": "/bin/sh"}
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **own}


class _Login(asyncssh.SSHServer):
    """Lets one user in, with one of the given keys."""

    def __init__(
        self, user: str, keys: asyncssh.SSHAuthorizedKeys, connections: set[asyncssh.SSHServerConnection]
    ) -> None:
        self._user = user
        self._keys = keys
        self._connections = connections
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)
        # Many short answers: none of them shall wait for the acknowledgement of the one before.
        conn.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Always ask for a key; for another user there is none that fits."""
        if username == self._user and self._connection is not None:
            self._connection.set_authorized_keys(self._keys)
        return True


async def _wire(session: asyncssh.SSHServerProcess[bytes], process: asyncio.subprocess.Process) -> None:
    """Pass the streams on until the command's output ends, also when a child of it keeps it open."""
    # For the type checker: all three were asked for as pipes.
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    feeding = asyncio.create_task(_feed(session, process, process.stdin))
    try:
        await asyncio.gather(
            _drain(process.stdout, session.stdout), _drain(process.stderr, session.stderr), process.wait()
        )
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(
    session: asyncssh.SSHServerProcess[bytes],
    process: asyncio.subprocess.Process,
    target: asyncio.StreamWriter,
) -> None:
    """Pass the client's input on; when the client closes its side or is gone, the command sees the end."""
    try:
        while data := await _next_input(session, process):
            target.write(data)
            await target.drain()
    except (BrokenPipeError, ConnectionResetError):
        # The command does not read its input (any more), which is its own business.
        return
    finally:
        target.close()


async def _next_input(session: asyncssh.SSHServerProcess[bytes], process: asyncio.subprocess.Process) -> bytes:
    """The next input; empty at its end. A signal that the client sends goes to the command."""
    while True:
        try:
            return await session.stdin.read(CHUNK)
        except asyncssh.SignalReceived as received:
            number = getattr(signal, f"SIG{received.signal}", None)
            if number is not None and process.returncode is None:
                os.killpg(process.pid, number)
        except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
            continue
        except (asyncssh.Error, OSError):
            return b""


async def _drain(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    """Pass output on; what comes after the client has gone is read and dropped, so the command goes on."""
    connected = True
    while data := await source.read(CHUNK):
        if connected:
            try:
                target.write(data)
                await target.drain()
            except (asyncssh.Error, OSError):
                connected = False
