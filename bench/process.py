"""What the kernel counts of processes: CPU time and memory."""

import os
from pathlib import Path


def cpu_by_session() -> dict[int, float]:
    """Return CPU seconds by session: a supervised process leads one, with all that it has started."""
    found: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        # The session, and user and system time of the process and of its children that were waited for.
        session, ticks = int(fields[3]), sum(map(int, fields[11:15]))
        found[session] = found.get(session, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return found


def resident(pid: int) -> int:
    """Return the resident memory of one process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
