"""One run: start everything, hurt it while tasks are under way, let the tasks end, count."""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT
from typing import Any

from config.settings import EngineSettings
from tests.chaos import verdict
from tests.chaos.cluster import Cluster, Layout
from tests.chaos.evidence import TaskFound, agents, read_tasks, scripts_left
from tests.chaos.journal import Entry, overlaps, read_journals, unfinished
from tests.chaos.observer import Observer
from tests.chaos.plan import Fault, plan_faults, plan_submissions
from tests.chaos.workload import Calls, Workload
from tests.invariant import check_invariants
from tests.wait import until

# So many tasks are kept under way: enough that hosts are waited for, few enough to end soon after the last fault.
TASKS_AT_ONCE = 4
# The longest that a process may be away before a fault is due to it: a start takes a second or two.
AWAY_SECONDS = 120.0
# No node's runs are lost so often, so no task fails by the limit.
MOST_LOST = 1000
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Options:
    """What a run was asked for; `lease_seconds` is also how long a message may wait to be begun, 0: the settings'."""

    data: Path
    seed: int
    kills: int
    hosts: int = 8
    lease_seconds: int = 0
    settle_seconds: float = 90.0

    @property
    def command(self) -> str:
        """Return the command that does the same faults and submissions again."""
        lease = f" LEASE={self.lease_seconds}" if self.lease_seconds else ""
        return f"make chaos KILLS={self.kills} SEED={self.seed} HOSTS={self.hosts}{lease}"

    def settings(self) -> dict[str, str]:
        """Return the variables by which its processes differ from a plain Muster's."""
        names = ("LEASE_SECONDS", "BEGIN_WITHIN_SECONDS") if self.lease_seconds else ()
        shorter = {f"MUSTER_ENGINE_{name}": str(self.lease_seconds) for name in names}
        return {"MUSTER_ENGINE_MOST_LOST": str(MOST_LOST), **shorter}


@dataclass
class Findings:
    """All that is wrong, in sentences by kind, and the figures of the run."""

    wrong: dict[str, list[str]]
    figures: dict[str, Any]

    def line(self) -> dict[str, Any]:
        """Return the run's last line: the promised keys first."""
        first = ("lost", "double_results", "overlaps", "stuck")
        counts = {kind: len(found) for kind, found in self.wrong.items()}
        head = {
            "kills": self.figures["kills"],
            "tasks": self.figures["tasks"],
            **{kind: counts[kind] for kind in first},
        }
        recovery = {name: self.figures[name] for name in ("recovery_p50", "recovery_max")}
        return {**head, **recovery, **{**counts, **self.figures, **head, **recovery}}

    @property
    def is_clean(self) -> bool:
        return not any(self.wrong.values())


def run(options: Options) -> Findings:
    """Do the run and return what was found; all processes have ended then."""
    options.data.mkdir(parents=True, exist_ok=True)
    for folder in ("log", "fleet"):
        (options.data / folder).mkdir(mode=0o700)
    began = time.monotonic()
    with _cluster(Layout(options.data.resolve(), options.hosts, options.settings())) as (cluster, ids):
        tell(f"{options.hosts} hosts and all processes are up after {time.monotonic() - began:.1f} s")
        return _Run(options, cluster, ids, began).run()


@contextmanager
def _cluster(layout: Layout) -> Iterator[tuple[Cluster, list[int]]]:
    cluster = Cluster(layout)
    try:
        yield cluster, cluster.start()
    finally:
        cluster.stop()


