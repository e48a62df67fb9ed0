"""The scheduler's way to the workers through Celery: one message a node, to the queue of its host's shard."""

from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dag.error import StoreUnavailable
from dag.roster import Move
from dag.scheduler import Dispatch, Inquiry
from workers.message import LOOK, arguments, celery_id, readable


class CeleryPublisher:
    """Publishes over one kept connection; not for use by several threads."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._producer = None

    def publish(self, dispatches: Sequence[Dispatch]) -> None:
        """Send one message a node, named after its action.

        Raises:
            StoreUnavailable: the broker is away; those sent so far are out, and may be sent again without harm.
        """
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for dispatch in dispatches:
                    self._app.send_task(
                        dispatch.action,
                        kwargs=arguments(dispatch),
                        kwargsrepr=readable(dispatch),
                        argsrepr=f"('{dispatch.title}', '{dispatch.address}')",
                        task_id=celery_id(dispatch),
                        queue=dispatch.queue,
                        producer=producer,
                        retry=False,
                    )
        except (OperationalError, RedisError, OSError) as error:
            raise StoreUnavailable(f"The broker can't be reached ({type(error).__name__}).") from None

    def inquire(self, inquiry: Inquiry) -> None:
        """Send an inquiry to its host's shard; StoreUnavailable where the broker is away."""
        try:
            self._app.send_task(
                LOOK,
                kwargs={"host": inquiry.host_id, "inquiry": inquiry.number},
                argsrepr=f"('{inquiry.address}',)",
                task_id=f"look-{inquiry.host_id}-{inquiry.number}",
                queue=inquiry.queue,
                retry=False,
            )
        except (OperationalError, RedisError, OSError) as error:
            raise StoreUnavailable(f"The broker can't be reached ({type(error).__name__}).") from None

    def waiting(self, queue: str) -> int:
        """Return how many messages stand in the queue (LLEN: kombu keeps a queue as a Redis list)."""
        try:
            with self._app.connection_for_read() as connection:
                return int(connection.default_channel.client.llen(queue))
        except (OperationalError, RedisError, OSError) as error:
            raise StoreUnavailable(f"The broker can't be reached ({type(error).__name__}).") from None

    def steer(self, moves: Sequence[Move]) -> None:
        """Send Celery's add_consumer and cancel_consumer; a worker that misses one is told again at the next look."""
        try:
            for move in moves:
                order = self._app.control.add_consumer if move.add else self._app.control.cancel_consumer
                order(move.queue, destination=[move.worker], reply=False)
        except (OperationalError, RedisError, OSError) as error:
            raise StoreUnavailable(f"The broker can't be reached ({type(error).__name__}).") from None
