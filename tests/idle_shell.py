"""The shells that workers keep on hosts for their next scripts."""

from pathlib import Path


def is_idle(pid: int) -> bool:
    """Whether this process is such a shell and runs no script, which would be a subshell of it."""
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return _arguments(pid) == "sh" != _arguments(parent) and not children
    except (FileNotFoundError, ProcessLookupError):
        # It has ended meanwhile.
        return True


def _arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
