"""`python -m bench.engine --hosts 1000`: Muster's engine and its peers side by side, with steps that do nothing.

Muster and the peers take turns, round after round; the figures are medians of the rounds. Prints what happens to stderr
and one line of JSON to stdout. The canvas is quadratic and gets one round.
"""

import argparse
import sys
from collections.abc import Sequence

from bench.engine.measure import Run, median_of, run_task, slow_scripts, unlock_quantiles, unlocks
from bench.engine.peer.peer import Figures, measure
from bench.engine.peer.registry import NAMES, open_peer
from bench.option import count
from bench.report import emit, quantile, tell
from bench.stack import BenchStack, Layout, running_stack
from cli.error import CommandError

# So few hosts that every node finds a thread: the latency is the engine's own, not a queue's.
FEW_HOSTS, FEW_TASKS = 8, 10
ONE_ROUND = ("canvas",)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; ends the program with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--hosts", type=count, default=1000, help="hosts of the task (default 1000)")
    parser.add_argument("--rounds", type=count, default=3, help="turns of Muster and its peers (default 3)")
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=NAMES, help="which peers (default: all)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Do all rounds, print the figures, and return the exit code."""
    asked = parse(arguments)
    runs: list[Run] = []
    latencies: list[int] = []
    peers: dict[str, list[Figures]] = {name: [] for name in asked.peers}
    for number in range(asked.rounds):
        with running_stack(Layout()) as stack:
            ids = stack.enrol(max(asked.hosts, FEW_HOSTS))
            run_task(stack, ids[:FEW_HOSTS])
            runs.append(run_task(stack, ids[: asked.hosts]))
            latencies += _unsaturated(stack, ids[:FEW_HOSTS])
        tell(f"round {number + 1}: Muster {runs[-1].nodes_per_s:.0f}/s, {runs[-1].cpu_ms_per_node:.2f} ms of CPU")
        for name, found in peers.items():
            if number and name in ONE_ROUND:
                continue
            found.append(measure(name, open_peer(name), asked.hosts))
            tell(f"round {number + 1}: {name} {found[-1].nodes_per_s:.0f}/s, {found[-1].cpu_ms_per_node:.2f} ms of CPU")
    emit({"hosts": asked.hosts, **_ours(runs, latencies), **_theirs(runs, peers)})
    return 0


def _unsaturated(stack: BenchStack, host_ids: Sequence[int]) -> list[int]:
    found: list[int] = []
    for _ in range(FEW_TASKS):
        task_id, _took = stack.restart(host_ids)
        stack.await_end(task_id)
        found += unlocks(stack.store.load(task_id))
    return found


def _ours(runs: Sequence[Run], latencies: Sequence[int]) -> dict[str, object]:
    return {
        "nodes_per_s": median_of(runs, lambda run: run.nodes_per_s),
        **unlock_quantiles(latencies, "unlock"),
        **unlock_quantiles([ms for run in runs for ms in run.unlock_ms], "saturated_unlock"),
        "bytes_per_node": median_of(runs, lambda run: run.task_bytes / run.nodes),
        "log_bytes_per_node": median_of(runs, lambda run: run.log_bytes / run.nodes),
        "traffic_bytes_per_node": median_of(runs, lambda run: run.traffic_bytes / run.nodes),
        "redis_commands_per_node": median_of(runs, lambda run: run.commands / run.nodes),
        **slow_scripts(runs),
        "submit_ms": median_of(runs, lambda run: 1000 * run.submit_seconds),
        "cpu_ms_per_node": median_of(runs, lambda run: run.cpu_ms_per_node),
        "cpu_seconds_per_1000_nodes": {
            name: quantile([1000 * run.cpu[name] / run.nodes for run in runs], 0.5) for name in runs[0].cpu
        },
    }


def _theirs(runs: Sequence[Run], peers: dict[str, list[Figures]]) -> dict[str, object]:
    """Return each peer's figures and the ratios; of the two ways to run a flat Celery group, the faster counts."""
    rates = {name: quantile([run.nodes_per_s for run in found], 0.5) for name, found in peers.items()}
    costs = {name: quantile([run.cpu_ms_per_node for run in found], 0.5) for name, found in peers.items()}
    flat = [name for name in rates if name.startswith("flat_celery")]
    if flat:
        best = max(flat, key=lambda name: rates[name])
        rates["flat_celery"], costs["flat_celery"] = rates[best], costs[best]
    ours, cost = median_of(runs, lambda run: run.nodes_per_s), median_of(runs, lambda run: run.cpu_ms_per_node)
    units = {"flat_celery": "flat_celery_tasks_per_s", "canvas": "canvas_nodes_per_s"}
    return {
        **{units.get(name, f"{name}_nodes_per_s"): rate for name, rate in rates.items()},
        "times_faster_than": {name: ours / rate for name, rate in rates.items()},
        "peer_cpu_ms_per_node": costs,
        "times_less_cpu_than": {name: their / cost for name, their in costs.items()},
    }


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CommandError, RuntimeError, TimeoutError) as error:
        sys.exit(f"bench.engine: {error}")
