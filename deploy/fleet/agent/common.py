"""The agent's directory, its pid files and its processes: what all programs of the agent share."""

import os
import time

GUARD = "ocp_agentd"
SERVICES = ("ocp_mgragent", "ocp_monagent")
PROXY = "pos_proxy"
# Tells a service that it plays the process an earlier agent left behind: "plain", or "term" to ignore
# SIGTERM. It travels in the environment so that the arguments look like those of any other service.
RESIDUAL_VARIABLE = "OCP_AGENT_RESIDUAL"
PF_EXITING = 0x4


class Home:
    """The directory of one agent: `bin/`, `conf/`, `lib/`, `log/` and `run/`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def program(self, name: str) -> str:
        """The absolute path of a program, as it appears in the arguments of its processes."""
        return f"{self.path}/bin/{name}"

    def pid_file(self, name: str) -> str:
        """Where the process of that name keeps its pid."""
        return f"{self.path}/run/{name}.pid"

    def read(self, relative: str) -> str | None:
        """The stripped text of a file below the home, None when there is no such file."""
        try:
            with open(f"{self.path}/{relative}", encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def write(self, relative: str, text: str) -> None:
        """Replace a file at once: a reader never sees half of it."""
        folder, _, name = relative.rpartition("/")
        temporary = f"{self.path}/{folder}/.{name}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, f"{self.path}/{relative}")

    def remove(self, relative: str) -> None:
        """Remove a file below the home, if it is there."""
        try:
            os.unlink(f"{self.path}/{relative}")
        except FileNotFoundError:
            return

    def fault(self, name: str) -> str | None:
        """The content of a fault's file, None when the fault is not set."""
        return self.read(f"conf/faults/{name}")

    def version(self) -> str:
        """The release that the agent says it is."""
        return self.read("conf/version") or "unknown"

    def has_proxy(self) -> bool:
        """Whether this release of the agent has a `pos_proxy` at all."""
        return self.fault("no-proxy") is None and os.path.exists(self.program(PROXY))

    def running(self, name: str) -> int | None:
        """The pid in a pid file, None unless that process lives and runs that program."""
        text = self.read(f"run/{name}.pid")
        if text is None or not text.isdigit():
            return None
        return int(text) if self.program(name) in arguments_of(int(text)) else None

    def started_at(self, name: str) -> int:
        """When the pid file was written, in milliseconds since the epoch, 0 without one."""
        try:
            return int(os.stat(self.pid_file(name)).st_mtime * 1000)
        except FileNotFoundError:
            return 0

    def drop_pid(self, name: str, pid: int) -> None:
        """Remove a pid file unless another process has taken it over."""
        if self.read(f"run/{name}.pid") == str(pid):
            self.remove(f"run/{name}.pid")

    def processes(self, name: str) -> list[int]:
        """The pids of every living process of that program, whoever started it."""
        program = self.program(name)
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [pid for pid in pids if program in arguments_of(pid)]


def arguments_of(pid: int) -> list[str]:
    """The arguments of a process; empty when it is gone, also when only its parent has not noticed yet."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read()).split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_ending(pid: int) -> bool:
    """Whether a process has begun to end, or has ended (proc(5): its flag PF_EXITING).

    That its arguments are gone would not do: a process that has just been started has none for a moment, either.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return bool(int(file.read().rpartition(b")")[2].split()[6]) & PF_EXITING)
    except (FileNotFoundError, ProcessLookupError):
        return True


def close_inherited() -> None:
    """Close what a careless caller left open, so that no session waits for a daemon to close it."""
    os.closerange(3, 256)


def daemonize(home: Home, name: str) -> None:
    """Go on as a daemon that logs to `log/<name>.log`; the caller's process ends once the daemon is alone."""
    first = os.fork()
    if first:
        # Waiting here keeps the short-lived process in between from being counted as a second daemon.
        _, status = os.waitpid(first, 0)
        os._exit(os.waitstatus_to_exitcode(status))
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir(home.path)
    null = os.open("/dev/null", os.O_RDONLY)
    log = os.open(f"{home.path}/log/{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)


def log(text: str) -> None:
    """Write a line to standard output, which is the log of a daemon."""
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), os.getpid(), text, flush=True)
