"""Opens a Fabric connection to a host: TCP_NODELAY, host key checked, time limits on each step, nothing left behind."""

import socket
import time

from fabric import Config, Connection
from paramiko import MissingHostKeyPolicy, PKey, SSHClient, Transport
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, SSHException

from dag.host import Host
from workers.remote.error import AuthenticationFailed, HostKeyChanged, HostKeyUnknown, HostUnreachable
from workers.remote.key_ring import KeyRing
from workers.remote.known_host import KnownHosts, fingerprint, host_name
from workers.remote.settings import SshOptions

# paramiko's words when its limit for the handshake is over and it goes on to the login all the same.
NOT_YET = "No existing session"


class _Refuse(MissingHostKeyPolicy):
    """Fabric's default would accept any key."""

    def __init__(self, host: Host, known_hosts: str) -> None:
        self._host, self._known_hosts = host, known_hosts

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        """Raise the error that tells how to enrol the host."""
        port = f"-p {self._host.ssh_port} " if self._host.ssh_port != 22 else ""
        raise HostKeyUnknown(
            f"The host key of {hostname} is unknown: {fingerprint(key)}. If that is the host's, enrol it: "
            f"ssh-keyscan {port}{self._host.address} >> {self._known_hosts}"
        )


class _Connection(Connection):
    """Fabric's connection, which leaves the configuration that all of them share as it is."""

    # Fabric 3.2 has no attribute of this name, so it would set a key of its configuration, which is made anew at that:
    # for an instant it is empty, and a login in another thread fails for the lack of any key.
    inline_ssh_env = True


class Login:
    """Knows how to log in; used by all threads."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._known = KnownHosts(options.known_hosts)
        self._keys = KeyRing(options)
        # Shared: Fabric would read its configuration files for each connection, and ~/.ssh/config with it.
        self._config = Config(lazy=True, overrides={"load_ssh_configs": False})

    def open(self, host: Host) -> Connection:
        """Return an open connection.

        Raises:
            HostUnreachable, HostKeyUnknown, HostKeyChanged, AuthenticationFailed, KeyFileError
        """
        user = host.user or self._options.user
        keys = self._known.keys_of(host_name(host.address, host.ssh_port))
        # Before there is a socket that somebody would have to close.
        key = self._keys.key_of(host)
        connection = self._prepare(host, user, key, self._socket(host), keys)
        began = time.monotonic()
        try:
            connection.open()
            transport = connection.client.get_transport()
            transport.channel_timeout = self._options.channel_timeout_seconds
            transport.set_keepalive(self._options.keepalive_seconds)
        except BaseException as error:
            # How far the login came; closing forgets it.
            transport = connection.client.get_transport()
            # Fabric thinks that it is not connected, and would leave paramiko's threads and the socket.
            connection.client.close()
            if transport is not None:
                # Ends the thread that waits for the end of the handshake.
                transport.packetizer.complete_handshake()
            connection.connect_kwargs["sock"].close()
            if isinstance(error, (SSHException, OSError, EOFError)):
                raise self._failure(error, transport, host, user, time.monotonic() - began) from None
            raise
        return connection

    def _prepare(self, host: Host, user: str, key: PKey | None, sock: socket.socket, known: list[PKey]) -> Connection:
        limit = self._options.connect_timeout_seconds
        login = {"pkey": key, "allow_agent": self._options.use_agent, "look_for_keys": False}
        limits = {"timeout": limit, "banner_timeout": limit, "auth_timeout": limit}
        connect = {"sock": sock, "channel_timeout": self._options.channel_timeout_seconds, **login, **limits}
        connection = _Connection(host.address, user, host.ssh_port, config=self._config, connect_kwargs=connect)
        connection.client.set_missing_host_key_policy(_Refuse(host, str(self._options.known_hosts)))
        for one in known:
            connection.client.get_host_keys().add(host_name(host.address, host.ssh_port), one.get_name(), one)
        return connection

    def _socket(self, host: Host) -> socket.socket:
        address = (host.address, host.ssh_port)
        try:
            sock = socket.create_connection(address, timeout=self._options.connect_timeout_seconds)
        except OSError as error:
            raise _unreachable(host, _plain(error)) from None
        # paramiko leaves Nagle on: a command on an open connection then takes four times as long.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A host that vanished is noticed after three keep-alives that nobody acknowledged.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._options.keepalive_seconds * 3000)
        return sock

    def _failure(
        self, error: Exception, transport: Transport | None, host: Host, user: str, seconds: float
    ) -> Exception:
        """Return why there is no login; what paramiko says of it depends on which of its threads was first."""
        place, limit = _place(host), self._options.connect_timeout_seconds
        within = f" within {limit:g} s" if seconds > 0.9 * limit else ""
        if isinstance(error, BadHostKeyException):
            return HostKeyChanged(
                f"The host key of {place} is {fingerprint(error.key)}, not the known "
                f"{fingerprint(error.expected_key)}: the host was set up anew, or somebody is in between. "
                "The login was refused."
            )
        if isinstance(error, AuthenticationException):
            return AuthenticationFailed(f"{place} refuses the login of user {user} with the worker's key ({error}).")
        if transport is None or not transport.remote_version:
            greeted = f"no SSH server greeted{within}" if within else "closed this one before an SSH server greeted"
            return _unreachable(host, f"it takes connections, but {greeted}")
        if not transport.initial_kex_done:
            why = "no answer" if str(error) == NOT_YET else _plain(error)
            return _unreachable(host, f"the SSH handshake did not succeed{within} ({why})")
        if isinstance(error, SSHException) and (self._options.key is None or self._options.use_agent):
            return AuthenticationFailed(
                f"The worker has no key for {place}: set ssh.key_file (MUSTER_SSH_KEY_FILE), or ssh.use_agent and give "
                "the agent keys."
            )
        return _unreachable(host, _plain(error))


def _place(host: Host) -> str:
    return f"{host.address} port {host.ssh_port}"


def _unreachable(host: Host, why: str) -> HostUnreachable:
    return HostUnreachable(f"{_place(host)} can't be reached: {why}.")


def _plain(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    words = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    return words.rstrip(".")