class _Run:
    def __init__(self, options: Options, cluster: Cluster, ids: Sequence[int], began: float) -> None:
        self._options, self._cluster, self._ids, self._began = options, cluster, ids, began
        self._observer = Observer(cluster.redis)
        submissions = plan_submissions(options.seed, options.hosts)
        layout = cluster.layout
        self._workload = Workload(layout.apis, layout.password, ids, submissions, self._is_wanted)
        self._asleep: dict[str, float] = {}
        self._injected: list[Fault] = []
        self._not_injected: list[str] = []

    def run(self) -> Findings:
        self._observer.start()
        self._workload.start()
        lease = self._options.lease_seconds or EngineSettings().lease_seconds
        for fault in plan_faults(self._options.seed, self._options.kills, lease):
            if not self._inject(fault):
                break
        while self._asleep:
            self._wake()
            time.sleep(LOOK_SECONDS)
        self._workload.stop()
        settled = self._settle()
        self._observer.stop()
        return self._judge(settled)

    def _is_wanted(self, calls: Calls) -> bool:
        return len((calls.acknowledged.keys() | self._observer.unended()) - self._observer.ended()) < TASKS_AT_ONCE

    def _inject(self, fault: Fault) -> bool:
        """Wait for the fault's moment, a node under way and a process that can be hit; False where it never comes."""
        due = time.monotonic() + fault.pause_seconds
        deadline = due + AWAY_SECONDS
        while time.monotonic() < due or not self._hit(fault):
            if time.monotonic() > deadline:
                reason = "the process does not come back" if self._observer.is_under_way() else "nothing is under way"
                self._not_injected.append(f"no moment for fault {fault.number} ({fault.kind}): {reason}")
                return False
            self._wake()
            time.sleep(LOOK_SECONDS)
        if fault.hold_seconds:
            self._asleep[fault.name] = time.monotonic() + fault.hold_seconds
        self._injected.append(fault)
        tell(f"fault {fault.number}: {fault.signal.name} {fault.name}")
        return True

    def _hit(self, fault: Fault) -> bool:
        if fault.name in self._asleep or not self._observer.is_under_way():
            return False
        return self._observer.hit(fault.number, lambda: self._cluster.signal(fault.name, fault.signal))

    def _wake(self) -> None:
        for name, until_time in list(self._asleep.items()):
            if time.monotonic() >= until_time:
                self._cluster.signal(name, SIGCONT)
                del self._asleep[name]

    def _settle(self) -> float:
        """Wait until all tasks have ended and all processes serve again, at most the bound; return the seconds."""
        since = time.monotonic()
        while time.monotonic() < since + self._options.settle_seconds and not self._is_settled():
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - since

    def _is_settled(self) -> bool:
        known = self._workload.calls.acknowledged.keys() | self._observer.unended()
        return known <= self._observer.ended() and self._cluster.missing_none()

    def _judge(self, settled: float) -> Findings:
        layout, calls = self._cluster.layout, self._workload.calls
        tasks, journals = read_tasks(self._cluster.store), read_journals(layout.fleet)
        names = dict(zip(self._ids, journals, strict=True))
        wrong = {
            "not_injected": self._not_injected,
            "stuck": list(verdict.stuck(tasks)),
            "not_back": self._cluster.missing(),
            "scripts_left": _left(layout.fleet),
            "invariants": _invariants(self._cluster),
            **judge(calls, tasks, names, journals),
        }
        wrong["lost"] += [*calls.denied, *verdict.unlike_last(tasks, names, agents(layout.fleet))]
        return Findings(wrong, self._figures(settled, tasks))

    def _figures(self, settled: float, tasks: Mapping[int, TaskFound]) -> dict[str, Any]:
        seconds, calls = self._observer.recoveries(), self._workload.calls
        slowest = max(self._injected, key=lambda fault: seconds.get(fault.number, 0.0), default=None)
        return {
            "kills": len(self._injected),
            "tasks": len(tasks),
            "recovery_p50": round(statistics.median(seconds.values()), 2) if seconds else None,
            "recovery_max": round(max(seconds.values()), 2) if seconds else None,
            "slowest": f"fault {slowest.number}: {slowest.kind}" if slowest else "",
            "seed": self._options.seed,
            "seconds": round(time.monotonic() - self._began, 1),
            "settled_seconds": round(settled, 1),
            "acknowledged": len(calls.acknowledged),
            "unanswered": len(calls.unanswered),
            "reads": calls.reads,
            "faults": dict(sorted(Counter(fault.kind for fault in self._injected).items())),
            **_totals(tasks),
        }


def judge(
    calls: Calls, tasks: Mapping[int, TaskFound], names: Mapping[int, str], journals: Mapping[str, Sequence[Entry]]
) -> dict[str, list[str]]:
    """Return what is wrong with calls, tasks and journals, by kind; `names` are the hosts' by their ids."""
    hosts = {host: journals[name] for host, name in names.items()}
    return {
        "lost": list(verdict.lost(calls.acknowledged, tasks, MOST_LOST)),
        "unasked": list(verdict.unasked(calls.acknowledged, calls.unanswered, tasks)),
        "double_results": list(verdict.double_results(tasks)),
        "overlaps": [f"{names[host]}: {text}" for host, journal in hosts.items() for text in overlaps(journal)],
        "unfinished": [f"{names[host]}: {text}" for host, journal in hosts.items() for text in unfinished(journal)],
        "disorder": [text for host, journal in hosts.items() for text in verdict.disorder(tasks, host, journal)],
    }


def _totals(tasks: Mapping[int, TaskFound]) -> dict[str, int]:
    steps = [step for task in tasks.values() for step in task.steps]
    return {
        "steps": len(steps),
        "run_again": sum(step.attempts - 1 for step in steps),
        "runs_lost": sum(step.lost for step in steps),
        "failed_by_limit": sum(verdict.is_failed_by_limit(task, MOST_LOST) for task in tasks.values()),
    }


def _left(fleet: Path) -> list[str]:
    """Return what scripts still run on the hosts although all tasks have ended; the last are given time to end."""
    try:
        until(lambda: not scripts_left(fleet))
    except AssertionError:
        return [f"process {pid}: {text}" for pid, text in scripts_left(fleet).items()]
    return []


def _invariants(cluster: Cluster) -> list[str]:
    try:
        check_invariants(cluster.store)
    except AssertionError as error:
        return [str(error)]
    return []


def tell(text: str) -> None:
    """Say on stderr what happens meanwhile."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
