"""`python -m tests.chaos --kills 200 --seed 1`: hurt a whole Muster of real processes, and count what went wrong.

Prints what happens to stderr and one line of JSON to stdout. Exit code 0 only if nothing was lost, taken twice,
overlapped or stuck, and the store's invariants hold; else the data directory is kept and named.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.result import Findings
from tests.chaos.run import Options, run
from tests.chaos.tell import tell


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; ends the program with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=_count, default=200, help="how many faults (default 200)")
    parser.add_argument("--seed", type=int, help="repeats the faults and submissions of another run; default: any")
    parser.add_argument("--hosts", type=_count, default=8, help="demo hosts (default 8)")
    parser.add_argument("--lease", type=_count, default=0, help="seconds of a lease (default: the setting's)")
    parser.add_argument("--data", type=Path, help="new directory of the run, kept afterwards; default: a temporary one")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not {text!r}")
    return int(text)


def main(arguments: list[str]) -> int:
    """Do a run and return the exit code."""
    asked = parse(arguments)
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    data = asked.data or Path(tempfile.mkdtemp(prefix="muster-chaos-"))
    options = Options(data, seed, asked.kills, asked.hosts, asked.lease)
    tell(f"{asked.kills} faults with seed {seed}; data and logs are in {data}")
    is_clean = False
    try:
        found = run(options)
        is_clean = found.is_clean
        report(found)
    finally:
        if not is_clean:
            tell(f"Data and logs are kept in {data}. The same again: {options.command}")
        elif asked.data is None:
            shutil.rmtree(data)
    return 0 if is_clean else 1


def report(found: Findings) -> None:
    """Print each fault to stderr, and the line of figures to stdout."""
    for kind, sentences in found.wrong.items():
        for text in sentences:
            tell(f"{kind}: {text}")
    print(json.dumps(found.line()), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
