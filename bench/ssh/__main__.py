"""`make bench-ssh`: the same restart of real agents over real SSH, by Muster and by its peers, in turns."""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.report import emit, tell
from bench.ssh.fleet import DAEMONS, LightFleet
from bench.ssh.muster import MusterTurn, running_muster
from bench.ssh.peer.target import Target
from bench.ssh.peer.tool import ROOT, Tool, ansible, library, pyinfra

PEERS = ("fabric_group", "parallel_ssh", "pyinfra", "ansible_raw", "ansible_command")
TURN_SECONDS = 600


@dataclass(frozen=True)
class Turn:
    """One restart of the fleet by one tool: seconds to its end, CPU seconds of the tool and of the hosts."""

    seconds: float
    tool_cpu: float
    hosts_cpu: float


@dataclass(frozen=True)
class Contest:
    """The fleet and all who restart it."""

    fleet: LightFleet
    muster: MusterTurn
    target: Target
    folder: Path

    def play(self, name: str) -> Turn:
        """Let one tool restart the fleet; it begins without connections, and every process must be a new one after."""
        before, cpu = self.fleet.running(), self.fleet.cpu_seconds()
        seconds, tool_cpu = self._muster() if name == "muster" else run_tool(self._tool(name))
        self.fleet.drop_connections()
        after = self.fleet.running()
        renewed = [path for path, pids in after.items() if len(pids) == 1 and not set(pids) & set(before[path])]
        if len(renewed) != self.fleet.count * len(DAEMONS):
            raise RuntimeError(f"{name} has restarted {len(renewed)} of {self.fleet.count * len(DAEMONS)} processes.")
        return Turn(seconds, tool_cpu, self.fleet.cpu_seconds() - cpu)

    def _muster(self) -> tuple[float, float]:
        cpu = self.muster.cpu_seconds()
        return self.muster.run(), self.muster.cpu_seconds() - cpu

    def _tool(self, name: str) -> Tool:
        made: Mapping[str, Callable[[], Tool]] = {
            "pyinfra": partial(pyinfra, self.target, self.folder),
            "ansible_raw": partial(ansible, "raw", self.target, self.folder),
            "ansible_command": partial(ansible, "command", self.target, self.folder),
        }
        return made[name]() if name in made else library(name, self.target)


def run_tool(tool: Tool) -> tuple[float, float]:
    """Run a peer to its end; return its seconds and the CPU time of it and all that it waited for."""
    before, began = os.times(), time.perf_counter()
    environment = {**os.environ, **tool.environment}
    done = subprocess.run(tool.command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=TURN_SECONDS)
    took, after = time.perf_counter() - began, os.times()
    if done.returncode != 0:
        raise RuntimeError(f"{tool.command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return float(done.stdout) if tool.tells_time else took, used


@contextmanager
def contest(hosts: int, settle_seconds: int) -> Iterator[Contest]:
    """Start hosts and Muster; nothing of them is left after."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-ssh-") as folder:
        fleet = LightFleet(Path(folder) / "fleet", hosts, network=79)
        with fleet.started(), running_muster(fleet, settle_seconds) as muster:
            yield Contest(fleet, muster, fleet.target(settle_seconds), Path(folder))


def figures(turns: Mapping[str, list[Turn]], hosts: int) -> dict[str, object]:
    """Return the medians of the rounds: hosts a second by tool, and CPU seconds a host."""
    rates = {name: hosts / statistics.median(turn.seconds for turn in played) for name, played in turns.items()}
    found: dict[str, object] = {f"{name}_hosts_per_s": rate for name, rate in rates.items()}
    found |= {f"muster_to_{name}": rates["muster"] / rate for name, rate in rates.items() if name != "muster"}
    for name, played in turns.items():
        found[f"{name}_cpu_ms_per_host"] = {
            "tool": 1000 * statistics.median(turn.tool_cpu for turn in played) / hosts,
            "hosts": 1000 * statistics.median(turn.hosts_cpu for turn in played) / hosts,
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settle", type=int, default=0, help="seconds that all wait after each start")
    parser.add_argument("--peers", default=",".join(PEERS), help="which of them take part")
    options = parser.parse_args()
    names = ("muster", *filter(None, options.peers.split(",")))
    for name in names[1:]:
        if name not in PEERS:
            parser.error(f"--peers: there is no peer {name!r}; there are {', '.join(PEERS)}")
    if os.getuid() != 0:
        parser.error("only root may give each host a PID namespace of its own: run it as root, in a container say")
    # sshd's servers stand at 127.79.0.1 and on.
    if not 1 <= options.hosts <= 250 or options.rounds < 1 or options.settle < 0:
        parser.error("--hosts must be 1 to 250, --rounds at least 1, --settle at least 0")
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    with contest(options.hosts, options.settle) as all_of_them:
        # The first restart loads what each process loads once.
        all_of_them.play("muster")
        for number in range(1, options.rounds + 1):
            for name in names:
                turn = all_of_them.play(name)
                turns[name].append(turn)
                tell(f"round {number}: {name} {turn.seconds:.2f} s, {options.hosts / turn.seconds:.1f} hosts/s")
    found = {"hosts": options.hosts, **figures(turns, options.hosts)}
    emit({**found, "rounds": options.rounds, "settle_seconds": options.settle, "cores": os.cpu_count()})


if __name__ == "__main__":
    main()
