"""`python -m bench.engine.scale`: does the time per node stay flat as fleets grow, and what do more processes bring?

First one stack of two workers and one scheduler runs a task of each size, smallest to largest, `--rounds` times over.
Then one size is run with 1, 2 and 4 workers, and with 1 and 2 schedulers. Prints one line of JSON to stdout.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from bench.engine.measure import Run, median_of, run_task, slow_scripts
from bench.engine.model import Costs, full_at
from bench.option import count
from bench.report import emit, tell
from bench.stack import Layout, running_stack
from cli.error import CommandError

SIZES = (100, 1000, 4000, 10_000)
WORKERS, SCHEDULERS = (1, 2, 4), (1, 2)
WARM_HOSTS = 8


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; ends the program with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.scale", description=__doc__)
    parser.add_argument("--sizes", type=count, nargs="+", default=SIZES, help=f"hosts of the tasks (default {SIZES})")
    parser.add_argument("--hosts", type=count, default=1000, help="hosts where processes are varied (default 1000)")
    parser.add_argument("--rounds", type=count, default=2, help="turns through all sizes (default 2)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, print the figures, and return the exit code."""
    asked = parse(arguments)
    by_size = _sizes(sorted(set(asked.sizes)), asked.rounds)
    by_workers = {number: _one(Layout(workers=number), asked.hosts) for number in WORKERS}
    by_schedulers = {number: _one(Layout(schedulers=number), asked.hosts) for number in SCHEDULERS}
    shown = {str(hosts): _figures(runs) for hosts, runs in by_size.items()}
    emit(
        {
            "sizes": shown,
            "growth": _growth(by_size),
            "workers": {str(number): _figures([run]) for number, run in by_workers.items()},
            "schedulers": {str(number): _figures([run]) for number, run in by_schedulers.items()},
            "model": _model(by_workers),
        }
    )
    return 0


def _sizes(sizes: Sequence[int], rounds: int) -> dict[int, list[Run]]:
    found: dict[int, list[Run]] = {hosts: [] for hosts in sizes}
    with running_stack(Layout()) as stack:
        ids = stack.enrol(max(sizes))
        tell(f"{len(ids)} hosts are enrolled")
        run_task(stack, ids[:WARM_HOSTS])
        for _ in range(rounds):
            for hosts in sizes:
                found[hosts].append(run_task(stack, ids[:hosts]))
                _tell(f"{hosts} hosts", found[hosts][-1])
    return found


def _one(layout: Layout, hosts: int) -> Run:
    with running_stack(layout) as stack:
        ids = stack.enrol(max(hosts, WARM_HOSTS))
        run_task(stack, ids[:WARM_HOSTS])
        run = run_task(stack, ids[:hosts])
    _tell(f"{layout.workers} workers, {layout.schedulers} schedulers", run)
    return run


def _tell(what: str, run: Run) -> None:
    tell(f"{what}: {run.nodes_per_s:.0f} nodes/s, {run.cpu_ms_per_node:.2f} ms of CPU a node")


def _figures(runs: Sequence[Run]) -> dict[str, object]:
    return {
        "nodes_per_s": median_of(runs, lambda run: run.nodes_per_s),
        "ms_per_node": median_of(runs, lambda run: 1000 * run.seconds / run.nodes),
        "cpu_ms_per_node": median_of(runs, lambda run: run.cpu_ms_per_node),
        "submit_ms": median_of(runs, lambda run: 1000 * run.submit_seconds),
        "bytes_per_node": median_of(runs, lambda run: run.task_bytes / run.nodes),
        **slow_scripts(runs),
        "cpu_seconds_per_1000_nodes": {name: 1000 * used / runs[-1].nodes for name, used in runs[-1].cpu.items()},
    }


def _growth(by_size: dict[int, list[Run]]) -> dict[str, float]:
    """Return by what factor time and CPU per node grow from 1,000 hosts (else the smallest size) to the largest."""
    first, last = by_size.get(1000) or by_size[min(by_size)], by_size[max(by_size)]
    return {
        "ms_per_node": median_of(last, _ms_per_node) / median_of(first, _ms_per_node),
        "cpu_ms_per_node": median_of(last, _cpu_per_node) / median_of(first, _cpu_per_node),
    }


def _model(by_workers: dict[int, Run]) -> dict[str, object]:
    """Return the costs of the run with two workers, and what follows from them for each number of workers."""
    run, cores = by_workers[2], os.cpu_count() or 1
    costs = Costs.of(run.cpu, run.nodes)
    predicted = {number: full_at(costs, workers=number, schedulers=1, cores=cores) for number in by_workers}
    return {
        "cores": cores,
        "cpu_ms_per_node": asdict(costs),
        "full_at_nodes_per_s": {str(number): rates for number, rates in predicted.items()},
        "predicted_nodes_per_s": {str(number): min(rates.values()) for number, rates in predicted.items()},
        "measured_nodes_per_s": {str(number): run.nodes_per_s for number, run in by_workers.items()},
    }


def _ms_per_node(run: Run) -> float:
    return 1000 * run.seconds / run.nodes


def _cpu_per_node(run: Run) -> float:
    return run.cpu_ms_per_node


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CommandError, RuntimeError, TimeoutError) as error:
        sys.exit(f"bench.engine.scale: {error}")
