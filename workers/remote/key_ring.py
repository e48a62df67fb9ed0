"""The private keys of a worker: its own, and those that hosts name by their credential's id."""

import threading
from pathlib import Path

from paramiko import PKey

from dag.host import Host
from workers.remote.error import KeyFileError
from workers.remote.settings import SshOptions, load_key

SETTING = "ssh.key_dir"


class KeyRing:
    """A key is read when a host first names it, and again when its file has changed. Used by all threads."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._known: dict[int, tuple[int, PKey]] = {}

    def key_of(self, host: Host) -> PKey | None:
        """Return the key for a host: without a folder of keys, or without a credential, the worker's own.

        Raises:
            KeyFileError: the host's credential has no key here, or none that can be used.
        """
        if not self._options.key_dir or not host.credential_id:
            return self._options.key
        path = self._options.key_dir / str(host.credential_id)
        with self._lock:
            changed = _changed(path, host)
            known = self._known.get(host.credential_id)
            if known is None or known[0] != changed:
                known = changed, load_key(path, self._options.passphrase, SETTING)
                self._known[host.credential_id] = known
            return known[1]


def _changed(path: Path, host: Host) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        reason = f"Host {host.id} names credential {host.credential_id}, and {SETTING} has no such key"
        raise KeyFileError(f"{reason} ({path}: {error.strerror}).") from None
