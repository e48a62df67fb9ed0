"""The log of one run of a subtask, in the contract's format."""

from workers.action.action import MARK
from workers.mask import masked
from workers.remote.session import Completed

MOST_BYTES = 1024 * 1024
# Of what a script prints, so much from its beginning stands in the log whatever its length.
MOST_EARLY_BYTES = 448 * 1024


def log_text(opening: str, done: Completed | None, reason: str, printed: str = "") -> str:
    """Return the log, at most 1 MiB: `opening` (head line, who ran it), what the host printed, why it failed.

    `printed` is the output of a script that did not get `done`. Secrets in either are masked.
    """
    last = f"{reason}\n" if reason else ""
    if done is not None:
        last = f"exit code {done.exit_code} after {done.duration_seconds:.2f} s\n{last}"
    body = done.output if done else printed
    body = body.rpartition(MARK)[0] if MARK in body else body
    room = MOST_BYTES - len((opening + last).encode()) - 64
    return opening + _fitted(masked(body.rstrip("\n")), room) + last


def early_lines(output: bytes) -> tuple[bytes, bool]:
    """Return the whole lines with which an output begins as far as they stand in the log whatever follows, and whether
    what follows is for Muster only: its line of result.

    Line breaks at the end are none of them yet: `log_text` takes those off after the last line.
    """
    mark = output.find(MARK.encode())
    behind = output.rfind(b"\n", 0, mark if mark >= 0 else len(output)) + 1
    lines = output[:behind].rstrip(b"\n")
    return lines + b"\n" if lines else b"", mark >= 0


def _fitted(text: str, room: int) -> str:
    if not text:
        return ""
    raw = text.encode(errors="replace")
    if len(raw) <= room:
        return f"{text}\n"
    half = room // 2
    cut = f"\n[... {len(raw) - 2 * half} bytes left out ...]\n"
    return f"{raw[:half].decode(errors='ignore')}{cut}{raw[-half:].decode(errors='ignore')}\n"
