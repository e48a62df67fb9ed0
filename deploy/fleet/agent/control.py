"""`ocp_agentctl`: starts, stops and describes the agent; answers with one JSON object."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable

from .common import GUARD, PROXY, RESIDUAL_VARIABLE, SERVICES, Home, arguments_of
from .lock import AdminLock

WAIT_SECONDS = 10.0
POLL_SECONDS = 0.01
FAILED = 255
USAGE = "usage: ocp_agentctl start|stop|restart|status|service start|stop NAME"


class ControlError(Exception):
    """The command failed; its text is the `error` of the answer."""


class Control:
    """The commands on one agent; each returns the `message` of its answer or raises ControlError."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def start(self) -> object:
        """Start guard, services and proxy where they do not run; wait up to 10 s until all do."""
        if self.home.fault("refuse-start") is not None:
            raise ControlError("start ocp_agentd failed: refused by the agent")
        fresh = self.home.running(GUARD) is None
        started = [self._spawn(GUARD)] if fresh else []
        if self.home.has_proxy() and not self.home.running(PROXY):
            started.append(self._spawn(PROXY))
        self._leave_residual()
        for pid in started:
            _, status = os.waitpid(pid, 0)
            if status:
                code = os.waitstatus_to_exitcode(status)
                raise ControlError(f"start failed with exit code {code}, see above")
        wait_for(lambda: self._is_up(fresh), "wait for ocp_agentd to be running timed out")
        return "ok"

    def stop(self) -> object:
        """Stop guard and services, not the proxy; wait up to 10 s until they are gone."""
        if self.home.fault("hang-stop") is not None:
            signal.pause()
        self._end(GUARD)
        return "ok"

    def restart(self) -> object:
        """Stop, then start."""
        self.stop()
        return self.start()

    def status(self) -> object:
        """State of guard and services; `startAt` in milliseconds since the epoch, 0 for what does not run."""
        pid = self.home.running(GUARD)
        if pid is None:
            raise ControlError("read_pid_failed")
        names = [*SERVICES, PROXY] if self.home.has_proxy() else SERVICES
        services = {name: self._service_status(name) for name in names}
        state = self.home.read(f"run/{GUARD}.state") or "unknown"
        ready = state == "running" and all(service["state"] != "starting" for service in services.values())
        return {
            "state": state,
            "ready": ready,
            "version": self.home.version(),
            "pid": pid,
            "socket": "",
            "services": services,
            "dangling": self._dangling(pid),
            "startAt": self.home.started_at(GUARD),
        }

    def service_start(self, name: str) -> object:
        """Start one service or the proxy, if it does not run."""
        if self.home.running(name):
            return "ok"
        if name == PROXY:
            _, status = os.waitpid(self._spawn(PROXY), 0)
            if status:
                raise ControlError("start pos_proxy failed, see above")
        else:
            guard = self.home.running(GUARD)
            if guard is None:
                raise ControlError("read_pid_failed")
            self.home.write(f"run/{name}.request", "")
            os.kill(guard, signal.SIGHUP)
        wait_for(lambda: self.home.running(name) is not None, f"wait for {name} to be running timed out")
        return "ok"

    def service_stop(self, name: str) -> object:
        """Stop one service or the proxy; the guard leaves it stopped, since it ends without an error."""
        self._end(name)
        return "ok"

    def _is_up(self, fresh: bool) -> bool:
        """Whether the start is done; in an agent that ran before, what was stopped on purpose stays so."""
        if self.home.running(GUARD) is None or self.home.read(f"run/{GUARD}.state") != "running":
            return False
        if self.home.has_proxy() and self.home.running(PROXY) is None:
            return False
        missing = [name for name in SERVICES if self.home.running(name) is None]
        return not missing or not (fresh or any(self._is_starting(name) for name in missing))

    def _spawn(self, name: str, variables: dict[str, str] | None = None) -> int:
        program = self.home.program(name)
        return os.posix_spawn(program, [program], {**os.environ, **(variables or {})})

    def _end(self, name: str) -> None:
        pid = self.home.running(name)
        if pid is not None:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pid = 0
            wait_for(lambda: self._is_gone(name, pid), f"wait for {name} to stop timed out")
        self.home.remove(f"run/{name}.pid")

    def _is_gone(self, name: str, pid: int) -> bool:
        # A process drops its pid file a moment before it ends.
        return self.home.program(name) not in arguments_of(pid) and self.home.running(name) is None

    def _service_status(self, name: str) -> dict[str, object]:
        pid = self.home.running(name)
        state = "running" if pid else "stopped"
        if pid is None and name in SERVICES and self._is_starting(name):
            state = "starting"
        started_at = self.home.started_at(name) if pid else 0
        return {"state": state, "pid": pid or 0, "version": self.home.version(), "startAt": started_at}

    def _is_starting(self, name: str) -> bool:
        """Whether the guard has a process of that service that has not written its pid file yet."""
        if self.home.read(f"run/{GUARD}.state") == "starting":
            return True
        guard = self.home.running(GUARD)
        return any(parent_of(pid) == guard for pid in self.home.processes(name))

    def _dangling(self, guard: int) -> list[dict[str, object]]:
        """Processes of the services that are not the guard's: a residual of an earlier agent."""
        found = [(name, pid) for name in SERVICES for pid in self.home.processes(name)]
        return [{"name": name, "pid": pid} for name, pid in found if parent_of(pid) != guard]

    def _leave_residual(self) -> None:
        """With the fault `residual`: start one more `ocp_mgragent` that belongs to no guard."""
        name = SERVICES[0]
        kind = self.home.fault("residual")
        if kind is None:
            return
        guard = self.home.running(GUARD)
        if any(parent_of(pid) != guard for pid in self.home.processes(name)):
            return
        null = os.open("/dev/null", os.O_RDWR)
        program = self.home.program(name)
        redirect = [(os.POSIX_SPAWN_DUP2, null, target) for target in (0, 1, 2)]
        variables = {**os.environ, RESIDUAL_VARIABLE: "term" if kind == "term" else "plain"}
        # An orphan as soon as this program ends; in a session of its own it survives the caller's.
        os.posix_spawn(program, [program], variables, file_actions=redirect, setsid=True)
        os.close(null)


