"""Finds and ends the processes of a fleet: those whose program or HOME lies in a directory of its hosts."""

import asyncio
import os
import signal
import time
from pathlib import Path

POLL_SECONDS = 0.03


def find_processes(root: Path, host: str = "") -> dict[int, str]:
    """The living processes of the fleet below `root`, of one host if named: pid to arguments.

    Only processes of this user, never this process itself. `root` must be absolute and resolved.
    """
    prefix = f"{root}/{host}/" if host else f"{root}/host-"
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            arguments = _arguments_if_ours(entry.path, prefix)
            if arguments:
                found[int(entry.name)] = arguments
    return found


def _arguments_if_ours(process: str, prefix: str) -> str:
    try:
        if os.stat(process).st_uid != os.getuid():
            return ""
        arguments = _read(f"{process}/cmdline")
        # What a session has started need not name the directory, but it has the host's HOME.
        home = next((item for item in _read(f"{process}/environ") if item.startswith("HOME=")), "")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
    is_program = any(item.startswith(prefix) and "/ocp_agent/bin/" in item for item in arguments[:3])
    if is_program or f"{home}/".startswith(f"HOME={prefix}"):
        return " ".join(arguments).strip()
    return ""


def _read(path: str) -> list[str]:
    with open(path, "rb") as file:
        return os.fsdecode(file.read()).split("\0")


async def end_processes(root: Path, *, grace: float = 1.0, limit: float = 5.0) -> None:
    """Send SIGTERM to every process of the fleet, SIGKILL to those that live on after `grace` seconds.

    Returns when none is left; raises TimeoutError when some are after `limit` seconds.
    """
    asked: set[int] = set()
    began = time.monotonic()
    # Looked for again each time: a control program on its way may still have started something.
    while living := find_processes(root):
        waited = time.monotonic() - began
        if waited > limit:
            raise TimeoutError(f"processes that do not end: {living}")
        number = signal.SIGKILL if waited > grace else signal.SIGTERM
        for pid in living:
            if number == signal.SIGKILL or pid not in asked:
                _signal(pid, number)
        asked.update(living)
        await asyncio.sleep(POLL_SECONDS)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
