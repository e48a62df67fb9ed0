"""Muster's turn: a batch restart over HTTP, through scheduler, broker and two workers, to the task's end."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ssh.fleet import LightFleet
from bench.stack import BenchStack, Layout, running_stack
from cli.supervisor import muster
from workers.profile.profile import BUILTIN

PROFILE = "ocp_agentctl"
WORKERS = 2


@dataclass(frozen=True)
class MusterTurn:
    """A running Muster that knows the fleet."""

    stack: BenchStack
    host_ids: list[int]

    def run(self) -> float:
        """Restart all agents and return the seconds from the call to the end of the task."""
        began = time.perf_counter()
        task_id, _answered = self.stack.restart(self.host_ids)
        status = self.stack.await_end(task_id)
        took = time.perf_counter() - began
        if status != "SUCCESSFUL":
            raise RuntimeError(f"Task {task_id} is {status}; the logs are in {self.stack.data}.")
        return took

    def cpu_seconds(self) -> float:
        """Return the CPU time of all of Muster's processes, Valkey and Flower included."""
        return sum(self.stack.cpu().seconds.values())


@contextmanager
def running_muster(fleet: LightFleet, settle_seconds: int) -> Iterator[MusterTurn]:
    """Run a Muster as shipped, with the fleet enrolled, inside the block."""
    profiles = fleet.root / "profiles"
    write_profile(profiles, settle_seconds)
    settings = {
        "MUSTER_SSH_KEY_FILE": str(fleet.key_path),
        "MUSTER_SSH_KNOWN_HOSTS": str(fleet.known_hosts_path),
        "MUSTER_WORKER_PROFILE_DIR": str(profiles),
    }
    layout = Layout(workers=WORKERS, worker=muster("worker"), settings=settings)
    with running_stack(layout) as stack, stack.client() as client:
        answer = client.import_hosts({"format": "json", "content": json.dumps(fleet.inventory()), "dryRun": False})
        yield MusterTurn(stack, [int(host["id"]) for host in answer["contents"]])


def write_profile(folder: Path, settle_seconds: int) -> None:
    """Write the shipped profile with the benchmark's settle time, which its peers wait for, too."""
    folder.mkdir(parents=True)
    text = (BUILTIN / f"{PROFILE}.toml").read_text()
    (folder / f"{PROFILE}.toml").write_text(f"settle_seconds = {settle_seconds}\n{text}")
