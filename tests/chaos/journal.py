"""What the hosts themselves wrote down: each step's script writes its begin and its end while it holds the host's lock.

`~/.muster/<agent>.journal`, one line each: `begin TOKEN ACTION UPTIME` and `end TOKEN OUTCOME UPTIME`; UPTIME is
hundredths of a second since the host started.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A line: `word` is the action of a begin, the outcome of an end."""

    is_begin: bool
    token: int
    word: str
    uptime: int


def read_journals(fleet: Path) -> dict[str, list[Entry]]:
    """Return each demo host's journal; ValueError for a line that is none, AssertionError for two agents on a host."""
    found = {}
    for host in sorted(fleet.glob("host-*")):
        files = list(host.glob(".muster/*.journal"))
        assert len(files) <= 1, files
        found[host.name] = parse(files[0].read_text()) if files else []
    return found


def parse(text: str) -> list[Entry]:
    """Return the lines of a journal; ValueError for a line that is none."""
    return [_entry(line) for line in text.splitlines()]


def _entry(line: str) -> Entry:
    match line.split():
        case ["begin" | "end" as kind, token, word, uptime]:
            return Entry(kind == "begin", int(token), word, int(uptime))
    raise ValueError(f"no line of a journal: {line!r}")


def overlaps(journal: Sequence[Entry]) -> Iterator[str]:
    """Yield each begin of another run before the end of the one before."""
    before: Entry | None = None
    ended: set[int] = set()
    for entry in journal:
        if not entry.is_begin:
            ended.add(entry.token)
            continue
        if before and before.token not in ended:
            yield f"run {entry.token} ({entry.word}) began before the end of run {before.token} ({before.word})"
        before = entry


def unfinished(journal: Sequence[Entry]) -> Iterator[str]:
    """Yield the run that began last and never ended."""
    if journal and journal[-1].is_begin:
        yield f"{journal[-1].word} of run {journal[-1].token} never ended"


def turned_back(journal: Sequence[Entry]) -> Iterator[str]:
    """Yield each run that began after one of a newer token: the fence did not hold."""
    newest = 0
    for entry in journal:
        if entry.is_begin:
            if entry.token <= newest:
                yield f"run {entry.token} ({entry.word}) began after run {newest}"
            newest = max(newest, entry.token)
