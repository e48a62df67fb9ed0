"""Why a script could not be run on a host to its end; each is one plain sentence without secrets."""


class RemoteError(Exception):
    """The script could not be run to its end; `output` is what it had printed by then."""

    def __init__(self, message: str = "", output: str = "") -> None:
        super().__init__(message)
        self.output = output


class HostUnreachable(RemoteError):
    """No SSH server answers at the host's address."""


class HostKeyUnknown(RemoteError):
    """The host's key is not in known_hosts."""


class HostKeyChanged(RemoteError):
    """The host shows another key than known_hosts has."""


class AuthenticationFailed(RemoteError):
    """The host refuses the login."""


class ConnectionLost(RemoteError):
    """The connection broke while the script ran; the script ends itself."""


class RemoteTimeout(RemoteError):
    """The script did not end within its time limit; its connection was closed, at which it ends itself."""


class RemoteCancelled(RemoteError):
    """The run was given up: its lease is about to end, is somebody else's, or the worker stops."""


class KeyFileError(RemoteError):
    """The worker's private key can't be used."""
