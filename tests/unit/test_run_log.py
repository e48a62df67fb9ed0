"""The log of one run in the making: what is stored early is the beginning of the whole, in whole lines, rarely sent."""

import re
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from queue import Queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag.error import StoreUnavailable
from dag.lease import Run
from dag.running_log import NOT_HELD, LogPart
from workers.action.action import MARK
from workers.heartbeat import Repeat
from workers.live_log import LiveLogs, LogSender
from workers.remote.log import MOST_BYTES, MOST_EARLY_BYTES
from workers.remote.session import Completed
from workers.run_log import MOST_PART_BYTES, RunLog

RUN, STARTED = Run(1, 0, 1, 1, 0), datetime(2021, 9, 3, 6, 20, 26, 243_000, UTC)
RESULT = f'\n{MARK}{{"outcome":"ok"}}\n'.encode()


def log_of(run: Run = RUN) -> RunLog:
    return RunLog(run, 7, "EXECUTE", STARTED, {"worker": "w", "attempt": 1})


def stored(log: RunLog) -> bytes:
    """Store all that is there, and return it."""
    found = b""
    while part := log.part():
        assert (part.run, part.token) == (RUN, 7)
        found += part.text
        log.stored(part.before + len(part.text))
    return found


SECRET = b"password=Hunter2\n"
KEY = (b"-----BEGIN RSA PRIVATE KEY-----\n", b"QUJDREVGR0hJSktMTU5PUA==\n", b"-----END RSA PRIVATE KEY-----\n")
LINES = st.lists(
    st.sampled_from(
        [b"\n", b"one\n", b"zw\xc3\xb6lf\n", b"\xff\xfe\n", b"no end", b"x" * 300, MARK.encode(), SECRET, *KEY]
    )
)


@given(pieces=LINES, cuts=st.lists(st.integers(1, 40), min_size=1), is_result=st.booleans())
def test_however_it_comes_what_was_stored_is_the_beginning_of_the_whole(
    pieces: list[bytes], cuts: list[int], is_result: bool
) -> None:
    output = b"".join(pieces) + RESULT * is_result
    log, at = log_of(), 0
    early = stored(log)
    while at < len(output):
        size = cuts[at % len(cuts)]
        log.printed(output[at : at + size])
        at += size
        early += stored(log)
    whole = log.text(Completed(0, output.decode(errors="replace"), 1.5), "reason")
    assert whole.encode().startswith(early)
    assert early.endswith(b"\n")
    assert b"Hunter2" not in early + whole.encode()
    if MARK.encode() not in b"".join(pieces):
        assert MARK.encode() not in early


def test_a_line_is_stored_when_it_is_whole() -> None:
    """So what stands in a line (a secret, say, that somebody looks for there) is never cut in two."""
    log = log_of()
    assert stored(log) == b"############{EXECUTE}{%s}############\nworker=w attempt=1\n" % (
        re.findall(r"\{(2021[^}]*)\}", log.text(None, ""))[0].encode()
    )
    log.printed(b"one\ntwo pass")
    assert stored(log) == b"one\n"
    log.printed(b"word-4711")
    assert log.part() is None
    log.printed(b"\n\n\nthree\n\n")
    assert stored(log) == b"two password-4711\n\n\nthree\n"
    log.printed(RESULT)
    assert log.part() is None


def test_the_line_of_result_ends_it() -> None:
    log = log_of()
    log.printed(b"seen\n\nMUSTER-RE")
    log.printed(b'SULT {"outcome":"ok"}\nbehind\n')
    assert stored(log).endswith(b"\nseen\n")
    log.printed(b"more\n")
    assert log.part() is None


def test_how_long_a_connection_is_awaited_is_told_only_where_it_lasts() -> None:
    quick, slow = log_of(), log_of()
    for log in (quick, slow):
        log.connecting("10.0.0.1 port 22")
    assert stored(slow).endswith(b"\nconnecting to 10.0.0.1 port 22\n")
    for log in (quick, slow):
        log.connected()
        log.printed(b"seen\n")
    assert re.fullmatch(rb"connected after \d+\.\d s\nseen\n", stored(slow))
    done = Completed(0, "seen\n", 1.5)
    assert quick.text(done, "").splitlines()[1:] == ["worker=w attempt=1", "seen", "exit code 0 after 1.50 s"]
    lines = slow.text(done, "").splitlines()
    assert (lines[2], lines[4]) == ("connecting to 10.0.0.1 port 22", "seen")
    # Where it never comes.
    lost = log_of()
    lost.connecting("10.0.0.1 port 22")
    stored(lost)
    assert lost.text(None, "no answer").endswith("connecting to 10.0.0.1 port 22\nno answer\n")


