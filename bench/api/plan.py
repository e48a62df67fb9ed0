"""What the benchmark of the API asks: which calls, how often, and what is made of their times."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.report import quantile

RESTART = "/api/v2/compute/hosts/batchRestartAgents"


@dataclass(frozen=True)
class Call:
    """One call, made `times` times; of several bodies each in its turn."""

    name: str
    url: str
    times: int
    method: str = "GET"
    body: str | Sequence[str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Caller:
    """A process that makes calls, one after the other."""

    def __init__(self, process: "subprocess.Popen[str]", auth: tuple[str, str]) -> None:
        self._process = process
        self._auth = "Basic " + b64encode(":".join(auth).encode()).decode()

    def make(self, call: Call) -> dict[str, Any]:
        """Make a call and return p50 and p99 (ms) of the time to the head of the answer, and to its end."""
        headers = {"Authorization": self._auth, "Content-Type": "application/json", **call.headers}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {**vars(call), "headers": headers}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The caller has ended at {call.name}; it says above why.")
        return _figures(json.loads(line))


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"calls": len(told["first_ms"]), "bytes": told["bytes"]}
    for name in ("first_ms", "whole_ms"):
        found |= {f"{name[:-3]}_p{share}_ms": quantile(told[name], share / 100) for share in (50, 99)}
    return found


@contextmanager
def calling(auth: tuple[str, str]) -> Iterator[Caller]:
    """Start the process that calls, and end it after the block."""
    command = [sys.executable, "-m", "bench.api.caller"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Caller(process, auth)
        assert process.stdin is not None
        process.stdin.close()


def restart_of(hosts: Sequence[int]) -> str:
    """Return the body of a restart of these hosts."""
    return json.dumps({"hostIds": list(hosts)})
