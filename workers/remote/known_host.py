"""The host keys that may be trusted, from an OpenSSH `known_hosts` file.

Looked up by name in a table: paramiko's own search reads all lines for each connection. Lines with a marker
(`@cert-authority`, `@revoked`) and patterns are left out, so such hosts are unknown.
"""

import base64
import hashlib
import hmac
import os
import threading
from pathlib import Path

from paramiko import PKey
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from workers.remote.error import HostKeyUnknown

SSH_PORT = 22


def host_name(address: str, port: int) -> str:
    """Return how the file names a host: with its port where that is not 22 (sshd(8), known_hosts)."""
    return address if port == SSH_PORT else f"[{address}]:{port}"


def fingerprint(key: PKey) -> str:
    """Return the SHA256 fingerprint as `ssh-keygen -l` shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


class KnownHosts:
    """The file's keys by host name; read again when the file has changed. Used by all threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._state: tuple[int, int] | None = None
        self._plain: dict[str, list[PKey]] = {}
        self._hashed: list[tuple[str, PKey]] = []

    def keys_of(self, name: str) -> list[PKey]:
        """Return the keys of this host; HostKeyUnknown where the file can't be read."""
        with self._lock:
            self._refresh()
            found = list(self._plain.get(name, ()))
            return found + [key for pattern, key in self._hashed if _is_hash_of(pattern, name)]

    def _refresh(self) -> None:
        try:
            stat = os.stat(self.path)
            state = (stat.st_mtime_ns, stat.st_size)
            if state != self._state:
                self._read(self.path.read_text(errors="replace"))
                self._state = state
        except OSError as error:
            reason = f"Host keys can't be checked: ssh.known_hosts ({self.path}): {error.strerror}."
            raise HostKeyUnknown(reason) from None

    def _read(self, text: str) -> None:
        plain: dict[str, list[PKey]] = {}
        hashed: list[tuple[str, PKey]] = []
        for line in text.splitlines():
            for name, key in _entries(line.strip()):
                if name.startswith("|1|"):
                    hashed.append((name, key))
                else:
                    plain.setdefault(name, []).append(key)
        self._plain, self._hashed = plain, hashed


def _entries(line: str) -> list[tuple[str, PKey]]:
    if not line or line[0] in "#@":
        return []
    try:
        entry = HostKeyEntry.from_line(line)
    except InvalidHostKey:
        return []
    return [(name, entry.key) for name in entry.hostnames] if entry and entry.key else []


def _is_hash_of(pattern: str, name: str) -> bool:
    """Tell whether `|1|salt|hash` is this name: HMAC-SHA1 of it under the salt."""
    try:
        _, _, salt, wanted = pattern.split("|")
        digest = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
        return hmac.compare_digest(digest, base64.b64decode(wanted))
    except ValueError:
        return False
