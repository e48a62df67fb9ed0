"""Runs the processes of one stack: starts them, starts them again when they die, stops them in time.

Each child is the leader of its own session, writes to its own log file and is killed by the kernel when the
supervisor ends without having stopped it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cli.error import CommandError
from cli.interrupt import SIGNALS

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02
# All of them together stop well within 5 s: 2.2 s for the first, 0.7 s after the second signal, 1.4 s for the rest.
GRACE_SECONDS = 2.2
INSIST_SECONDS = 0.7
LAST_GRACE_SECONDS = 1.4
STEADY_SECONDS = 30.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.2, 10.0
TAIL_LINES = 15
# For what does not answer callers, where all of it shares one machine: on two full cores calls of the API are answered
# in half the time, and the work takes no longer.
BACKGROUND_NICENESS = 10
AUTOGROUP = "/proc/self/autogroup"
AUTOGROUP_TRIES, AUTOGROUP_PAUSE_SECONDS = 5, 0.05

_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """What to run. Secrets belong into `environment`: everybody on the machine can read a command line.

    `insist` is sent to a child that has not ended in time, SIGKILL after that; `last` ones are stopped when the
    others have ended, because those need them. `ends_alone`: it sees for itself when the supervisor has ended,
    and has something to put in order then. One that lived for `steady_seconds` and died is started again at once, as
    if it had never died before. `niceness` is that of nice(2).
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    insist: signal.Signals | None = None
    last: bool = False
    ends_alone: bool = False
    steady_seconds: float = STEADY_SECONDS
    niceness: int = 0


class ChildDied(CommandError):
    """A child ended while the stack was starting."""


class Child:
    """One program and the process that runs it now."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program, self.log = program, log
        self._deaths = 0
        self._start_at = 0.0
        self._open_log(os.O_TRUNC).close()
        self._start()

    def ended(self) -> bool:
        """Tell whether the process has ended; what it started itself is ended with it."""
        if self.process.returncode is None:
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            if os.waitid(os.P_PID, self.process.pid, options) is None:
                return False
            # Before it is reaped: until then nobody else can have its group's number.
            self._signal_group(signal.SIGKILL)
            self.process.wait()
        return True

    def tend(self, note: Callable[[str], None]) -> None:
        """Start the program again where its process has died, later each time that it dies young."""
        now = time.monotonic()
        if self._start_at:
            if now >= self._start_at:
                self._start()
        elif self.ended():
            self._deaths = self._deaths + 1 if now - self._born < self.program.steady_seconds else 1
            delay = min(FIRST_DELAY_SECONDS * 2 ** (self._deaths - 1), LONGEST_DELAY_SECONDS)
            self._start_at = now + delay
            note(f"{self.program.name} ended ({self.how()}); starting it again. Its log: {self.log}")

    def how(self) -> str:
        """Say how the process ended."""
        code = self.process.returncode
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def tail(self) -> str:
        """Return the last lines of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def ask(self) -> None:
        """Ask the process to end."""
        if not self.ended():
            self.process.terminate()

    def press(self, before: float, now: float, grace_seconds: float) -> None:
        """Send what is due between two times (s since it was asked) to a process that has not ended."""
        kill_at = grace_seconds + (INSIST_SECONDS if self.program.insist else 0)
        if self.program.insist and before < grace_seconds <= now:
            self.process.send_signal(self.program.insist)
        if now >= kill_at:
            self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _start(self) -> None:
        self._start_at, self._born = 0.0, time.monotonic()
        # A signal that came between fork and the next line would leave a process that nobody knows.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            with self._open_log(os.O_APPEND) as log:
                self.process = subprocess.Popen(
                    list(self.program.command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self.program.environment},
                    start_new_session=True,
                    preexec_fn=partial(_before_exec, os.getpid(), mask, self.program),
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _open_log(self, mode: int) -> BinaryIO:
        return os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | mode, 0o600), "wb")


def _before_exec(parent: int, mask: set[int | signal.Signals], program: Program) -> None:
    """Run in the child. The kernel's notice is about the thread that forked: call from the main thread."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if program.niceness:
        _step_back(program.niceness)
    if not program.ends_alone:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _step_back(niceness: int) -> None:
    """Let others have the processor first.

    Source: sched(7): with autogrouping nice(2) counts only among the processes of one session, and each child leads its
    own; the session's weight is set in /proc. The kernel takes that from ordinary users ten times a second at most.
    """
    os.nice(niceness)
    for _ in range(AUTOGROUP_TRIES):
        try:
            with open(AUTOGROUP, "w") as group:
                group.write(str(niceness))
        except BlockingIOError:
            time.sleep(AUTOGROUP_PAUSE_SECONDS)
        except OSError:
            # A kernel without autogroups.
            return
        else:
            return


class Supervisor:
    """The children of this process, in the order in which they were started. For the main thread only."""

    def __init__(self, logs: Path, note: Callable[[str], None]) -> None:
        self._logs, self._note = logs, note
        self._children: dict[str, Child] = {}

    def start(self, program: Program) -> None:
        """Start a program."""
        self._children[program.name] = Child(program, self._logs / f"{program.name}.log")

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return self._children[name].process.pid

    def tail(self, name: str) -> str:
        """Return the last lines of a child's log."""
        return self._children[name].tail()

    def wait_for(self, name: str, is_ready: Callable[[], bool], seconds: float) -> None:
        """Return when the child is ready; CommandError with the end of its log when it is not in time.

        Raises:
            ChildDied: this child or another one ended meanwhile.

        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            for child in self._children.values():
                if child.ended():
                    raise ChildDied(_failed(child, f"ended at start ({child.how()})"))
            if time.monotonic() > deadline:
                raise CommandError(_failed(self._children[name], f"was not ready within {seconds:.0f} s"))
            time.sleep(POLL_SECONDS)

    def tend(self) -> None:
        """Start again what has died."""
        for child in self._children.values():
            child.tend(self._note)

    def stop(self) -> None:
        """End all children, within 5 s."""
        children = list(self._children.values())
        _stop([child for child in children if not child.program.last], GRACE_SECONDS)
        _stop([child for child in children if child.program.last], LAST_GRACE_SECONDS)
        self._children.clear()


def _stop(children: list[Child], grace_seconds: float) -> None:
    began = before = time.monotonic()
    for child in children:
        child.ask()
    while living := [child for child in children if not child.ended()]:
        now = time.monotonic()
        for child in living:
            child.press(before - began, now - began, grace_seconds)
        before = now
        time.sleep(POLL_SECONDS)


def _failed(child: Child, what: str) -> str:
    return f"{child.program.name} {what}. The end of its log:\n{child.tail() or '(nothing)'}"


def muster(command: str) -> list[str]:
    """Return the command line of a subcommand of this very Muster; in `ps` it reads as one would type it."""
    return [sys.executable, str(Path(sys.executable).parent / "muster"), command]
