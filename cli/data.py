"""The data directory of a stack: who uses it now, and what the next start must know again."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TextIO

from cli.error import CommandError

DEFAULT = Path(".muster")


@dataclass
class State:
    """Ports (0: none yet; of metrics by process), passwords and the API's secret key of a stack."""

    hosts: int = 0
    redis_port: int = 0
    api_port: int = 0
    flower_port: int = 0
    fleet_port: int = 0
    metrics_ports: dict[str, int] = field(default_factory=dict)
    redis_password: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    secret_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)


class DataDirectory:
    """A directory that is this process's alone while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = _read(path / "state.json")

    @property
    def logs(self) -> Path:
        """The directory of the log files."""
        return self.path / "log"

    @property
    def fleet(self) -> Path:
        """The directory of the demo fleet, as its processes spell it."""
        return (self.path / "fleet").resolve()

    def save(self) -> None:
        """Write the state so that a crash leaves the old one or the new one."""
        new = self.path / ".state.json.new"
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self.state), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path / "state.json")


@contextmanager
def open_data(path: Path) -> Iterator[DataDirectory]:
    """Make the directory where it is missing (for this user only) and hold its lock inside the block.

    Raises:
        CommandError: another process has it open, it is somebody else's directory, or it can't be written.

    """
    with _lock_file(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CommandError(
                f"The data directory {path} is in use by the Muster of process {file.read() or '?'}. "
                "Stop that one, or name another directory with --data."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        (path / "log").mkdir(mode=0o700, exist_ok=True)
        yield DataDirectory(path)


def _lock_file(path: Path) -> TextIO:
    try:
        _prepare(path)
        return open(path / "lock", "a+", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"The data directory {path} can't be used: {error.strerror}.") from None


def _prepare(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Its mode is about to change, so that of a directory with other things in it (/tmp, say) must not be.
    if any(path.iterdir()) and not (path / "lock").exists():
        raise CommandError(f"{path} holds other things than Muster's data. Name another directory with --data.")
    path.chmod(0o700)


def _read(path: Path) -> State:
    if not path.exists():
        return State()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name: type(getattr(State(), item.name)) for item in fields(State)}
        return State(**{name: wanted(kept[name]) for name, wanted in known.items() if name in kept})
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"{path} can't be read ({error}). Without it a start makes new passwords and ports."
        ) from None
