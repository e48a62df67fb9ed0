"""What worker processes are called, in Celery, in Redis and in Flower."""

import os
import socket


def worker_name(zone: str) -> str:
    """Return a name that no other live worker has."""
    return f"{zone}-{os.getpid()}@{socket.gethostname()}"


def zone_of(name: str) -> str:
    """Return the zone of the worker of this name."""
    return name.partition("@")[0].rpartition("-")[0]
