"""How far it grows: from the CPU time that a node costs each part follows the rate at which that part is full.

A part runs on one core, however many the machine has: the server and a scheduler have one thread that counts, and a
worker's threads share one interpreter. What all parts use together must fit into the cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """CPU ms per node of each part: of all workers together, and of all schedulers together."""

    server: float
    schedulers: float
    workers: float
    flower: float
    rest: float

    @classmethod
    def of(cls, cpu: Mapping[str, float], nodes: int) -> "Costs":
        """Return the costs of a run that took these CPU seconds by process."""
        parts = dict.fromkeys(("valkey", "scheduler", "worker", "flower", "api"), 0.0)
        for name, seconds in cpu.items():
            parts[name.partition("-")[0]] += 1000 * seconds / nodes
        return cls(parts["valkey"], parts["scheduler"], parts["worker"], parts["flower"], parts["api"])

    @property
    def total(self) -> float:
        """CPU ms per node of everything."""
        return self.server + self.schedulers + self.workers + self.flower + self.rest


def full_at(costs: Costs, *, workers: int, schedulers: int, cores: int) -> dict[str, float]:
    """Return the nodes/s at which each part is full, `machine` being all cores; the smallest is the limit.

    Flower is no limit: where it can't keep up, its view lags behind.
    """
    return {
        "server": 1000 / costs.server,
        "schedulers": 1000 * schedulers / costs.schedulers,
        "workers": 1000 * workers / costs.workers,
        "machine": 1000 * cores / costs.total,
    }
