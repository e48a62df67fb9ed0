"""Waits until what was written is in the server's append-only file, so that an acknowledged change outlives the server.

Source: WAITAOF (Redis 7.2 and later, Valkey), which is to wait for the fsync of what its own connection wrote; under
`appendfsync everysec` Valkey up to 9.1 and Redis 7.4 mostly answer before (redis/redis#13793), so that the change
outlives the server's process and not its machine. The file is one sequence: with a small write of this connection
everything before it is confirmed, whichever connection wrote it.
"""

from typing import Any

from redis.exceptions import ResponseError

from dag.error import NotDurable
from dag.script import translated

# Below the timeout of a call, so that the answer is the server's.
FSYNC_TIMEOUT_MS = 3000


class Disk:
    """The disk of one server; a server without WAITAOF or without an append-only file promises its memory only."""

    def __init__(self, redis: Any, key: str) -> None:
        self._redis, self._key = redis, key
        self.promises = True

    def confirm(self) -> None:
        """Return when the server has confirmed everything that was written before this call.

        Raises:
            NotDurable: it has not within 3 s. It stands in memory, and will be on disk unless the server dies before.
            StoreUnavailable: Redis is away.
        """
        if not self.promises:
            return
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            pipe.incr(self._key)
            pipe.execute_command("WAITAOF", 1, 0, FSYNC_TIMEOUT_MS)
            _count, answer = pipe.execute(raise_on_error=False)
        if isinstance(answer, ResponseError):
            # An unknown command (an older server), or one without an append-only file.
            self.promises = False
        elif isinstance(answer, Exception):
            with translated():
                raise answer
        elif int(answer[0]) < 1:
            raise NotDurable
