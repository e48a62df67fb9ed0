"""Muster's transport on a real server: what it takes at once, what it leaves, what it gives back."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.messaging import Consumer
from redis import Redis

from workers.broker import QueueLengths

QUEUES = ["hosts.default.00", "hosts.default.01"]


@pytest.fixture
def server(valkey_url: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_url, decode_responses=True) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def connection(valkey_url: str, server: Redis) -> Iterator[Connection]:
    # As workers.app sets it; with it redis-py makes connections anew by itself.
    with Connection(transport="workers.transport:Transport", transport_options={"retry_on_timeout": True}) as found:
        # As kombu writes the path of a Unix socket; a URL with it would choose kombu's own transport.
        found.hostname = f"socket://{valkey_url.removeprefix('unix://')}"
        yield found


def fill(connection: Connection, count: int) -> None:
    """Put so many messages into each queue."""
    for queue in QUEUES:
        for number in range(count):
            connection.Producer().publish({"n": number}, routing_key=queue, declare=[Queue(queue)])


def drain(connection: Connection, consumer: Consumer) -> None:
    """Read until nothing comes for a moment."""
    consumer.consume()
    with suppress(socket.timeout):
        while True:
            connection.drain_events(timeout=0.1)


def calls(server: Redis, command: str) -> int:
    found: dict[str, Any] = server.info("commandstats")
    return int(found.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_all_that_stands_in_a_queue_comes_in_one_answer_and_in_order(connection: Connection, server: Redis) -> None:
    fill(connection, 20)
    got: dict[str, list[int]] = {queue: [] for queue in QUEUES}

    def receive(body: Any, message: Any) -> None:
        got[message.delivery_info["routing_key"]].append(body["n"])
        message.ack()

    server.config_resetstat()
    drain(connection, Consumer(connection, [Queue(queue) for queue in QUEUES], callbacks=[receive]))
    assert got == {queue: list(range(20)) for queue in QUEUES}
    # Two answers with messages, and those that waited in vain.
    assert calls(server, "blmpop") <= 4
    assert calls(server, "brpop") == calls(server, "zadd") == calls(server, "hset") == 0


def test_no_more_is_taken_than_may_be_in_hand_and_an_end_gives_it_back(connection: Connection, server: Redis) -> None:
    fill(connection, 5)
    got: list[Any] = []
    consumer = Consumer(
        connection, [Queue(queue) for queue in QUEUES], callbacks=[lambda _body, message: got.append(message)]
    )
    consumer.qos(prefetch_count=3)
    drain(connection, consumer)
    assert len(got) == 3
    got[0].ack()
    drain(connection, consumer)
    assert len(got) == 4
    assert sum(int(server.llen(queue)) for queue in QUEUES) == 6
    connection.release()
    # Three that nobody has acknowledged stand there again for whoever comes next.
    assert sum(int(server.llen(queue)) for queue in QUEUES) == 9


@pytest.mark.parametrize("is_long_idle", [False, True])
def test_a_connection_that_the_server_has_closed_meanwhile_hears_again(
    connection: Connection, server: Redis, is_long_idle: bool
) -> None:
    """Closed: an idle connection, as by a restart of Redis. Heard: what is sent after that."""
    got: list[int] = []
    queue = Queue(QUEUES[0])

    def receive(body: Any, message: Any) -> None:
        got.append(body["n"])
        message.ack()

    consumer = Consumer(connection, [queue], callbacks=[receive])
    connection.Producer().publish({"n": 1}, routing_key=QUEUES[0], declare=[queue])
    consumer.consume()
    connection.drain_events(timeout=10)
    polled = consumer.channel.client.connection if consumer.channel else None
    assert polled
    if is_long_idle:
        # redis-py would ask for a sign of life before the next command.
        polled.next_health_check = 0
    server.client_kill_filter(_type="normal", skipme=True)
    connection.Producer().publish({"n": 2}, routing_key=QUEUES[0])
    connection.drain_events(timeout=10)
    assert got == [1, 2]


def test_where_nothing_waits_one_command_says_so_of_all_queues(connection: Connection, server: Redis) -> None:
    app: Any = SimpleNamespace(connection_for_read=lambda: connection)
    lengths = QueueLengths(app)
    server.config_resetstat()
    assert lengths.of(QUEUES) == dict.fromkeys(QUEUES, 0)
    assert (calls(server, "exists"), calls(server, "llen")) == (1, 0)
    fill(connection, 3)
    connection.Producer().publish({}, routing_key=QUEUES[0])
    assert lengths.of(QUEUES) == {QUEUES[0]: 4, QUEUES[1]: 3}
