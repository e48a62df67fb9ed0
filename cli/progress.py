"""Draws how far a task is: a bar a stage on a terminal, plain lines anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from cli.snapshot import Snapshot, Stage

# How often a line tells of a stage that is under way.
LINE_SECONDS = 10.0


class Drawing(Protocol):
    """Shows a task to people."""

    def update(self, snapshot: Snapshot) -> None:
        """Show how far the stages are now."""

    def say(self, text: str) -> None:
        """Print a line beside them."""


@contextmanager
def drawing(console: Console, clock: Callable[[], float] = monotonic, *, refresh: bool = True) -> Iterator[Drawing]:
    """Draw on this console inside the block; without `refresh` no thread redraws, only each update does."""
    bar = BarColumn(bar_width=None, table_column=Column(ratio=1))
    # It does not draw where it is disabled; it keeps count of rates all the same.
    progress = Progress(
        *(_Cell(lambda task: task.description), bar, *(_Cell(show) for show in (done, failed, rate, left))),
        console=console,
        get_time=clock,
        expand=True,
        auto_refresh=refresh,
        refresh_per_second=4,
        disable=not console.is_terminal,
    )
    with progress:
        yield _Bars(progress) if console.is_terminal else _Lines(progress, clock)


def done(task: Task) -> str:
    """Return how many steps of a stage are done, and of how many."""
    stage: Stage = task.fields["stage"]
    return f"{stage.done}/{stage.total}"


def failed(task: Task) -> str:
    """Return how many failed, "" where none did."""
    stage: Stage = task.fields["stage"]
    return f"{stage.failed} failed" if stage.failed else ""


def rate(task: Task) -> str:
    """Return how many end in a second, "" where that is not known or over."""
    return f"{task.speed:.1f}/s" if task.speed and not task.finished else ""


def left(task: Task) -> str:
    """Return how long the others take at this rate, "" where that is not known or over."""
    seconds = task.time_remaining
    return f"{timedelta(seconds=int(seconds))} left" if seconds else ""


class _Cell(ProgressColumn):
    """Text about a stage, in one line."""

    def __init__(self, show: Callable[[Task], str]) -> None:
        self._show = show
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        return Text(self._show(task))


class _Bars:
    """One bar a stage; a bar counts the steps that have ended, well or not."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def update(self, snapshot: Snapshot) -> None:
        for stage in snapshot.stages:
            self._bar(stage)
        self._progress.refresh()

    def say(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _bar(self, stage: Stage) -> Task:
        ended, progress = stage.done + stage.failed, self._progress
        if stage.name not in self._bars:
            self._bars[stage.name] = progress.add_task(stage.name, start=False, total=stage.total, stage=stage)
        bar = self._bars[stage.name]
        if ended or stage.running:
            progress.start_task(bar)
        progress.update(bar, completed=ended, stage=stage)
        return progress.tasks[bar]


class _Lines(_Bars):
    """A line when a stage has ended, and now and then one about those under way."""

    def __init__(self, progress: Progress, clock: Callable[[], float]) -> None:
        super().__init__(progress)
        self._clock = clock
        self._told_at = clock()
        self._told: set[str] = set()

    def update(self, snapshot: Snapshot) -> None:
        now = self._clock()
        is_time = now - self._told_at >= LINE_SECONDS
        self._told_at = now if is_time else self._told_at
        for stage in snapshot.stages:
            bar = self._bar(stage)
            if stage.done + stage.failed < stage.total:
                # Steps that ran again may have taken it back.
                self._told.discard(stage.name)
                if is_time and stage.running:
                    self._tell(stage, bar)
            elif stage.name not in self._told:
                self._told.add(stage.name)
                self._tell(stage, bar)

    def _tell(self, stage: Stage, bar: Task) -> None:
        told = (show(bar) for show in (done, failed, rate, left))
        self.say(f"{stage.name}: {', '.join(filter(None, told))}")
