"""How a task's progress is drawn: lines where nothing can be drawn, a bar a stage on a terminal."""

import re
from io import StringIO

from rich.console import Console

from cli.progress import drawing
from cli.snapshot import Snapshot, Stage


def at(*stages: tuple[int, int, int]) -> Snapshot:
    """A task of 20 hosts whose stages have so many steps done, running and failed."""
    names = ("Stop", "Start")
    made = tuple(Stage(name, 20, *counts) for name, counts in zip(names, stages, strict=True))
    return Snapshot(7, "Restart", "RUNNING", "EXECUTE", "2026-11-25T03:55:56.473+00:00", None, 40, None, made, ())


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(*moments: tuple[float, Snapshot], terminal: bool = False) -> str:
    """What is drawn of these moments (s since the start)."""
    output, clock = StringIO(), Clock()
    console = Console(file=output, force_terminal=terminal, width=80, color_system=None, legacy_windows=False)
    with drawing(console, clock, refresh=False) as show:
        for seconds, snapshot in moments:
            clock.now = 100.0 + seconds
            show.update(snapshot)
            show.say(f"after {seconds:g} s [x]")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue())


def test_a_line_tells_that_a_stage_has_ended_once() -> None:
    text = drawn((1, at((19, 1, 0), (0, 0, 0))), (2, at((19, 0, 1), (0, 3, 0))), (3, at((19, 0, 1), (0, 3, 0))))
    assert text.splitlines() == ["after 1 s [x]", "Stop: 19/20, 1 failed", "after 2 s [x]", "after 3 s [x]"]


def test_a_line_in_ten_seconds_tells_rate_and_time_left() -> None:
    moments = [(0.0, at((0, 8, 0), (0, 0, 0)))]
    moments += [(float(second), at((second, 8, 0), (0, 0, 0))) for second in range(1, 12)]
    lines = [line for line in drawn(*moments).splitlines() if line.startswith("Stop")]
    assert lines == ["Stop: 10/20, 1.0/s, 0:00:10 left"]


def test_a_terminal_shows_a_bar_a_stage_with_rate_and_time_left() -> None:
    moments = [(float(second), at((2 * second, 8, 1), (0, 0, 0))) for second in range(5)]
    text = drawn(*moments, terminal=True)
    last = [line for line in text.splitlines() if line.startswith("Stop") and "8/20" in line][-1]
    assert last.split()[0] == "Stop"
    assert "8/20 1 failed 2.0/s 0:00:06 left" in last
    assert "Start ━" in text
    assert "after 4 s [x]" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_step_that_runs_again_takes_its_failure_back() -> None:
    text = drawn((1, at((19, 0, 1), (0, 0, 0))), (2, at((19, 1, 0), (0, 0, 0))), (3, at((20, 0, 0), (0, 1, 0))))
    assert [line for line in text.splitlines() if line.startswith("Stop")] == ["Stop: 19/20, 1 failed", "Stop: 20/20"]
