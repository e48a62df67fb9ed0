"""`python -m bench.engine.idle`: what a Muster costs that has nothing to do, and whether it grows with its work.

Watches a scheduler, two workers, an API and Flower for `--seconds`, runs tasks of `--nodes` nodes together, compares
memory once retention has taken them. Prints one line of JSON to stdout.
"""

import argparse
import math
import sys
import time
from collections.abc import Mapping

from bench.engine.measure import run_task
from bench.option import count
from bench.report import emit, tell
from bench.stack import BenchStack, Layout, running_stack
from cli.error import CommandError

# Of the five that are always there. Flower is a convenience, and the server is everybody's.
MUSTER = ("api-1", "scheduler-1", "worker-1", "worker-2")
# The least that the settings allow.
RETENTION_SECONDS = 60
# Then a task's entries in the lists, one a host, go a thousand every ten seconds.
SWEEP_ENTRIES, SWEEP_SECONDS, SPARE_SECONDS = 1000, 10, 20


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; ends the program with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.idle", description=__doc__)
    parser.add_argument("--seconds", type=count, default=60, help="how long to watch (default 60)")
    parser.add_argument("--nodes", type=count, default=100_000, help="nodes to run in between (default 100000)")
    parser.add_argument("--hosts", type=count, default=1000, help="hosts of each task (default 1000)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, print the figures, and return the exit code."""
    asked = parse(arguments)
    with running_stack(Layout(settings={"MUSTER_ENGINE_RETENTION_SECONDS": str(RETENTION_SECONDS)})) as stack:
        ids = stack.enrol(asked.hosts)
        # Everything that is loaded at the first task stands in memory before it is compared.
        run_task(stack, ids)
        _await_retention(len(ids))
        idle, before, kept = _watch(stack, asked.seconds), stack.memory(), _kept(stack)
        done = tasks = 0
        while done < asked.nodes:
            done += run_task(stack, ids).nodes
            tasks += 1
            tell(f"{done} of {asked.nodes} nodes are done")
        full = _kept(stack)
        _await_retention(tasks * len(ids))
        after, left = stack.memory(), _kept(stack)
    emit(
        {
            "seconds": asked.seconds,
            **idle,
            "nodes": done,
            "memory_before_mb": _megabytes(before),
            "memory_after_mb": _megabytes(after),
            "redis_before_mb": kept / 1e6,
            "redis_full_mb": full / 1e6,
            "redis_after_retention_mb": left / 1e6,
        }
    )
    return 0


def _await_retention(entries: int) -> None:
    seconds = RETENTION_SECONDS + SPARE_SECONDS + SWEEP_SECONDS * math.ceil(entries / SWEEP_ENTRIES)
    tell(f"waiting {seconds} s for retention")
    # A record that expires is no event, and to look for it would be work that an idle Muster does not do.
    time.sleep(seconds)


def _watch(stack: BenchStack, seconds: int) -> dict[str, object]:
    tell(f"watching for {seconds} s")
    used, commands, began = stack.cpu(), _commands(stack), time.perf_counter()
    # The time that is measured.
    time.sleep(seconds)
    took = time.perf_counter() - began
    share = {name: 100 * spent / took for name, spent in stack.cpu().since(used).items()}
    return {
        "idle_cpu_percent": sum(share[name] for name in MUSTER),
        "idle_cpu_percent_by_process": share,
        "idle_redis_commands_per_s": (_commands(stack) - commands) / took,
    }


def _commands(stack: BenchStack) -> int:
    return int(stack.redis.info("stats")["total_commands_processed"])


def _kept(stack: BenchStack) -> int:
    return int(stack.redis.info("memory")["used_memory"])


def _megabytes(by_process: Mapping[str, int]) -> dict[str, float]:
    return {name: used / 1e6 for name, used in by_process.items()}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (CommandError, RuntimeError, TimeoutError) as error:
        sys.exit(f"bench.engine.idle: {error}")
