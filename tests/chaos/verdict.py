"""Counts what went wrong in a run. Every function yields one sentence a fault; no sentence, no fault.

* lost: an acknowledged task that does not exist afterwards, or whose end is not the right one. All hosts are healthy,
  so it must be SUCCESSFUL, and each of its hosts must have got exactly one new process of each of the agent's programs;
  what the last task on a host has seen must be what runs there. A task that FAILED because a node's runs were lost more
  often than `engine.most_lost` is no such fault and counted apart; the run sets that limit so high that there is none.
* unasked: a task that nobody can have asked for: neither acknowledged, nor on the hosts of a call without an answer. A
  call whose answer was lost may have made one task, whole, or none.
* double results: a node whose result was taken more than once, by two attempts.
* overlaps: a step that began on a host before the end of the one before, by the journals that the hosts keep.
* disorder: a host on which the steps of a task were not run in their order, or another task's between them, or a result
  that was taken of a run which the host has not seen, or an older run after a newer one.
* stuck: a task that has not ended within the bound after the last fault.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from dag.state import TaskStatus
from tests.chaos.evidence import AGENT, Pids, TaskFound
from tests.chaos.journal import Entry, turned_back

# A host's journal may have lost what stood before its last 1,000 lines (prelude.sh).
KEPT_LINES = 1000

Tasks = Mapping[int, TaskFound]
Hosts = tuple[int, ...]


def lost(acknowledged: Mapping[int, Hosts], tasks: Tasks, most_lost: int) -> Iterator[str]:
    """Yield each acknowledged task that is not there, is another than was asked for, or has a wrong end."""
    for task_id, hosts in acknowledged.items():
        task = tasks.get(task_id)
        if task is None:
            yield f"task {task_id} was acknowledged and does not exist"
        elif task.host_ids != hosts:
            yield f"task {task_id} was asked for hosts {hosts} and has {task.host_ids}"
    for task in tasks.values():
        yield from _wrong_end(task, most_lost)


def _wrong_end(task: TaskFound, most_lost: int) -> Iterator[str]:
    if task.status == TaskStatus.FAILED and not is_failed_by_limit(task, most_lost):
        failed = [f"{step.action} on host {step.host_id}" for step in task.steps if step.letter == "F"]
        yield f"task {task.id} is FAILED: {', '.join(failed)}"
    if not task.is_successful:
        return
    kept = [host for host in task.host_ids if not _is_renewed(task.before[host], task.after[host])]
    if kept:
        yield f"task {task.id} is SUCCESSFUL and has not renewed the agents of hosts {kept}"
    elif any(step.letter != "S" for step in task.steps):
        yield f"task {task.id} is SUCCESSFUL and not all of its steps are"


def _is_renewed(before: Pids, after: Pids) -> bool:
    old = {pid for pids in before.values() for pid in pids}
    return all(len(after.get(name, ())) == 1 and not old.intersection(after[name]) for name in AGENT)


def is_failed_by_limit(task: TaskFound, most_lost: int) -> bool:
    """Tell whether all that failed of a task failed because its runs were lost too often."""
    failed = [step for step in task.steps if step.letter == "F"]
    return bool(failed) and all(step.lost > most_lost for step in failed)


def unlike_last(tasks: Tasks, names: Mapping[int, str], seen: Mapping[str, Pids]) -> Iterator[str]:
    """Yield each host whose agent is not the one that the last task there has started; `names` by host id."""
    for host, name in names.items():
        programs = seen.get(name, {})
        runs = {program: list(programs.get(program, ())) for program in AGENT}
        wanted = _last_after(tasks, host)
        if wanted is not None and runs != {program: list(wanted.get(program, ())) for program in AGENT}:
            yield f"{name} runs {runs}, its last task has started {dict(wanted)}"
        elif [program for program, pids in runs.items() if len(pids) != 1]:
            yield f"{name} runs {runs}, not one process of each"


def _last_after(tasks: Tasks, host: int) -> Pids | None:
    """Return what the last task on a host has started; None where none has got so far."""
    ends = [(step.token, task) for task in tasks.values() for step in task.steps if step.host_id == host]
    if not ends:
        return None
    return max(ends, key=lambda end: end[0])[1].after[host] or None


def unasked(acknowledged: Mapping[int, Hosts], unanswered: Sequence[Hosts], tasks: Tasks) -> Iterator[str]:
    """Yield each task for which there was no call."""
    left = Counter(unanswered)
    for task_id, task in tasks.items():
        if task_id in acknowledged:
            continue
        if left[task.host_ids] == 0:
            yield f"task {task_id} on hosts {task.host_ids} was asked for by nobody"
        left[task.host_ids] -= 1


def double_results(tasks: Tasks) -> Iterator[str]:
    """Yield each node of which more than one result was taken, or SUCCESSFUL ones of which none was."""
    for task in tasks.values():
        for step in task.steps:
            if step.results > 1 or (step.letter == "S" and step.results != 1):
                yield f"task {task.id}: {step.results} results of {step.action} on host {step.host_id} were taken"


def stuck(tasks: Tasks) -> Iterator[str]:
    """Yield each task that has not ended."""
    for task in tasks.values():
        if task.status == TaskStatus.RUNNING:
            letters = "".join(step.letter for step in task.steps)
            yield f"task {task.id} has not ended: {letters}"


def disorder(tasks: Tasks, host: int, journal: Sequence[Entry]) -> Iterator[str]:
    """Yield where one host's journal does not fit the results that were taken of it."""
    yield from turned_back(journal)
    known = {step.token: (task, step) for task in tasks.values() for step in task.steps if step.host_id == host}
    ran = [known[entry.token] for entry in journal if entry.is_begin and entry.token in known]
    seen = set()
    for task_id, group in groupby(ran, key=lambda pair: pair[0].id):
        if task_id in seen:
            yield f"task {task_id} was interrupted on host {host} by another one"
        seen.add(task_id)
        stages = [step.stage for _task, step in group]
        if any(later <= earlier for earlier, later in pairwise(stages)):
            yield f"task {task_id} ran its stages on host {host} in the order {stages}"
    ended = {entry.token for entry in journal if not entry.is_begin and entry.word == "ok"}
    oldest = journal[0].token if len(journal) >= KEPT_LINES else 0
    for task, step in known.values():
        if step.letter == "S" and step.token >= oldest and step.token not in ended:
            yield f"task {task.id}: {step.action} is SUCCESSFUL, and host {host} has not seen run {step.token} end ok"
