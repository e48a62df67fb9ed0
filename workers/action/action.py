"""What an action is: a script for a host, and how its answer is read. No action knows the network."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from dag.host import Agent, AgentStatus, Host
from workers.mask import masked
from workers.profile.profile import Command, ProcessSpec, Profile

# The functions that all scripts use.
LIBRARY = "".join((Path(__file__).parent / "shell" / f"{name}.sh").read_text() for name in ("prelude", "news", "fence"))
MARK = "MUSTER-RESULT "
# The script ends itself so long before the worker would: then its result still arrives.
EARLIER_SECONDS = 3
LONGEST_REASON = 2000
# Of a version, an operating system, an architecture.
LONGEST_NAME = 200


class Completion(Protocol):
    """A script's end as the executor saw it: all output in order, and the exit code (-1: ended by a signal)."""

    @property
    def output(self) -> str:
        """Standard output and standard error."""

    @property
    def exit_code(self) -> int:
        """The shell's exit code."""


@dataclass(frozen=True)
class ActionRequest:
    """What an action is asked to do.

    `facts` are what earlier steps of the task found on this host (JSON values), `token` fences, `timeout_seconds`
    is the stage's, `parameters` are the task's. The script ends itself when the worker was silent for `silence_seconds`
    (0: never), and notes `action`, the step's name, in the host's journal.
    """

    host: Host
    profile: Profile
    facts: dict[str, Any]
    token: int
    timeout_seconds: int
    action: str = "-"
    silence_seconds: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionResult:
    """What became of it: `facts` are added to the task's for this host, `agent` is what is known of it now.

    `reason` says why it failed, or why there was nothing to do; it ends the log. A run that is `fenced` (a newer one is
    there) or `unheard` (the host heard nothing of its worker for too long) says nothing about the step.
    """

    ok: bool
    reason: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    agent: Agent | None = None
    fenced: bool = False
    unheard: bool = False


class Action(Protocol):
    """One step on a host."""

    def build(self, request: ActionRequest) -> str:
        """Return the script, "" for nothing to do on the host; the same request gives the same script."""

    def read(self, done: Completion, request: ActionRequest) -> ActionResult:
        """Return what the script's output says."""


@dataclass(frozen=True)
class Found:
    """The one line of result that a script ends with; `processes` are name, pid and age (s).

    `system` and `machine` are the host's operating system and architecture, "" where the script did not look for them.
    """

    outcome: str
    reason: str
    answer: str
    version: str
    proxy: str
    killed: list[dict[str, Any]]
    processes: list[dict[str, Any]]
    system: str = ""
    machine: str = ""

    @property
    def ok(self) -> bool:
        """Whether the script saw its effect."""
        return self.outcome == "ok"

    @property
    def operating_system(self) -> str:
        """What the host's os-release says."""
        return self.system.strip()[:LONGEST_NAME]

    @property
    def architecture(self) -> str:
        """What uname -m says there."""
        return self.machine.strip()[:LONGEST_NAME]

    @property
    def pids(self) -> dict[str, list[int]]:
        """Every pid of each process, in order."""
        found: dict[str, list[int]] = {}
        for process in self.processes:
            found.setdefault(process["name"], []).append(process["pid"])
        return found

    def agent(self, status: AgentStatus) -> Agent:
        """Return host and agent as seen; of processes that should be one, the first."""
        now = datetime.now(UTC).replace(microsecond=0)
        started = {p["name"]: (now - timedelta(seconds=p["age"])).isoformat() for p in reversed(self.processes)}
        pids = {name: pids[0] for name, pids in self.pids.items()}
        system, machine = self.operating_system, self.architecture
        return Agent(status, self.version, pids, started, operating_system=system, architecture=machine)

    def failure(self) -> ActionResult:
        """Return the result of a script that did not see its effect, with the agent's own words."""
        error = error_of(self.answer) if self.outcome == "failed" else ""
        reason = self.reason if not error or error in self.reason else f"{self.reason}: {error}"
        is_fenced, is_unheard = self.outcome == "fenced", self.outcome == "unheard"
        return ActionResult(False, reason[:LONGEST_REASON], fenced=is_fenced, unheard=is_unheard)


