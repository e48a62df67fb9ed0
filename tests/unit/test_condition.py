"""When a worker is to be replaced, and when it can't do its work: each fault by itself, and what is none."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import fakeredis
import pytest

from dag.error import StoreUnavailable
from dag.roster import Roster, Worker
from dag.store import Store
from telemetry.health import STUCK_SECONDS, Examination, Health
from workers.condition import WorkerHealth


@dataclass
class Beats:
    """A heartbeat or an ear, as it looks from outside; times are s ago."""

    turned: float = 0.0
    renewed: float = 0.0
    fault: str = ""

    @property
    def turned_at(self) -> float:
        return time.monotonic() - self.turned

    @property
    def renewed_at(self) -> float:
        return time.monotonic() - self.renewed


class Lengths:
    """A broker that is there, or away."""

    is_away = False

    def ask(self) -> None:
        if self.is_away:
            raise StoreUnavailable("The broker can't be reached (ConnectionError).")


@dataclass
class Bench:
    """A worker that is well until something is done to it."""

    server: fakeredis.FakeServer = field(default_factory=fakeredis.FakeServer)
    heartbeat: Beats = field(default_factory=Beats)
    ear: Beats = field(default_factory=Beats)
    lengths: Lengths = field(default_factory=Lengths)
    is_draining: bool = False

    def __post_init__(self) -> None:
        self.store = Store(fakeredis.FakeRedis(server=self.server, decode_responses=True))
        self.beat(Worker("w", "default", frozenset()))
        parts: Any = (self.heartbeat, self.ear, self.lengths)
        self.health: Health = WorkerHealth("w", self.store, *parts).checks(lambda: self.is_draining)

    def beat(self, worker: Worker) -> None:
        Roster(self.store).beat(worker)

    def faults(self, checks: str) -> dict[str, str]:
        is_well, told = Examination(getattr(self.health, checks)).examine()
        found = {name: text for name, text in told["checks"].items() if text != "OK"}
        assert (is_well, told["status"]) == (not found, "DOWN" if found else "UP")
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


LONG = STUCK_SECONDS + 10


def test_a_worker_that_is_well_is_alive_and_ready(bench: Bench) -> None:
    assert (bench.faults("alive"), bench.faults("ready")) == ({}, {})


def test_threads_that_hang_are_a_reason_to_replace_it(bench: Bench) -> None:
    bench.heartbeat.turned = bench.ear.turned = LONG
    assert bench.faults("alive") == {
        "heartbeat": "The heartbeat has not turned for 40 s.",
        "ear": "The look whether messages arrive has not turned for 40 s.",
    }


def test_leases_that_are_not_renewed_are_one_only_while_redis_answers(bench: Bench) -> None:
    bench.heartbeat.renewed = LONG
    assert bench.faults("alive") == {"leases": "No lease has been renewed for 40 s, and Redis answers."}
    bench.server.connected = False
    assert bench.faults("alive") == {}
    assert set(bench.faults("ready")) == {"redis", "roster"}


def test_a_redis_that_hangs_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(bench.store.redis, "ping", lambda: answers.wait(5))
    bench.heartbeat.renewed = LONG
    assert bench.faults("alive") == {}
    answers.set()
    assert bench.faults("alive") == {"leases": "No lease has been renewed for 40 s, and Redis answers."}


def test_so_is_deafness(bench: Bench) -> None:
    bench.ear.fault = "Messages or orders for this worker do not reach it."
    assert bench.faults("alive") == {"messages": bench.ear.fault}


def test_what_keeps_it_from_its_work_is_named(bench: Bench) -> None:
    bench.lengths.is_away = True
    assert bench.faults("ready") == {"broker": "The broker can't be reached (ConnectionError)."}
    bench.lengths.is_away = False
    bench.beat(Worker("w", "default", frozenset(), draining=True))
    assert bench.faults("ready") == {"roster": "The worker does not consume: it is not connected to the broker."}
    Roster(bench.store).leave("w")
    bench.is_draining = True
    assert bench.faults("ready") == {
        "roster": "The worker is not in the roster.",
        "stopping": "The worker was told to stop.",
    }
