"""What the executor needs to log in, made from the settings; the key is read once, when the worker starts."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import PKey
from paramiko.ssh_exception import SSHException

from config.settings import SshSettings
from workers.remote.error import KeyFileError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SshOptions:
    """How to reach hosts; times are seconds. The key never shows in a repr."""

    user: str
    known_hosts: Path
    key: PKey | None = field(default=None, repr=False)
    key_dir: Path | None = None
    passphrase: str = field(default="", repr=False)
    use_agent: bool = False
    connect_timeout_seconds: float = 10.0
    channel_timeout_seconds: float = 10.0
    pool_size: int = 512
    idle_seconds: float = 60.0
    keepalive_seconds: int = 5


def ssh_options(settings: SshSettings) -> SshOptions:
    """Return the options.

    Raises:
        KeyFileError: `ssh.key_file` can't be read, or `ssh.passphrase` does not fit it.
    """
    if not settings.key_file and not settings.key_dir and not settings.use_agent:
        log.warning("no ssh.key_file, no ssh.key_dir and no ssh.use_agent: no host will let this worker in")
    return SshOptions(
        user=settings.user,
        known_hosts=Path(settings.known_hosts).expanduser(),
        key=load_key(Path(settings.key_file).expanduser(), settings.passphrase) if settings.key_file else None,
        key_dir=Path(settings.key_dir).expanduser() if settings.key_dir else None,
        passphrase=settings.passphrase,
        use_agent=settings.use_agent,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        channel_timeout_seconds=settings.channel_timeout_seconds,
        pool_size=settings.pool_size,
        idle_seconds=settings.idle_seconds,
        keepalive_seconds=settings.keepalive_seconds,
    )


def load_key(path: Path, passphrase: str, setting: str = "ssh.key_file") -> PKey:
    """Return the private key in the file; KeyFileError names the file and the setting, never the content."""
    try:
        return PKey.from_path(path, passphrase.encode() if passphrase else None)
    except OSError as error:
        raise KeyFileError(f"{setting} ({path}) can't be read: {error.strerror}.") from None
    except TypeError:
        fault = "is not encrypted, but ssh.passphrase is set" if passphrase else "is encrypted: set ssh.passphrase"
        raise KeyFileError(f"{setting} ({path}) {fault}.") from None
    except (ValueError, SSHException, UnsupportedAlgorithm):
        fault = "is no private key that can be used, or ssh.passphrase does not fit it"
        raise KeyFileError(f"{setting} ({path}) {fault}.") from None
