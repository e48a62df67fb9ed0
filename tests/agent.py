"""Small agents of the tests, restarted by the actions' own scripts in a local shell."""

import itertools
import os
import subprocess
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from dag.host import Host
from workers.action.action import LIBRARY, ActionRequest, ActionResult
from workers.action.registry import ACTIONS, UNDOS
from workers.profile.profile import ProcessSpec, Profile
from workers.remote.session import Completed
from workers.remote.shell import Mark, command

SHELLS = ["dash", "bash"]
_numbers = itertools.count(1)
PREPARE, PROXY, STOP, START, FINISH, SHUTDOWN, FINISH_STOP, RESTART_PROCESS, STOP_PROCESS = ACTIONS
# It waits for a line that nobody writes. A `sleep` would be its child, which has the agent's own arguments until it is
# `sleep`: to `ps` as to Muster's scripts there would be two agents for a moment.
IDLE = "exec 3<>{home}/silence; while :; do read -r _ <&3; done"
AGENT = f"""#!/bin/sh
{{trap}}
echo $$ >>{{home}}/pids
{IDLE}
"""


@dataclass
class Agent:
    """An agent below `home`: a program `agent`, started by `start.sh` and stopped by `stop.sh`.

    `hang` is a command that outlasts every test, in words that no other agent has, in this run or beside it.
    """

    home: Path
    shell: str
    token: int = 100
    facts: dict[str, Any] = field(default_factory=dict)
    _marks: dict[int, Mark] = field(default_factory=dict)
    hang: str = field(default_factory=lambda: f"sleep 4711.{os.getpid()}{next(_numbers):04d}")

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def install(self, trap: str = "", start: str = "", stop: str = "") -> "Agent":
        if not (self.home / "silence").exists():
            os.mkfifo(self.home / "silence")
        self.write("agent", AGENT.format(home=self.home, trap=trap))
        self.write("start.sh", start or f"#!/bin/sh\n{self.home}/agent >/dev/null 2>&1 &\n")
        self.write("stop.sh", stop or f"#!/bin/sh\nkill $(tail -n 1 {self.home}/pids)\n")
        return self

    @property
    def profile(self) -> Profile:
        home = str(self.home)
        return Profile(
            "test",
            start=(f"{home}/start.sh",),
            stop=(f"{home}/stop.sh",),
            version=("echo", "v7"),
            processes=(
                ProcessSpec("agent", path=f"{home}/agent", start=(f"{home}/start.sh",), stop=(f"{home}/stop.sh",)),
            ),
            variables={"home": home},
            stop_seconds=2,
            start_seconds=3,
            grace_seconds=1,
            settle_seconds=1,
        )

    def request(self, profile: Profile | None = None, timeout: int = 30, token: int = 0) -> ActionRequest:
        self.token += 1
        host = Host(1, "127.0.0.1")
        named = {"process": "agent"}
        return ActionRequest(host, profile or self.profile, self.facts, token or self.token, timeout, parameters=named)

    def begin(self, script: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a script as a worker does: in a subshell of a shell whose standard input stays open."""
        process = subprocess.Popen(
            [self.shell],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **variables},
            start_new_session=True,
        )
        assert process.stdin is not None
        self._marks[process.pid] = mark = Mark("MUSTER-END")
        process.stdin.write(LIBRARY.encode() + command(script, mark))
        process.stdin.flush()
        return process

    def end(self, process: "subprocess.Popen[bytes]") -> Completed:
        assert isinstance(process.stdout, BufferedReader)
        assert process.stdin is not None
        mark, output = self._marks.pop(process.pid), b""
        while not mark.is_seen and (chunk := process.stdout.read1(65536)):
            output += mark.take(chunk)
        process.stdin.close()
        # Whatever else speaks would speak into the next script.
        assert process.stdout.read() == b""
        code = process.wait(timeout=60)
        process.stdout.close()
        return Completed(code, (output + mark.rest()).decode(errors="replace"), 0.0)

    def do(self, action: str, profile: Profile | None = None) -> tuple[ActionResult, str]:
        request = self.request(profile)
        done = self.end(self.begin(ACTIONS[action].build(request)))
        result = ACTIONS[action].read(done, request)
        self.facts |= result.facts
        return result, done.output

    def undo(self, action: str, profile: Profile | None = None) -> tuple[ActionResult, str]:
        request, undo = self.request(profile), UNDOS[action]
        script = undo.build(request)
        done = self.end(self.begin(script)) if script else Completed(0, "", 0.0)
        return undo.read(done, request), done.output

    def hanging(self) -> list[int]:
        """The pids of what runs as `hang`."""
        return [pid for pid, args in processes() if args == self.hang]

    def living(self, name: str = "agent") -> list[int]:
        return [pid for pid, args in processes() if f"{self.home}/{name}" in args.split()]


def processes() -> list[tuple[int, str]]:
    rows = subprocess.run(["ps", "-ewwo", "pid=,stat=,args="], capture_output=True, text=True, check=True)
    table = [row.split(None, 2) for row in rows.stdout.splitlines()]
    return [(int(row[0]), row[2]) for row in table if len(row) == 3 and not row[1].startswith("Z")]
