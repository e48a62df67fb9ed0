"""The demonstration: a fleet of its own, one restart of all its agents, and proof that they are new processes."""

import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.client import PREFIX, ApiClient
from cli.error import CommandError
from cli.interrupt import StopAsked
from cli.stack import Ready, Stack, StackOptions, running, tell
from cli.table import print_table
from config.load import Loaded
from dag.state import NodeStatus, TaskStatus
from deploy.fleet.leftovers import find_processes

PROGRAMS = ("ocp_agentd", "ocp_mgragent", "ocp_monagent", "pos_proxy")
POLL_SECONDS = 0.2
# A guard that has just forked shows the same program twice for an instant.
SETTLE_SECONDS = 3.0
# A lost worker's steps are handed out again within 15 s; a demo host needs a few seconds for any step.
STALLED_SECONDS = 60.0
WAIT_NODE = "Wait node"

Pids = Mapping[str, Mapping[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Result:
    """What the demonstration showed; `restarted` hosts have exactly one, new process of each program."""

    hosts: int
    restarted: int
    subtasks: int
    seconds: float
    status: str

    @property
    def proven(self) -> bool:
        """Tell whether the task succeeded and every host's agent is a new one."""
        return self.status == TaskStatus.SUCCESSFUL and self.restarted == self.hosts


def run_demo(hosts: int, directory: Path | None, loaded: Loaded, *, as_json: bool) -> bool:
    """Run the demonstration on a stack of its own and tell whether it proved what it is to prove.

    Without a directory the data is temporary; it is kept, and named, when the demonstration fails.
    """
    path = directory or Path(tempfile.mkdtemp(prefix="muster-demo-"))
    proven = False
    try:
        tell(f"Starting Muster and {hosts} demo hosts in {path} ...")
        # Free ports: several demonstrations may run at once.
        with running(path, StackOptions(hosts, port=0, flower_port=0), loaded, tell) as (stack, ready):
            proven = demonstrate(stack, ready, as_json=as_json).proven
    except StopAsked:
        proven = directory is None
        raise
    finally:
        if directory is None and proven:
            shutil.rmtree(path)
        elif not proven:
            tell(f"Data and logs are kept in {path}")
    return proven


def demonstrate(stack: Stack, ready: Ready, *, as_json: bool) -> Result:
    """Restart the agents of all hosts of a stack that is up, show it, and return what was seen."""
    output = Console(stderr=as_json, highlight=False)
    with stack.client(ready) as client:
        names = {host["id"]: host["name"] for host in client.hosts()}
        before = processes(stack.data.fleet)
        output.print(_curl(ready, list(names)), soft_wrap=True, markup=False)
        began = time.monotonic()
        task = client.restart_agents(list(names))
        task = _follow(stack, client, task["id"], output)
        seconds = time.monotonic() - began
    after = _settled(stack.data.fleet, before)
    restarted = [host for host in before if is_renewed(before[host], after.get(host, {}))]
    result = Result(len(before), len(restarted), len(task["subtasks"]), round(seconds, 2), task["status"])
    _report(result, before, after, failures(task, list(names.values())), as_json=as_json)
    return result


def processes(root: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return host to program to process ids, for the programs of the agent below the fleet's directory."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for pid, arguments in sorted(find_processes(root).items()):
        host, program = _named(root, arguments)
        if program in PROGRAMS:
            programs = found.setdefault(host, {})
            programs[program] = (*programs.get(program, ()), pid)
    return dict(sorted(found.items()))


def _named(root: Path, arguments: str) -> tuple[str, str]:
    """Return the host and the program that a command line of the fleet is about, ("", "") for any other."""
    _, found, rest = arguments.partition(f"{root}/")
    host, is_agent, program = rest.partition("/ocp_agent/bin/")
    return (host, program.split(" ")[0]) if found and is_agent else ("", "")


def is_renewed(before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]) -> bool:
    """Tell whether each program runs exactly once, and not as a process that ran before."""
    old = {pid for pids in before.values() for pid in pids}
    return all(len(after.get(name, ())) == 1 and not old.intersection(after[name]) for name in PROGRAMS)


def _settled(root: Path, before: Pids) -> dict[str, dict[str, tuple[int, ...]]]:
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        after = processes(root)
        if all(is_renewed(before[host], after.get(host, {})) for host in before) or time.monotonic() > deadline:
            return after
        time.sleep(POLL_SECONDS)


def failures(task: Mapping[str, Any], hosts: list[str]) -> list[str]:
    """Return "host: step" for each failed step of a task on these hosts, in the order of the call."""
    failed = [node for node in task["subtasks"] if node["status"] == NodeStatus.FAILED]
    return [f"{hosts[node['parallelIdx']]}: {node['name']}" for node in failed]


def _follow(stack: Stack, client: ApiClient, task_id: int, output: Console) -> dict[str, Any]:
    patience = Patience(STALLED_SECONDS)
    with _showing(output) as show:
        while True:
            stack.tend()
            task = client.task(task_id)
            show.update(stages(task))
            patience.heed(task)
            if task["status"] != TaskStatus.RUNNING:
                return task
            time.sleep(POLL_SECONDS)


class Patience:
    """Ends the wait for a task none of whose subtasks has changed for so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._seen: list[str] = []
        self._since = clock()

    def heed(self, task: Mapping[str, Any]) -> None:
        """Look at the task; CommandError when it stands still for too long."""
        statuses = [node["status"] for node in task["subtasks"]]
        if statuses != self._seen:
            self._seen, self._since = statuses, self._clock()
        elif self._clock() - self._since > self._seconds:
            raise CommandError(f"Task {task['id']} has not moved for {self._seconds:.0f} s; it is {task['status']}.")


def stages(task: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return how many steps of each stage have succeeded, and of how many, in the order of the stages."""
    counts: dict[str, tuple[int, int]] = {}
    for node in task["subtasks"]:
        if node["name"] != WAIT_NODE:
            done, total = counts.get(node["name"], (0, 0))
            counts[node["name"]] = (done + (node["status"] == NodeStatus.SUCCESSFUL), total + 1)
    return counts


class _Lines:
    """Progress where nothing can be drawn: one line when a stage is done."""

    def __init__(self, output: Console) -> None:
        self._output = output
        self._told: set[str] = set()

    def update(self, counts: Mapping[str, tuple[int, int]]) -> None:
        for name, (done, total) in counts.items():
            if done == total and name not in self._told:
                self._told.add(name)
                self._output.print(f"{name}: {done}/{total}", soft_wrap=True)


class _Bars:
    """Progress on a terminal: one bar a stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def update(self, counts: Mapping[str, tuple[int, int]]) -> None:
        for name, (done, total) in counts.items():
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=total)
            self._progress.update(self._bars[name], completed=done)
        self._progress.refresh()


@contextmanager
def _showing(output: Console) -> Iterator[_Lines | _Bars]:
    if not output.is_terminal:
        yield _Lines(output)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # No refreshing thread: the stack starts processes again from this one, and a fork wants no other threads.
    with Progress(*columns, console=output, auto_refresh=False) as progress:
        yield _Bars(progress)


def _curl(ready: Ready, ids: list[int]) -> str:
    body = shlex.quote(json.dumps({"hostIds": ids}, separators=(",", ":")))
    login = shlex.quote(f"{ready.user}:{ready.password}")
    url = f"{ready.api}{PREFIX}/compute/hosts/batchRestartAgents"
    return f"curl -u {login} -H 'Content-Type: application/json' -d {body} {url}"


def _report(result: Result, before: Pids, after: Pids, failed: list[str], *, as_json: bool) -> None:
    for line in failed:
        print(f"failed on {line}", file=sys.stderr)
    if as_json:
        print(json.dumps(asdict(result)))
        return
    print_table(("host", *PROGRAMS), [_row(host, before[host], after.get(host, {})) for host in before])
    print(
        f"{result.status}: {result.restarted} of {result.hosts} hosts have new agents, "
        f"{result.subtasks} subtasks in {result.seconds:.1f} s"
    )


def _row(host: str, before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]) -> list[str]:
    return [host, *(f"{_pids(before.get(name))} → {_pids(after.get(name))}" for name in PROGRAMS)]


def _pids(pids: tuple[int, ...] | None) -> str:
    return ",".join(map(str, pids)) if pids else "-"
