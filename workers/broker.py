"""A look at the broker's queues, over one kept connection."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dag.error import StoreUnavailable
from workers.app import IDLE_QUEUE


@contextmanager
def translated() -> Iterator[None]:
    """Turn each way in which the broker can be away into StoreUnavailable; its URL (with a password) stays out."""
    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        raise StoreUnavailable(f"The broker can't be reached ({type(error).__name__}).") from None


class QueueLengths:
    """How many messages stand in queues; several threads may ask, one after the other."""

    def __init__(self, app: Celery) -> None:
        self._connection = app.connection_for_read()
        self._lock = threading.Lock()

    def of(self, queues: Collection[str]) -> Mapping[str, int]:
        """Return queue to length (LLEN: kombu keeps a queue as a Redis list).

        Raises:
            StoreUnavailable: the broker is away.
        """
        if not queues:
            return {}
        with self._lock, translated():
            client = self._connection.default_channel.client
            # Redis keeps no empty list: where nothing waits, one command says so of all queues.
            if not client.exists(*queues):
                return dict.fromkeys(queues, 0)
            with client.pipeline(transaction=False) as pipe:
                for queue in queues:
                    pipe.llen(queue)
                return dict(zip(queues, map(int, pipe.execute()), strict=True))

    def ask(self) -> None:
        """Return when the broker answers; StoreUnavailable where it is away."""
        self.of([IDLE_QUEUE])

    def close(self) -> None:
        """Close the connection."""
        self._connection.release()