def test_a_log_that_is_too_long_is_stored_early_up_to_its_cut() -> None:
    log, early = log_of(), b""
    lines = [b"%06d %s\n" % (n, b"\xc3\xa4" * 50) for n in range(30_000)]
    for at in range(0, len(lines), 1000):
        log.printed(b"".join(lines[at : at + 1000]))
        while part := log.part():
            assert len(part.text) <= MOST_PART_BYTES
            part.text.decode()
            early += part.text
            log.stored(len(early))
    assert MOST_EARLY_BYTES - 200 < len(early) < MOST_EARLY_BYTES + 200
    whole = log.text(Completed(0, b"".join(lines).decode(), 1.0), "")
    assert len(whole.encode()) <= MOST_BYTES
    assert whole.encode().startswith(early)


def test_after_a_fault_of_muster_what_was_stored_stays() -> None:
    log = log_of()
    log.printed(b"seen\nha")
    early = stored(log)
    assert log.text(None, "Unexpected ZeroDivisionError").encode() == early + b"Unexpected ZeroDivisionError\n"


class Told:
    """Takes what is sent in place of Redis; `away`: how many calls find nobody."""

    def __init__(self) -> None:
        self.calls: list[list[LogPart]] = []
        self.sizes: dict[Run, int] = {}
        self.away = 0
        self.is_called = threading.Event()

    def append(self, parts: Sequence[LogPart]) -> list[int]:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("Redis can't be reached (ConnectionError).")
        self.calls.append(list(parts))
        self.is_called.set()
        for part in parts:
            if self.sizes.get(part.run, 0) != NOT_HELD and self.sizes.get(part.run, 0) >= part.before:
                self.sizes[part.run] = part.before + len(part.text)
        return [self.sizes.get(part.run, 0) for part in parts]

    def text(self, run: Run) -> bytes:
        found = b""
        for part in (part for parts in self.calls for part in parts if part.run == run):
            found = found[: part.before] + part.text
        return found


class Bench:
    """A sender on a clock that is set, which sends every half second."""

    def __init__(self) -> None:
        self.now, self.told = 100.0, Told()
        self.live = LiveLogs(lambda: self.now)
        self.sender = LogSender(self.live, self.told, 0.5)

    def tick(self, seconds: float = 0.5) -> None:
        self.now += seconds
        self.sender.send()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_run_that_ends_sooner_than_a_batch_is_due_costs_nothing(bench: Bench) -> None:
    log = log_of()
    bench.tick()
    with bench.live.showing(log):
        log.printed(b"quick\n")
        bench.tick(0.4)
    bench.tick()
    assert bench.told.calls == []


def test_what_is_new_of_all_runs_is_one_call(bench: Bench) -> None:
    runs = [Run(1, offset, 1, 1, 0) for offset in range(20)]
    logs = [log_of(run) for run in runs]
    with ExitStack() as under_way:
        for log in logs:
            under_way.enter_context(bench.live.showing(log))
        for line in (b"one\n", b"two\n"):
            for log in logs:
                for _ in range(100):
                    log.printed(line)
            bench.tick()
        bench.tick()
    assert [len(parts) for parts in bench.told.calls] == [20, 20]
    for run in runs:
        assert bench.told.text(run).endswith(b"one\n" * 100 + b"two\n" * 100)


def test_what_redis_did_not_take_is_sent_once_it_is_back(bench: Bench) -> None:
    log = log_of()
    with bench.live.showing(log):
        log.printed(b"one\n")
        bench.told.away = 2
        bench.tick()
        bench.tick()
        assert bench.told.calls == []
        log.printed(b"two\n")
        bench.tick()
        assert bench.told.text(RUN).endswith(b"one\ntwo\n")
        # It has lost the last second.
        bench.told.sizes[RUN] -= 4
        log.printed(b"three\n")
        bench.tick()
    assert bench.told.text(RUN).endswith(b"one\ntwo\nthree\n")


def test_of_a_run_that_is_another_s_nothing_more_is_sent(bench: Bench) -> None:
    log = log_of()
    with bench.live.showing(log):
        bench.tick()
        bench.told.sizes[RUN] = NOT_HELD
        log.printed(b"one\n")
        bench.tick()
        count = len(bench.told.calls)
        log.printed(b"two\n")
        bench.tick()
    assert len(bench.told.calls) == count


def test_the_thread_sends_by_itself_and_ends() -> None:
    live, told, log = LiveLogs(), Told(), log_of()
    sender = LogSender(live, told, 0.1)
    sender.start()
    with live.showing(log):
        log.printed(b"one\n")
        assert told.is_called.wait(30)
    sender.stop()
    assert told.text(RUN).endswith(b"one\n")
    assert "live-log" not in [thread.name for thread in threading.enumerate()]


def test_a_thread_takes_no_step_while_none_is_wanted() -> None:
    """Counted: its steps, each of which takes back that another is wanted."""
    wanted, steps = threading.Event(), Queue[float]()

    def step() -> None:
        wanted.clear()
        steps.put(time.monotonic())

    repeat = Repeat("step", 0.001, step, wanted)
    repeat.start()
    for _ in range(3):
        wanted.set()
        steps.get(timeout=30)
    repeat.stop()
    assert not repeat.is_alive()
    assert steps.empty()
