"""kombu's Redis transport, as Muster needs it: many messages in one answer, none kept until it is acknowledged.

A message only says that there is something to do, and the store sends again what got lost: a copy of each in Redis
until its acknowledgement (four commands of kombu's) would find nothing that the store does not.
"""

from queue import Empty
from time import monotonic
from typing import Any

import orjson
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str

# Popped by one command, where as many threads are free.
MOST_AT_ONCE = 64


class Channel(redis.Channel):
    """Waits with BLMPOP ... COUNT in place of BRPOP: all messages that stand in a queue come in one answer."""

    ack_emulation = False
    # kombu sets these two, to a connection and to a time.
    _in_poll: Any
    _brpop_sent_at: Any

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        seconds = self.brpop_timeout if timeout is None else timeout
        room = self.qos.can_consume_max_estimate() or MOST_AT_ONCE
        count = max(1, min(room, MOST_AT_ONCE))
        self._renew_if_closed()
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        keys = list(queues)
        command = ("BLMPOP", seconds or 0, len(keys), *keys, "RIGHT", "COUNT", count)
        # Its check of a connection that was idle for long would make a new one, and tell nobody.
        self.client.connection.send_command(*command, check_health=False)

    def _renew_if_closed(self) -> None:
        """Connect anew where the server has closed the connection while nothing was asked, as when it was restarted.

        Left to redis-py, which connects as it sends, kombu's poller would go on watching the old socket, and whatever
        is answered on the new one would never be heard.
        """
        connection = self.client.connection
        try:
            is_closed = connection.can_read()
        except self.connection_errors:
            is_closed = True
        if is_closed:
            connection.disconnect()
            self.connection.cycle._register(self, self.client, "BRPOP")

    def _brpop_read(self, **options: Any) -> bool:
        try:
            try:
                answer = self.client.parse_response(self.client.connection, "BLMPOP", **options)
            except self.connection_errors:
                # So that the next turn connects anew.
                self.client.connection.disconnect()
                raise
            if not answer:
                raise Empty
            name, items = answer
            queue = bytes_to_str(name)
            self._queue_cycle.rotate(queue)
        finally:
            self._in_poll = None
        for item in items:
            self.connection._deliver(orjson.loads(item), queue)
        return True


class Transport(redis.Transport):
    """The same transport with that channel."""

    Channel = Channel
