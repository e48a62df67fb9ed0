"""The scheduler's way to the workers through Celery: one message a node, to the queue of its host's shard."""

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from celery import Celery
from celery.utils.nodenames import anon_nodename

from dag.roster import Move
from dag.scheduler import Dispatch, Inquiry, Loss
from workers.broker import QueueLengths, translated
from workers.message import LOOK, SENT_AT, TRACEPARENT, described, lost, packed, sent


class CeleryPublisher:
    """Publishes over one kept connection; not for use by several threads."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._lengths = QueueLengths(app)
        self._origin = anon_nodename()

    def publish(self, dispatches: Sequence[Dispatch]) -> None:
        """Send one message a node, named after its action.

        Raises:
            StoreUnavailable: the broker is away; those sent so far are out, and may be sent again without harm.
        """
        queues: dict[str, list[bytes]] = defaultdict(list)
        with translated(), self._app.producer_pool.acquire(block=True) as producer:
            events = self._events(producer)
            for dispatch in dispatches:
                headers = described(dispatch, self._origin)
                queues[dispatch.queue].append(packed(dispatch, headers))
                events.send("task-sent", **sent(dispatch, headers))
            with producer.channel.client.pipeline(transaction=False) as pipe:
                for queue, messages in queues.items():
                    pipe.lpush(queue, *messages)
                pipe.execute()
            events.flush()

    def _events(self, producer: Any) -> Any:
        # All events of a batch in one message, as a worker sends them.
        return self._app.events.Dispatcher(channel=producer.channel, buffer_group={"task"}, hostname=self._origin)

    def tell(self, loss: Loss) -> None:
        """Send the event that tells Flower of a lost run; StoreUnavailable where the broker is away."""
        kind, fields = lost(loss)
        with translated(), self._app.producer_pool.acquire(block=True) as producer:
            events = self._events(producer)
            events.send(kind, **fields)
            events.flush()

    def inquire(self, inquiry: Inquiry) -> None:
        """Send an inquiry to its host's shard; StoreUnavailable where the broker is away."""
        with translated():
            self._app.send_task(
                LOOK,
                kwargs={"host": inquiry.host_id, "inquiry": inquiry.number},
                argsrepr=f"('{inquiry.address}',)",
                task_id=f"look-{inquiry.host_id}-{inquiry.number}",
                queue=inquiry.queue,
                headers={TRACEPARENT: inquiry.traceparent, SENT_AT: time.time()},
                retry=False,
            )

    def waiting(self, queues: Collection[str]) -> Mapping[str, int]:
        """Return how many messages stand in each queue; StoreUnavailable where the broker is away."""
        return self._lengths.of(queues)

    def steer(self, moves: Sequence[Move]) -> None:
        """Send Celery's add_consumer and cancel_consumer; a worker that misses one is told again at the next look."""
        with translated():
            for move in moves:
                order = self._app.control.add_consumer if move.add else self._app.control.cancel_consumer
                order(move.queue, destination=[move.worker], reply=False)
