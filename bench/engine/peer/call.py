"""`python -m bench.engine.peer.call PEER HOSTS PID...`: runs one peer once and prints its figures as a line of JSON.

A process of its own, so that each peer's library finds its server as it starts. The pids are those of the server and of
the workers, whose CPU time counts with this process's own.
"""

import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from bench.engine.peer.peer import START_SECONDS, Figures
from bench.engine.peer.registry import open_peer
from bench.process import cpu_by_session
from bench.report import emit

WARM_HOSTS = 5
POLL_SECONDS = 0.1


def call(name: str, hosts: int, pids: Sequence[int]) -> Figures:
    """Wait for the workers, run once to warm up and once to be measured.

    Raises:
        TimeoutError: the workers do not come.
    """
    peer, deadline = open_peer(name), time.monotonic() + START_SECONDS
    while not peer.is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The workers of {name} are not ready within {START_SECONDS:.0f} s.")
        # What a peer tells of its workers has to be asked for.
        time.sleep(POLL_SECONDS)
    peer.run(WARM_HOSTS)
    before, began = _cpu(pids), time.perf_counter()
    nodes = peer.run(hosts)
    took = Figures(nodes, time.perf_counter() - began, _cpu(pids) - before)
    # Celery's results say goodbye to the server when they are collected; at the interpreter's end they could not.
    gc.collect()
    return took


def _cpu(pids: Sequence[int]) -> float:
    sessions = cpu_by_session()
    return sum(sessions.get(pid, 0.0) for pid in pids) + time.process_time()


if __name__ == "__main__":
    emit(asdict(call(sys.argv[1], int(sys.argv[2]), [int(pid) for pid in sys.argv[3:]])))
