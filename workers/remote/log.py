"""The log of one run of a subtask, in the contract's format."""

from collections.abc import Mapping
from datetime import datetime

from dag.log import head_line
from workers.action.action import MARK
from workers.remote.executor import Completed

MOST_BYTES = 1024 * 1024


def run_log(
    operation: str,
    started: datetime,
    head: Mapping[str, object],
    done: Completed | None,
    reason: str,
    printed: str = "",
) -> str:
    """Return the log, at most 1 MiB: the contract's head line, who ran it, what the host printed, why it failed.

    `head` are names and values for the second line; `printed` is the output of a script that did not get `done`.
    """
    first = head_line(operation, started)
    second = " ".join(f"{name}={value}" for name, value in head.items()) + "\n"
    last = f"{reason}\n" if reason else ""
    if done is not None:
        last = f"exit code {done.exit_code} after {done.duration_seconds:.2f} s\n{last}"
    body = done.output if done else printed
    body = body.rpartition(MARK)[0] if MARK in body else body
    room = MOST_BYTES - len((first + second + last).encode()) - 64
    return first + second + _fitted(body.rstrip("\n"), room) + last


def _fitted(text: str, room: int) -> str:
    if not text:
        return ""
    raw = text.encode(errors="replace")
    if len(raw) <= room:
        return f"{text}\n"
    half = room // 2
    cut = f"\n[... {len(raw) - 2 * half} bytes left out ...]\n"
    return f"{raw[:half].decode(errors='ignore')}{cut}{raw[-half:].decode(errors='ignore')}\n"
