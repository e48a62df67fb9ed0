"""Opens a Fabric connection to a host: TCP_NODELAY, host key checked, time limits on each step, nothing left behind."""

import socket

from fabric import Config, Connection
from paramiko import MissingHostKeyPolicy, PKey, SSHClient
from paramiko.ssh_exception import AuthenticationException, BadHostKeyException, SSHException

from dag.host import Host
from workers.remote.error import AuthenticationFailed, HostKeyChanged, HostKeyUnknown, HostUnreachable
from workers.remote.key_ring import KeyRing
from workers.remote.known_host import KnownHosts, fingerprint, host_name
from workers.remote.settings import SshOptions


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
        connection = self._prepare(host, user, self._socket(host), keys)
        try:
            connection.open()
            transport = connection.client.get_transport()
            transport.channel_timeout = self._options.channel_timeout_seconds
            transport.set_keepalive(self._options.keepalive_seconds)
        except BaseException as error:
            # Fabric thinks that it is not connected, and would leave paramiko's thread and the socket.
            connection.client.close()
            connection.connect_kwargs["sock"].close()
            if isinstance(error, (SSHException, OSError, EOFError)):
                raise _translated(error, host, user) from None
            raise
        return connection

    def _prepare(self, host: Host, user: str, sock: socket.socket, keys: list[PKey]) -> Connection:
        limit = self._options.connect_timeout_seconds
        login = {"pkey": self._keys.key_of(host), "allow_agent": self._options.use_agent, "look_for_keys": False}
        limits = {"timeout": limit, "banner_timeout": limit, "auth_timeout": limit}
        connect = {"sock": sock, "channel_timeout": self._options.channel_timeout_seconds, **login, **limits}
        connection = Connection(host.address, user, host.ssh_port, config=self._config, connect_kwargs=connect)
        connection.client.set_missing_host_key_policy(_Refuse(host, str(self._options.known_hosts)))
        for key in keys:
            connection.client.get_host_keys().add(host_name(host.address, host.ssh_port), key.get_name(), key)
        return connection

    def _socket(self, host: Host) -> socket.socket:
        address = (host.address, host.ssh_port)
        try:
            sock = socket.create_connection(address, timeout=self._options.connect_timeout_seconds)
        except OSError as error:
            raise _translated(error, host, "") from None
        # paramiko leaves Nagle on: a command on an open connection then takes four times as long.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A host that vanished is noticed after three keep-alives that nobody acknowledged.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._options.keepalive_seconds * 3000)
        return sock


def _translated(error: Exception, host: Host, user: str) -> Exception:
    place = f"{host.address} port {host.ssh_port}"
    if isinstance(error, BadHostKeyException):
        return HostKeyChanged(
            f"The host key of {place} is {fingerprint(error.key)}, not the known {fingerprint(error.expected_key)}: "
            "the host was set up anew, or somebody is in between. The login was refused."
        )
    if isinstance(error, AuthenticationException):
        return AuthenticationFailed(f"{place} refuses the login of user {user} with the worker's key ({error}).")
    if isinstance(error, TimeoutError):
        return HostUnreachable(f"{place} can't be reached: no answer in time.")
    return HostUnreachable(f"{place} can't be reached: {_plain(error)}.")


def _plain(error: Exception) -> str:
    words = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
    return words.rstrip(".")
