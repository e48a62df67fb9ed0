"""The registry of one process: what Prometheus reads of it, and what every process has."""

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics

# Seconds. Of what a caller waits for, and of what is done on a host.
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LONG = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


def new_registry(part: str) -> CollectorRegistry:
    """Return the registry of a process that is this part of Muster ("api", "scheduler", "worker")."""
    # A second series for each one, which says when that began.
    disable_created_metrics()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Gauge(
        "muster_build_info", "Always 1; which Muster this is.", ("part", "version", "python"), registry=registry
    )
    build.labels(part, version("muster"), platform.python_version()).set(1)
    return registry
