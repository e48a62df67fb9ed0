"""What a peer's process is told about the hosts, and what it says when it is through."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from bench.ssh.step import commands


@dataclass(frozen=True)
class Target:
    """Where the hosts are and how to log in."""

    addresses: list[str]
    port: int
    user: str
    key: str
    known_hosts: str
    settle_seconds: int

    @property
    def commands(self) -> tuple[str, ...]:
        """The steps, to be run one after the other on all hosts."""
        return commands(self.settle_seconds)

    @property
    def text(self) -> str:
        """All of it, for a process's arguments."""
        return json.dumps(asdict(self))


def target() -> Target:
    """Return the hosts that this process was started for."""
    return Target(**json.loads(sys.argv[1]))


def timed(work: Callable[[Target], None]) -> None:
    """Do the work and print how long it took: without the interpreter's start and the imports, which are before."""
    hosts = target()
    began = time.perf_counter()
    work(hosts)
    print(time.perf_counter() - began)
