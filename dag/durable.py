"""Waits until what was written is in the server's append-only file, so that an acknowledged change outlives the server.

Source: WAITAOF (Redis 7.2 and later, Valkey), which is to wait for the fsync of what its own connection wrote; under
`appendfsync everysec` Valkey up to 9.1 and Redis 7.4 mostly answer before (redis/redis#13793), so that the change
outlives the server's process and not its machine. The file is one sequence: with a small write of this connection
everything before it is confirmed, whichever connection wrote it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.exceptions import ResponseError

from dag.error import NotDurable
from dag.script import translated

# Below the timeout of a call, so that the answer is the server's.
FSYNC_TIMEOUT_MS = 3000
# After so long a server that waits for its disk is made to look at it, and again after twice as long.
TURN_SECONDS = 0.002


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
        with translated(), self._connection() as connection:
            connection.send_command("INCR", self._key)
            connection.read_response()
            # Not together with the write: the server looks at each turn of its loop what is written, and this question
            # makes a turn that finds the write done.
            connection.send_command("WAITAOF", 1, 0, FSYNC_TIMEOUT_MS)
            pause = TURN_SECONDS
            while not connection.can_read(timeout=pause):
                # An fsync was under way. Its end makes no turn, and the server's next tick (`hz`) may be far.
                self._redis.ping()
                pause *= 2
            try:
                confirmed, _replicas = connection.read_response()
            except ResponseError:
                # An unknown command (an older server), or one without an append-only file.
                self.promises = False
                return
        if int(confirmed) < 1:
            raise NotDurable

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        # WAITAOF is about the writes of its own connection. Asked on another, as a client would after a loss, it
        # confirms nothing: so here nothing is tried again.
        pool = self._redis.connection_pool
        connection = pool.get_connection()
        try:
            yield connection
        except BaseException:
            # Nobody is to read an answer that is still under way.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)
