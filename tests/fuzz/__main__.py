"""`make schemathesis`: many thousands of requests. The last line is JSON with the counts; with faults the exit is 1."""

import argparse
import sys
import time

from tests.fuzz.result import Result
from tests.fuzz.run import run


def main() -> int:
    """Send requests until there have been enough, and tell what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=20_000, help="send so many requests at least")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="repeats a run")
    options = parser.parse_args()
    began, result, seed = time.monotonic(), Result(), options.seed
    while result.cases < options.cases:
        run(result, 200, seed, random_only=seed > options.seed)
        seed += 1
        print(f"{result.cases} cases, {len(result.faults)} faults", flush=True)
    print(result.words())
    print(result.line(seed=options.seed, seconds=round(time.monotonic() - began, 1)))
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main())
