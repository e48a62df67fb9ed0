"""`ocp_agentd`: the daemon that starts the agent's services and starts them again when they fail."""

import os
import signal
import sys
import time

from .common import GUARD, SERVICES, Home, close_inherited, daemonize, is_ending, log

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# Less than the 10 s that the control program waits for a stop.
STOP_SECONDS = 5.0
# A service that lived shorter than this is not started again at once, but after a growing pause.
SHORT_LIFE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0
IDLE_SECONDS = 3600.0
DEFAULT_SLOW_START_SECONDS = 3.0


class Guard:
    """Keeps one process of each service alive."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.children: dict[int, tuple[str, float]] = {}
        self.due: dict[str, float] = {}
        self.failures: dict[str, int] = {}
        # To be started once the process that is ending now has ended.
        self.wanted: set[str] = set()

    def run(self) -> int:
        """Guard until SIGTERM; SIGHUP asks to look for services to start. Returns the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.home.write(f"run/{GUARD}.state", "starting")
        self.home.write(f"run/{GUARD}.pid", str(os.getpid()))
        first_start = time.monotonic() + slow_start_seconds(self.home)
        self.due = dict.fromkeys(SERVICES, first_start)
        log(f"{GUARD} started")
        while True:
            self._start_due()
            received = signal.sigtimedwait(SIGNALS, self._seconds_to_next())
            number = received.si_signo if received else 0
            if number in (signal.SIGTERM, signal.SIGINT):
                return self._stop()
            if number == signal.SIGHUP:
                self._take_requests()
            self._reap()

    def _seconds_to_next(self) -> float:
        if not self.due:
            return IDLE_SECONDS
        return max(0.0, min(self.due.values()) - time.monotonic())

    def _start_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, moment in self.due.items() if moment <= now]:
            del self.due[name]
            program = self.home.program(name)
            # The child inherits the blocked SIGTERM: sent early, it waits until the service asks for it.
            pid = os.posix_spawn(program, [program], os.environ)
            self.children[pid] = (name, now)
            log(f"{name} started with pid {pid}")
        if not self.due and self.home.read(f"run/{GUARD}.state") == "starting":
            self.home.write(f"run/{GUARD}.state", "running")

    def _take_requests(self) -> None:
        # A child may have ended and its SIGCHLD stand behind this SIGHUP, which has the lower number.
        self._reap()
        living = {name for name, _ in self.children.values()}
        ending = {name for pid, (name, _) in self.children.items() if is_ending(pid)}
        for name in SERVICES:
            requested = self.home.read(f"run/{name}.request") is not None
            self.home.remove(f"run/{name}.request")
            if requested and name not in living:
                self.due[name] = 0.0
            elif requested and name in ending:
                self.wanted.add(name)

    def _reap(self) -> None:
        """Collect the children that have ended and plan the restart of those that failed."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            name, started = self.children.pop(pid)
            self.home.drop_pid(name, pid)
            code = os.waitstatus_to_exitcode(status)
            log(f"{name} with pid {pid} ended with {code}")
            if name in self.wanted:
                self.wanted.remove(name)
                self.due[name] = 0.0
            elif code != 0:
                self.due[name] = time.monotonic() + self._pause(name, time.monotonic() - started)

    def _pause(self, name: str, lived: float) -> float:
        if lived >= SHORT_LIFE_SECONDS:
            self.failures[name] = 0
        failures = self.failures[name] = self.failures.get(name, 0) + 1
        return 0.0 if failures == 1 else min(LONGEST_PAUSE_SECONDS, 0.1 * 2**failures)

    def _stop(self) -> int:
        self.home.write(f"run/{GUARD}.state", "stopping")
        self._signal_children(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.children:
            self._reap()
            left = deadline - time.monotonic()
            if self.children and left <= 0:
                self._signal_children(signal.SIGKILL)
            if self.children:
                signal.sigtimedwait((signal.SIGCHLD,), max(0.1, left))
        log(f"{GUARD} stopped")
        self.home.remove(f"run/{GUARD}.state")
        self.home.drop_pid(GUARD, os.getpid())
        return 0

    def _signal_children(self, number: int) -> None:
        for pid in self.children:
            os.kill(pid, number)


def slow_start_seconds(home: Home) -> float:
    """How long the fault `slow-start` delays the services, 0 when it is not set."""
    text = home.fault("slow-start")
    if text is None:
        return 0.0
    return float(text) if text else DEFAULT_SLOW_START_SECONDS


def main(name: str, home_path: str, arguments: list[str]) -> int:
    """Daemonize and guard; returns 1 at once when the agent has a guard already."""
    home = Home(home_path)
    pid = home.running(GUARD)
    if pid is not None:
        print(f"{GUARD} is running already with pid {pid}", file=sys.stderr)
        return 1
    close_inherited()
    daemonize(home, name)
    return Guard(home).run()
