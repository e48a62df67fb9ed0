"""What a run has found: every fault in a sentence, and the figures of its last line."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos import verdict
from tests.chaos.evidence import TaskFound
from tests.chaos.journal import Entry, overlaps, unfinished
from tests.chaos.plan import Fault
from tests.chaos.workload import Calls

# No node's runs are lost so often, so no task fails by the limit.
MOST_LOST = 1000


@dataclass
class Findings:
    """All that is wrong, in sentences by kind, and the figures of the run."""

    wrong: dict[str, list[str]]
    figures: dict[str, Any]

    def line(self) -> dict[str, Any]:
        """Return the run's last line: the promised keys first."""
        known = {**{kind: len(found) for kind, found in self.wrong.items()}, **self.figures}
        first = ("kills", "tasks", "lost", "double_results", "overlaps", "stuck", "recovery_p50", "recovery_max")
        return {**{key: known[key] for key in first}, **known}

    @property
    def is_clean(self) -> bool:
        return not any(self.wrong.values())


def judge(
    calls: Calls, tasks: Mapping[int, TaskFound], names: Mapping[int, str], journals: Mapping[str, Sequence[Entry]]
) -> dict[str, list[str]]:
    """Return what is wrong with calls, tasks and journals, by kind; `names` are the hosts' by their ids."""

    def each(find: Callable[[Sequence[Entry]], Iterator[str]]) -> Iterator[str]:
        return (f"{name}: {text}" for name, journal in journals.items() for text in find(journal))

    return {
        "lost": [*calls.denied, *verdict.lost(calls.acknowledged, tasks, MOST_LOST)],
        "double_results": list(verdict.double_results(tasks)),
        "overlaps": list(each(overlaps)),
        "stuck": list(verdict.stuck(tasks)),
        "unasked": list(verdict.unasked(calls.acknowledged, calls.unanswered, tasks)),
        "unfinished": list(each(unfinished)),
        "disorder": [text for host, name in names.items() for text in verdict.disorder(tasks, host, journals[name])],
    }


def count(tasks: Mapping[int, TaskFound], calls: Calls) -> dict[str, Any]:
    """Return the figures about tasks, their steps and the calls."""
    steps = [step for task in tasks.values() for step in task.steps]
    return {
        "tasks": len(tasks),
        "acknowledged": len(calls.acknowledged),
        "unanswered": len(calls.unanswered),
        "reads": calls.reads,
        "steps": len(steps),
        "run_again": sum(step.attempts - 1 for step in steps),
        "runs_lost": sum(step.lost for step in steps),
        "failed_by_limit": sum(verdict.is_failed_by_limit(task, MOST_LOST) for task in tasks.values()),
    }


def summarise(faults: Sequence[Fault], seconds: Mapping[int, float], calms: Sequence[float]) -> dict[str, Any]:
    """Return the figures about the faults and the `seconds` in which each was over, by its number."""
    known = [seconds[fault.number] for fault in faults if fault.number in seconds]
    slowest = max(faults, key=lambda fault: seconds.get(fault.number, 0.0), default=None)
    return {
        "kills": len(faults),
        "recovery_p50": round(statistics.median(known), 2) if known else None,
        "recovery_max": round(max(known), 2) if known else None,
        "slowest": f"fault {slowest.number}: {slowest.kind}" if slowest else "",
        "calms": len(calms),
        "calm_max": round(max(calms, default=0.0), 2),
        "faults": dict(sorted(Counter(fault.kind for fault in faults).items())),
    }
