"""One run: start everything, hurt it while tasks are under way, let the tasks end, count."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.settings import EngineSettings
from tests.chaos import verdict
from tests.chaos.cluster import Cluster
from tests.chaos.evidence import agents, read_tasks, scripts_left
from tests.chaos.injector import LOOK_SECONDS, Injector
from tests.chaos.journal import read_journals
from tests.chaos.keeper import Layout
from tests.chaos.observer import Observer
from tests.chaos.plan import plan_faults, plan_submissions
from tests.chaos.result import MOST_LOST, Findings, count, judge, summarise
from tests.chaos.tell import tell
from tests.chaos.workload import Calls, Workload
from tests.invariant import check_invariants
from tests.wait import until

# So many tasks are kept under way: enough that hosts are waited for, few enough to end soon after the last fault.
TASKS_AT_ONCE = 4


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
        self._injector = Injector(cluster, self._observer, options.settle_seconds)
        submissions = plan_submissions(options.seed, options.hosts)
        layout = cluster.layout
        self._workload = Workload(layout.apis, layout.password, ids, submissions, self._is_wanted)

    def run(self) -> Findings:
        self._observer.start()
        self._workload.start()
        lease = self._options.lease_seconds or EngineSettings().lease_seconds
        for fault in plan_faults(self._options.seed, self._options.kills, lease):
            if not self._injector.inject(fault):
                break
        self._injector.wake_all()
        self._workload.stop()
        settled = self._settle()
        self._observer.stop()
        return self._judge(settled)

    def _is_wanted(self, calls: Calls) -> bool:
        return len((calls.acknowledged.keys() | self._observer.unended()) - self._observer.ended()) < TASKS_AT_ONCE

    def _settle(self) -> float:
        """Wait until all tasks have ended and all processes serve again, at most the bound; return the seconds."""
        since = time.monotonic()
        while time.monotonic() < since + self._options.settle_seconds and not self._is_settled():
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - since

    def _is_settled(self) -> bool:
        known = self._workload.calls.acknowledged.keys() | self._observer.unended()
        return known <= self._observer.ended() and not self._cluster.missing()

    def _judge(self, settled: float) -> Findings:
        fleet, calls, injector = self._cluster.layout.fleet, self._workload.calls, self._injector
        tasks, journals = read_tasks(self._cluster.store), read_journals(fleet)
        names = dict(zip(self._ids, journals, strict=True))
        wrong = {
            **judge(calls, tasks, names, journals),
            "not_injected": injector.not_injected,
            "never_calm": injector.never_calm,
            "not_back": self._cluster.missing(),
            "scripts_left": _left(fleet),
            "invariants": _invariants(self._cluster),
        }
        wrong["lost"] += verdict.unlike_last(tasks, names, agents(fleet))
        figures = {
            "seed": self._options.seed,
            "seconds": round(time.monotonic() - self._began, 1),
            "settled_seconds": round(settled, 1),
            **count(tasks, calls),
            **summarise(injector.injected, self._observer.recoveries(), injector.calms),
        }
        return Findings(wrong, figures)


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