def parent_of(pid: int) -> int:
    """The parent's pid, 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def wait_for(condition: Callable[[], bool], error: str) -> None:
    """Poll until the condition holds; raises ControlError with that text after 10 s."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ControlError(error)
        time.sleep(POLL_SECONDS)


def run(home: Home, arguments: list[str]) -> object:
    """Carry out one command line; returns the `message` or raises ControlError."""
    control = Control(home)
    if arguments == ["status"]:
        return control.status()
    if arguments == ["stop"] and home.fault("hang-stop") is not None:
        # Without the lock: the fault is about a stop that never answers, not about who else waits for it.
        return control.stop()
    command = find_command(control, arguments)
    with AdminLock(home, WAIT_SECONDS):
        return command()


def find_command(control: Control, arguments: list[str]) -> Callable[[], object]:
    """The method that a command line asks for; raises ControlError when there is none."""
    plain = {"start": control.start, "stop": control.stop, "restart": control.restart}
    if len(arguments) == 1 and arguments[0] in plain:
        return plain[arguments[0]]
    on_service = {"start": control.service_start, "stop": control.service_stop}
    if len(arguments) != 3 or arguments[0] != "service" or arguments[1] not in on_service:
        raise ControlError(USAGE)
    name = arguments[2]
    if name not in SERVICES and not (name == PROXY and control.home.has_proxy()):
        raise ControlError(f"service {name} not found")
    return lambda: on_service[arguments[1]](name)


def main(name: str, home_path: str, arguments: list[str]) -> int:
    """Print the answer: on stdout with 0 when the command succeeded, on stderr with 255 when it failed."""
    try:
        message = run(Home(home_path), arguments)
    except (ControlError, TimeoutError) as error:
        answer = {"successful": False, "message": None, "error": str(error)}
        print(json.dumps(answer, separators=(",", ":")), file=sys.stderr)
        return FAILED
    print(json.dumps({"successful": True, "message": message, "error": ""}, separators=(",", ":")))
    return 0
