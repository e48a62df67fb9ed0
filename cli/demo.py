"""The demonstration: a fleet of its own, one restart of all its agents, and proof that they are new processes."""

import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from cli.client import PREFIX
from cli.error import CommandError
from cli.interrupt import StopAsked
from cli.progress import drawing
from cli.snapshot import SUCCESSFUL, Failure, Snapshot, Stage
from cli.stack import Ready, Stack, StackOptions, running, tell
from cli.table import print_table
from cli.watch import Watch
from config.load import Loaded
from deploy.fleet.leftovers import find_processes

PROGRAMS = ("ocp_agentd", "ocp_mgragent", "ocp_monagent", "pos_proxy")
POLL_SECONDS = 0.2
# A guard that has just forked shows the same program twice for an instant.
SETTLE_SECONDS = 3.0
# A lost worker's steps are handed out again within 15 s; a demo host needs a few seconds for any step.
STALLED_SECONDS = 60.0

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
        return self.status == SUCCESSFUL and self.restarted == self.hosts


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
        made = client.submit("batchRestartAgents", list(names))
        task = _follow(stack, Watch(client, made["id"], names), output)
        seconds = time.monotonic() - began
    after = _settled(stack.data.fleet, before)
    restarted = [host for host in before if is_renewed(before[host], after.get(host, {}))]
    result = Result(len(before), len(restarted), task.subtasks, round(seconds, 2), task.status)
    _report(result, before, after, task.failures, as_json=as_json)
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


def _follow(stack: Stack, watch: Watch, output: Console) -> Snapshot:
    patience = Patience(STALLED_SECONDS)
    # No redrawing thread: the stack starts processes again from this one, and a fork wants no other threads.
    with drawing(output, refresh=False) as show:
        while True:
            stack.tend()
            task = watch.look()
            show.update(task)
            patience.heed(task)
            if task.ended:
                return task
            time.sleep(POLL_SECONDS)


class Patience:
    """Ends the wait for a task none of whose steps has got further for so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._seen: tuple[Stage, ...] = ()
        self._since = clock()

    def heed(self, task: Snapshot) -> None:
        """Look at the task; CommandError when it stands still for too long."""
        if task.stages != self._seen:
            self._seen, self._since = task.stages, self._clock()
        elif self._clock() - self._since > self._seconds:
            raise CommandError(f"Task {task.id} has not moved for {self._seconds:.0f} s; it is {task.status}.")


def _curl(ready: Ready, ids: list[int]) -> str:
    body = shlex.quote(json.dumps({"hostIds": ids}, separators=(",", ":")))
    login = shlex.quote(f"{ready.user}:{ready.password}")
    url = f"{ready.api}{PREFIX}/compute/hosts/batchRestartAgents"
    return f"curl -u {login} -H 'Content-Type: application/json' -d {body} {url}"


def _report(result: Result, before: Pids, after: Pids, failed: Sequence[Failure], *, as_json: bool) -> None:
    for failure in failed:
        print(f"FAILED {failure}", file=sys.stderr)
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
