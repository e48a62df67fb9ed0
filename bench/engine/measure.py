"""One run of Muster measured: throughput, unlock latency, CPU by process, what it asks of Redis and leaves there."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

from bench.report import quantile
from bench.stack import BenchStack
from dag.script import FOLDER, source
from dag.task import Task

# Slower commands than this (µs) are looked at.
SLOW_US = 500
MOST_SLOW = 4096


@dataclass(frozen=True)
class Run:
    """What one task took; CPU is seconds by process, traffic and memory are Redis's."""

    nodes: int
    submit_seconds: float
    seconds: float
    cpu: Mapping[str, float]
    unlock_ms: Sequence[int]
    commands: int
    traffic_bytes: int
    task_bytes: int
    log_bytes: int
    slow_calls: Mapping[str, Sequence[float]]

    @property
    def nodes_per_s(self) -> float:
        """Nodes from the call to the end of the last."""
        return self.nodes / self.seconds

    @property
    def cpu_ms_per_node(self) -> float:
        """CPU time of all processes together, the server's with them."""
        return 1000 * sum(self.cpu.values()) / self.nodes


def run_task(stack: BenchStack, host_ids: Sequence[int]) -> Run:
    """Submit a batch restart on these hosts, and return what it took to its end.

    Raises:
        RuntimeError: the task failed.
    """
    stack.redis.config_set("slowlog-log-slower-than", SLOW_US)
    stack.redis.config_set("slowlog-max-len", MOST_SLOW)
    stack.redis.slowlog_reset()
    shared = _shared_bytes(stack)
    before, used, began = _counted(stack), stack.cpu(), perf_counter()
    task_id, submitted = stack.restart(host_ids)
    if (status := stack.await_end(task_id)) != "SUCCESSFUL":
        raise RuntimeError(f"Task {task_id} is {status}: nothing was measured. The logs are in {stack.data / 'log'}.")
    seconds, cpu, after = perf_counter() - began, stack.cpu().since(used), _counted(stack)
    task, keys = stack.store.load(task_id), stack.store.keys
    own = sum(_bytes(stack, key(task_id)) for key in (keys.task, keys.status, keys.nodes, keys.facts))
    return Run(
        len(task.nodes),
        submitted,
        seconds,
        cpu,
        unlocks(task),
        after[0] - before[0],
        after[1] - before[1],
        own + _shared_bytes(stack) - shared,
        _bytes(stack, keys.log(task_id)),
        _slow_calls(stack),
    )


def unlocks(task: Task) -> list[int]:
    """Return for each unlocked node the ms from the completion that unlocked it to its begin, by Redis's clock."""
    stages: dict[int, list[Any]] = {}
    for node in task.nodes:
        if node.host_id is not None:
            stages.setdefault(node.stage.series_id, []).append(node)
    ordered = list(stages.values())
    return [
        (node.started_at or 0) - max(done.finished_at or 0 for done in before)
        for before, after in pairwise(ordered)
        for node in after
    ]


def unlock_quantiles(values: Sequence[int], name: str) -> dict[str, float]:
    """Return median and 99th percentile of latencies under names that begin with `name`."""
    return {f"{name}_p50_ms": quantile(values, 0.5), f"{name}_p99_ms": quantile(values, 0.99)}


def median_of(runs: Sequence[Run], what: Callable[[Run], float]) -> float:
    """Return the median of a figure over runs."""
    return quantile([what(run) for run in runs], 0.5)


def _counted(stack: BenchStack) -> tuple[int, int]:
    """Return commands (those in scripts, too) and bytes to and from clients since the server started."""
    found: dict[str, Any] = stack.redis.info("stats")
    return int(found["total_commands_processed"]), int(found["total_net_input_bytes"] + found["total_net_output_bytes"])


def _shared_bytes(stack: BenchStack) -> int:
    return sum(_bytes(stack, key) for key in (stack.store.keys.listed, stack.store.keys.index))


def _bytes(stack: BenchStack, key: str) -> int:
    return int(stack.redis.memory_usage(key, samples=0) or 0)


def _slow_calls(stack: BenchStack) -> dict[str, list[float]]:
    """Return the ms of each call of a script that took longer than the limit of the slow log.

    It is time by the clock: where all cores are at work, the server's pauses are in it.
    """
    names = {hashlib.sha1(source(path.stem).encode()).hexdigest(): path.stem for path in FOLDER.glob("*.lua")}
    found: dict[str, list[float]] = {}
    for entry in stack.redis.slowlog_get(MOST_SLOW):
        words = bytes(entry["command"]).decode(errors="replace").split()
        if words and words[0] == "EVALSHA":
            found.setdefault(names.get(words[1], words[1]), []).append(entry["duration"] / 1000)
    return found


def slow_scripts(runs: Sequence[Run]) -> dict[str, object]:
    """Return the longest call of a script, and of all that passed the limit how many, their median and longest."""
    calls: dict[str, list[float]] = {}
    for run in runs:
        for name, times in run.slow_calls.items():
            calls.setdefault(name, []).extend(times)
    longest = {name: max(times) for name, times in calls.items()}
    name = max(longest, key=lambda name: longest[name], default="")
    return {
        "slowest_script": name,
        "slowest_script_ms": longest.get(name, SLOW_US / 1000),
        "scripts_over_half_a_ms": {
            name: {"calls": len(times), "median_ms": quantile(times, 0.5), "longest_ms": longest[name]}
            for name, times in calls.items()
        },
    }
