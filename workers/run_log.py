"""The log of one run in the making: whole lines of it can be stored while the run goes on.

What is stored early is the beginning of what the whole log will be, so whoever follows it only has to add.
"""

import threading
import time
from collections.abc import Mapping
from datetime import datetime

from dag.lease import Run
from dag.log import head_line
from dag.running_log import NOT_HELD, LogPart
from workers.mask import Mask
from workers.remote.log import MOST_EARLY_BYTES, early_lines, log_text
from workers.remote.session import Completed

# Of one run in one call: the script that adds it then takes Redis well below a millisecond.
MOST_PART_BYTES = 64 * 1024


class RunLog:
    """Fed by the thread that runs the node, read by the one that stores it; `token` is that of the run's begin.

    `head` are names and values for the second line.
    """

    def __init__(self, run: Run, token: int, operation: str, started: datetime, head: Mapping[str, object]) -> None:
        self._run, self._token = run, token
        second = " ".join(f"{name}={value}" for name, value in head.items())
        self._opening = f"{head_line(operation, started)}{second}\n"
        self._lock = threading.Lock()
        # What the script has printed and is not among the early lines yet, and how much it was altogether.
        self._chunks: list[bytes] = []
        self._size, self._is_full, self._mask = 0, False, Mask()
        self._early, self._stored = bytearray(self._opening.encode()), 0
        self._place, self._since, self._is_noted = "", 0.0, False

    def connecting(self, place: str) -> None:
        """Note that there is no connection yet; it becomes a line only where that lasts."""
        with self._lock:
            self._place, self._since = place, time.monotonic()

    def connected(self) -> None:
        """Note that the script begins."""
        with self._lock:
            self._place = ""
            if self._is_noted:
                self._note(f"connected after {time.monotonic() - self._since:.1f} s")

    def printed(self, chunk: bytes) -> None:
        """Take what the script has printed."""
        with self._lock:
            if self._size <= MOST_EARLY_BYTES and not self._is_full:
                self._size += len(chunk)
                self._chunks.append(chunk)

    def text(self, done: Completed | None, reason: str, printed: str = "") -> str:
        """Return the whole log; `printed` is the output of a script that did not get `done`.

        Where neither is known, because of a fault, it has what was taken of the output: that may be stored already.
        """
        with self._lock:
            known = printed or self._early[len(self._opening.encode()) :].decode()
            return log_text(self._opening, done, reason, known)

    def part(self) -> LogPart | None:
        """Return what is to be stored next, None where nothing is."""
        with self._lock:
            self._grow()
            new = bytes(self._early[self._stored : self._stored + MOST_PART_BYTES])
            if len(new) == MOST_PART_BYTES:
                # Not in the middle of a character.
                new = new.decode(errors="ignore").encode()
            return LogPart(self._run, self._token, self._stored, new) if new else None

    def stored(self, size: int) -> None:
        """Take note of how many bytes are stored by now; NOT_HELD: nothing more is to be."""
        with self._lock:
            self._is_full |= size == NOT_HELD
            self._stored = len(self._early) if size == NOT_HELD else size

    def _grow(self) -> None:
        if self._place and not self._is_noted:
            self._is_noted = True
            self._note(f"connecting to {self._place}")
        if self._is_full:
            return
        output = b"".join(self._chunks)
        lines, self._is_full = early_lines(output)
        self._chunks = [] if self._is_full else [output[len(lines) :]]
        # As `Completed.output` and `log_text` have them.
        text = self._mask.take(lines.decode(errors="replace")).encode()
        room = MOST_EARLY_BYTES + len(self._opening.encode()) - len(self._early)
        if len(text) > room:
            text, self._is_full = text[: text.rfind(b"\n", 0, room) + 1], True
        self._early += text

    def _note(self, line: str) -> None:
        # Nothing of the script is there yet: these lines stand before all of it, in the whole log, too.
        self._opening += f"{line}\n"
        self._early += f"{line}\n".encode()
