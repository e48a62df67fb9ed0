"""A worker that hears nothing is found, by the schedulers and by itself; one that has nothing to hear is not."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from dag.error import StoreUnavailable
from dag.hearing import DEAF_SECONDS, OTHERS_DEAF_SECONDS, SHUN_SECONDS, Hearing
from dag.roster import Move, Worker
from workers.ear import Ear

QUEUE = "hosts.default.00"


def worker(received: int = 0, free: int = 2, name: str = "w", queues: Collection[str] = (QUEUE,)) -> Worker:
    return Worker(name, "default", frozenset(queues), free=free, received=received)


class Looks:
    """Looks once a second on a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.hearing = Hearing(clock=lambda: self.now)

    def look(self, *workers: Worker, waiting: int = 1, seconds: float = DEAF_SECONDS + 1) -> set[str]:
        """What the last of these looks finds."""
        found: set[str] = set()
        for _ in range(int(seconds)):
            self.now += 1
            found = self.hearing.deaf(workers, {QUEUE: waiting})
        return found


def test_whoever_does_not_receive_what_stands_in_its_queue_is_deaf() -> None:
    looks = Looks()
    assert looks.look(worker(), seconds=DEAF_SECONDS) == set()
    assert looks.look(worker(), seconds=1) == {"w"}


@pytest.mark.parametrize(
    ("found", "waiting"),
    [(worker(), 0), (worker(free=0), 1), (worker(queues=()), 1), (worker(queues=("hosts.default.01",)), 1)],
    ids=["nothing waits", "no thread is free", "consumes nothing", "another queue"],
)
def test_whoever_has_nothing_to_hear_is_not_deaf(found: Worker, waiting: int) -> None:
    assert Looks().look(found, waiting=waiting, seconds=60) == set()


def test_whoever_receives_something_is_not_deaf() -> None:
    looks = Looks()
    for received in range(60):
        assert looks.look(worker(received), seconds=1) == set()


def test_whoever_does_not_do_what_it_is_told_is_deaf() -> None:
    looks, order = Looks(), Move("w", QUEUE, add=False)
    for second in range(int(DEAF_SECONDS) + 1):
        looks.now += 1
        # That it receives messages does not help.
        found = looks.hearing.deaf([worker(received=second)], {}, [order])
    assert found == {"w"}


def test_the_deaf_is_left_alone_for_a_while_and_then_judged_anew() -> None:
    looks = Looks()
    assert looks.look(worker()) == {"w"}
    # Its shards are with others, so nothing waits for it any more.
    assert looks.look(worker(queues=()), seconds=SHUN_SECONDS - 1) == {"w"}
    assert looks.look(worker(queues=()), seconds=1) == set()


def test_a_new_process_of_the_same_name_is_not_the_deaf_one() -> None:
    looks = Looks()
    assert looks.look(worker(received=9)) == {"w"}
    assert looks.look(worker(received=0), seconds=1) == set()


def test_after_a_pause_of_the_looks_the_time_counts_anew() -> None:
    looks = Looks()
    looks.look(worker(), seconds=5)
    looks.now += 60
    assert looks.look(worker(), seconds=DEAF_SECONDS) == set()
    assert looks.look(worker(), seconds=1) == {"w"}


class Broker:
    """Lengths of queues as they are set; `away` fails."""

    def __init__(self) -> None:
        self.waiting = 0
        self.away = False

    def of(self, queues: Collection[str]) -> Mapping[str, int]:
        if self.away:
            raise StoreUnavailable
        return dict.fromkeys(queues, self.waiting)

    def close(self) -> None:
        pass


class OwnEar:
    """An ear whose worker, broker and clock are played."""

    def __init__(self) -> None:
        self.now, self.me, self.broker = 1000.0, worker(), Broker()
        self.replaced = 0
        lengths: Any = self.broker
        self.orders: list[Move] = []
        self.ear = Ear(lengths, lambda: self.me, lambda _me: self.orders, self._replace, lambda: self.now)
        self.ear.look()

    def _replace(self) -> None:
        self.replaced += 1

    def look(self, seconds: int) -> int:
        for _ in range(seconds):
            self.now += 1
            try:
                self.ear.look()
            except StoreUnavailable:
                assert self.broker.away
        return self.replaced


@pytest.fixture
def own() -> OwnEar:
    return OwnEar()


def test_a_worker_that_hears_nothing_is_replaced(own: OwnEar) -> None:
    assert own.look(60) == 0
    own.broker.waiting = 3
    assert own.look(int(DEAF_SECONDS) - 1) == 0
    assert own.look(1) == 1


def test_a_scheduler_leaves_a_deaf_worker_its_shards_until_it_has_found_out_itself(own: OwnEar) -> None:
    """Without shards it would have nothing to hear, and stay deaf. The scheduler has seen the messages earlier."""
    scheduler = Hearing(OTHERS_DEAF_SECONDS, lambda: own.now)
    while not own.replaced:
        assert not scheduler.deaf([own.me], {QUEUE: 3})
        own.look(1)
        own.broker.waiting = 3


def test_a_worker_that_does_not_do_what_it_is_told_is_replaced(own: OwnEar) -> None:
    own.orders = [Move("another", QUEUE, add=True)]
    assert own.look(60) == 0
    for number in range(60):  # each is done in time, and the next is there
        own.orders = [Move("w", f"hosts.default.{number}", add=True)]
        assert own.look(1) == 0
    assert own.look(int(DEAF_SECONDS)) == 1


def test_a_worker_that_does_not_get_its_consumer_back_is_replaced_once_the_broker_is_there(own: OwnEar) -> None:
    own.me = Worker("w", "default", frozenset(), draining=True)
    own.broker.away = True
    assert own.look(60) == 0
    own.broker.away = False
    assert own.look(int(DEAF_SECONDS)) == 0
    assert own.look(1) == 1


def test_a_worker_that_is_told_to_stop_is_not_replaced(own: OwnEar) -> None:
    own.me = Worker("w", "default", frozenset(), draining=True)
    own.ear.cease()
    assert own.look(60) == 0
