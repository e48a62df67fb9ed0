"""The demo fleet: lays out its hosts on disk, runs their SSH servers and their agents."""

import asyncio
import errno
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh

from deploy.fleet.host import DemoHost
from deploy.fleet.install import (
    DEFAULT_PROXY_PORT,
    DEFAULT_VERSION,
    FAULTS,
    PROXY,
    install_agent,
    install_program,
)
from deploy.fleet.leftovers import end_processes, find_processes

PROFILE = "ocp_agentctl"
SSH_PORT = 22
ADDRESSES_PER_BLOCK = 250
MOST_HOSTS = ADDRESSES_PER_BLOCK * 250
# Each start keeps about two processors busy for a moment; more at once only makes all of them slower.
AGENTS_AT_ONCE = max(4, 2 * (os.cpu_count() or 1))
PORT_TRIES = 20


class FleetError(Exception):
    """The fleet could not be started; the text says what failed on which host."""


class Fleet:
    """`count` demo hosts below `root`, all in this process, their agents processes of their own.

    Use it as `async with Fleet(root, 50) as fleet:` or call `start()` and `stop()`. A second start with the
    same root keeps client key and host keys. `port` is the SSH port of all hosts, `proxy_port` the one of
    all `pos_proxy`; 0 takes a free one. Raises ValueError for a count that has no addresses.
    """

    def __init__(
        self,
        root: Path,
        count: int,
        *,
        port: int = 0,
        user: str = "admin",
        proxy_port: int = DEFAULT_PROXY_PORT,
        version: str = DEFAULT_VERSION,
    ) -> None:
        if not 1 <= count <= MOST_HOSTS:
            raise ValueError(f"a fleet has 1 to {MOST_HOSTS} hosts, not {count}")
        self.root = root.resolve()
        self.user = user
        self.port = port
        self.proxy_port = proxy_port
        self.version = version
        self.key_path = self.root / "id_ed25519"
        self.known_hosts_path = self.root / "known_hosts"
        self.inventory_path = self.root / "inventory.json"
        self.hosts: dict[str, DemoHost] = {}
        self._count = count

    async def __aenter__(self) -> "Fleet":
        await self.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Lay out the hosts, start their servers and agents; afterwards `port` is the real port.

        Ends the processes that an earlier fleet left below this root. Raises FleetError when a port is
        taken or an agent does not start; nothing is left running then.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        await end_processes(self.root)
        self._lay_out()
        try:
            await self._listen()
            self._write_files()
            await self._start_agents()
        except BaseException:
            # Also when the start is cancelled: the caller has no fleet that it could stop.
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop servers, agents, proxies and whatever else the sessions have left running.

        By signals and not by the control programs: quicker, and no fault can hold it up. Raises
        TimeoutError when a process survives even SIGKILL for some seconds.
        """
        await asyncio.gather(*(host.close() for host in self.hosts.values()))
        await end_processes(self.root)

    def inventory(self) -> list[dict[str, object]]:
        """One entry per host: name, address, ssh_port, user, profile, variables."""
        return [
            {
                "name": host.name,
                "address": host.address,
                "ssh_port": self.port,
                "user": self.user,
                "profile": PROFILE,
                "variables": {"home": str(host.agent_home), "proxy_port": str(self.proxy_port)},
            }
            for host in self.hosts.values()
        ]

    def processes(self, name: str = "") -> dict[int, str]:
        """The living processes of one host, or of all: pid to arguments."""
        return find_processes(self.root, name)

    async def control(self, name: str, *arguments: str) -> tuple[int, str, str]:
        """Run the control program of a host without SSH; returns exit code, stdout, stderr."""
        host = self.hosts[name]
        process = await asyncio.create_subprocess_exec(
            str(host.agent_home / "bin/ocp_agentctl"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=host.directory,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(host.directory)},
            start_new_session=True,
        )
        stdout, stderr = await process.communicate()
        return process.returncode or 0, stdout.decode(), stderr.decode()

    async def set_fault(self, name: str, fault: str, content: str = "") -> None:
        """Make the agent of a host misbehave from now on.

        `refuse-start`; `residual` (content "term": it ignores SIGTERM); `hang-stop`; `slow-start` (content:
        seconds); `no-proxy` (also stops and removes the proxy). Raises ValueError for any other.
        """
        if fault not in FAULTS:
            raise ValueError(f"no such fault: {fault}; there are {', '.join(FAULTS)}")
        home = self.hosts[name].agent_home
        if fault == "no-proxy":
            await self.control(name, "service", "stop", PROXY)
            (home / "bin" / PROXY).unlink(missing_ok=True)
        (home / "conf/faults" / fault).write_text(content, encoding="utf-8")

    def clear_faults(self, name: str) -> None:
        """Let the agent of a host behave again; what runs or does not run stays as it is."""
        home = self.hosts[name].agent_home
        for fault in FAULTS:
            (home / "conf/faults" / fault).unlink(missing_ok=True)
        install_program(home, PROXY)

    @asynccontextmanager
    async def connect(self, name: str) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """An SSH connection to a host with the fleet's key, its host key checked."""
        async with asyncssh.connect(
            self.hosts[name].address,
            self.port,
            username=self.user,
            client_keys=[str(self.key_path)],
            known_hosts=str(self.known_hosts_path),
            agent_path=None,
            config=None,
        ) as connection:
            yield connection

    def _lay_out(self) -> None:
        public_key = load_or_create_key(self.key_path).export_public_key().decode()
        keys = self.root / "host_keys"
        keys.mkdir(exist_ok=True)
        self.proxy_port = self.proxy_port or free_port(address_of(1))
        for number in range(1, self._count + 1):
            name = f"host-{number:03d}"
            host = DemoHost(
                name=name,
                address=address_of(number),
                directory=self.root / name,
                user=self.user,
                host_key=load_or_create_key(keys / name),
                authorized_keys=public_key,
            )
            self.hosts[name] = host
            install_agent(host.agent_home, address=host.address, proxy_port=self.proxy_port, version=self.version)

    async def _listen(self) -> None:
        """All servers on one port; a free one of the first host may be taken on another, then the next."""
        hosts = list(self.hosts.values())
        for attempt in range(1, PORT_TRIES + 1):
            try:
                port = await hosts[0].listen(self.port)
                for host in hosts[1:]:
                    await host.listen(port)
            except OSError as error:
                await asyncio.gather(*(host.close() for host in hosts))
                if self.port or error.errno != errno.EADDRINUSE or attempt == PORT_TRIES:
                    raise FleetError(f"cannot listen: {error}") from error
            else:
                self.port = port
                return

    def _write_files(self) -> None:
        lines = [known_hosts_line(host, self.port) for host in self.hosts.values()]
        self.known_hosts_path.write_text("".join(lines), encoding="utf-8")
        self.inventory_path.write_text(json.dumps(self.inventory(), indent=2) + "\n", encoding="utf-8")

    async def _start_agents(self) -> None:
        bound = asyncio.Semaphore(AGENTS_AT_ONCE)

        async def start(name: str) -> str:
            async with bound:
                code, _, errors = await self.control(name, "start")
            return f"{name}: {errors.strip()}" if code else ""

        failures = [text for text in await asyncio.gather(*map(start, self.hosts)) if text]
        if failures:
            raise FleetError("agents that did not start: " + "; ".join(failures))


def address_of(number: int) -> str:
    """The loopback address of a host, counted from 1: 127.77.0.1 and so on."""
    block, rest = divmod(number - 1, ADDRESSES_PER_BLOCK)
    return f"127.77.{block}.{rest + 1}"


def load_or_create_key(path: Path) -> asyncssh.SSHKey:
    """The ed25519 key in a file that only this user may read; made when there is none."""
    if not path.exists():
        text = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)
        temporary.replace(path)
    return asyncssh.read_private_key(path)


def known_hosts_line(host: DemoHost, port: int) -> str:
    """The line of a host in `known_hosts`; a port other than 22 is part of the name."""
    name = host.address if port == SSH_PORT else f"[{host.address}]:{port}"
    algorithm, key = host.host_key.export_public_key().decode().split()[:2]
    return f"{name} {algorithm} {key}\n"


def free_port(address: str) -> int:
    """A TCP port that is free at that address right now."""
    with socket.create_server((address, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