def build_script(request: ActionRequest, body: str, **variables: str) -> str:
    """Return the script: what it works on, and the action's own part; the shell knows `LIBRARY`.

    It is one compound command, so that a shell which reads it from its input has read all before it starts.
    """
    named = {
        "token": str(request.token),
        "action": request.action,
        "silence": str(request.silence_seconds),
        "limit": str(max(1, request.timeout_seconds - EARLIER_SECONDS)),
        "slug": slug(request.host, request.profile),
        **variables,
    }
    return compose(request.profile, f"fence\n{body}", **named)


def compose(profile: Profile, body: str, **variables: str) -> str:
    """Return a script of what the profile says and `body`, which may only look where it calls no fence."""
    named = {
        "specs": "\n".join(map(spec_line, profile.processes)),
        "proxy_spec": spec_line(profile.proxy.process) if profile.proxy else "",
        "answers": profile.answers,
        "grace": str(profile.grace_seconds),
        "settle": str(profile.settle_seconds),
        "stop_seconds": str(profile.stop_seconds),
        "start_seconds": str(profile.start_seconds),
        **variables,
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in named.items())
    return f"{{\n{head}begin\n{commands(profile)}{body}\n}}\n"


def commands(profile: Profile) -> str:
    """Return one shell function a command of the profile."""
    named: dict[str, tuple[str, Command]] = {
        "start_agent": ("$start_seconds", profile.start),
        "stop_agent": ("$stop_seconds", profile.stop),
        "status_agent": ("$stop_seconds", profile.status),
        "version_agent": ("$stop_seconds", profile.version),
        "present_agent": ("$stop_seconds", profile.present),
    }
    if profile.proxy:
        named["start_proxy"] = ("$start_seconds", profile.proxy.start)
        named["stop_proxy"] = ("$stop_seconds", profile.proxy.stop)
    return "".join(
        f'{name}() {{ starts={_starts(name)}; run "{limit}" {shlex.join(words)}; }}\n'
        if words
        else f"{name}() {{ code=0 answer=''; }}\n"
        for name, (limit, words) in named.items()
    )


def _starts(name: str) -> str:
    return "yes" if name.startswith("start_") else "''"


def read_found(done: Completion) -> Found:
    """Return the script's line of result; where there is none, a failure that shows the end of its output."""
    _text, mark, line = done.output.rpartition(MARK)
    if mark:
        try:
            return Found(**json.loads(line.splitlines()[0], strict=False))
        except (ValueError, TypeError, IndexError):
            pass
    tail = _end(masked(done.output), 500)
    reason = f"the script on the host ended with exit code {done.exit_code} and without a result: {tail or 'no output'}"
    return Found("failed", reason, "", "", "", [], [])


def error_of(answer: str) -> str:
    """Return what a control program gave as its error, secrets masked; "" where it gave none."""
    for value in reversed(_objects(answer)):
        if isinstance(value.get("error"), str):
            return masked(str(value["error"]))
    return _end(masked(answer), 300) if not answer.lstrip().startswith("{") else ""


def _end(text: str, most: int) -> str:
    """Return the last words of a text, in one line."""
    words = " ".join(text.split())
    return words if len(words) <= most else words[-most:].partition(" ")[2] or words[-most:]


def message_of(answer: str) -> dict[str, Any]:
    """Return the `message` of a control program's JSON answer; {} where it has none that is an object."""
    for value in _objects(answer):
        if isinstance(value.get("message"), dict):
            found: dict[str, Any] = value["message"]
            return found
    return {}


def _objects(answer: str) -> list[dict[str, Any]]:
    """Return the JSON objects among the lines; the whole answer may be one that is printed over several."""
    found = []
    for text in (answer, *answer.splitlines()):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def version_of(found: Found) -> str:
    """Return the agent's version: from its JSON status, or what its version command printed."""
    told = message_of(found.answer).get("version") or found.version
    return str(told).strip()[:LONGEST_NAME]


def slug(host: Host, profile: Profile) -> str:
    """Return the name of the agent's fence on the host: one for each agent there, whatever name the host has."""
    place = profile.variables.get("home") or _identity(profile.processes[0])
    return re.sub(r"[^A-Za-z0-9._-]+", "_", place).strip("_")[-100:] or "agent"


def _identity(spec: ProcessSpec) -> str:
    return spec.path or spec.pattern or spec.pid_file


def spec_line(spec: ProcessSpec) -> str:
    """Return a process as the script reads it."""
    return "\t".join((spec.name, spec.path, spec.pattern, spec.pid_file, "1" if spec.guard else "0"))
