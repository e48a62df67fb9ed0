"""Waits until what was written is in the server's append-only file, so that an acknowledged change outlives the server.

Source: WAITAOF (Redis 7.2 and later, Valkey), which is to wait for the fsync of what its own connection wrote; under
`appendfsync everysec` Valkey up to 9.1 and Redis 7.4 mostly answer before (redis/redis#13793), so that the change
outlives the server's process and not its machine. The file is one sequence: with a small write of this connection
everything before it is confirmed, whichever connection wrote it.
"""

from collections.abc import Sequence
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
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            self.ask(pipe)
            answers = pipe.execute(raise_on_error=False)
        self.heed(answers)

    def ask(self, pipe: Any) -> None:
        """Let a pipeline end with the confirmation of all that was written before it; nothing where none is to be had.

        A caller that waits once, for its change and for this, waits for a processor once. See `heed`.
        """
        if self.promises:
            pipe.incr(self._key)
            pipe.execute_command("WAITAOF", 1, 0, FSYNC_TIMEOUT_MS)

    def heed(self, answers: Sequence[Any]) -> None:
        """Take the answers, or the errors, to what `ask` asked; the same errors as `confirm`."""
        if not answers:
            return
        answer = answers[-1]
        if isinstance(answer, ResponseError):
            # An unknown command (an older server), or one without an append-only file.
            self.promises = False
        elif isinstance(answer, Exception):
            with translated():
                raise answer
        elif int(answer[0]) < 1:
            raise NotDurable
