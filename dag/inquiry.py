"""Questions about a host's agent, answered live: the API asks, a scheduler passes it on, a worker looks and answers.

An inquiry is no node: it begins nothing, holds no lease and takes no host. Where it gets lost, whoever asked stops
waiting, and the next question makes a new one.
"""

import json
import time
from dataclasses import asdict, dataclass

from dag.dispatch import read_messages
from dag.host import Agent, AgentStatus
from dag.script import translated
from dag.store import Store
from dag.trace import current

# How long one blocking read may take: less than the client waits for any answer of Redis.
SLICE_SECONDS = 1.0
# Who has joined an inquiry reads its answer at the latest so long after it was given.
READ_SECONDS = 10.0


@dataclass(frozen=True)
class SeenProcess:
    """One process of the agent; without a pid it does not run. `started_at` is in ms since the epoch (0: unknown).

    `operable` ones can be stopped and started alone.
    """

    name: str
    operable: bool
    pid: int | None = None
    user: str = ""
    command: str = ""
    ports: tuple[int, ...] = ()
    started_at: int = 0


@dataclass(frozen=True)
class Look:
    """What a worker saw on a host, or why it could not look (`reason`).

    `unreachable` is true where it did not get there at all. `at` is Redis's time of the answer, in ms since the epoch.
    `main` names the processes that make the agent.
    """

    reason: str = ""
    unreachable: bool = False
    version: str = ""
    home: str = ""
    processes: tuple[SeenProcess, ...] = ()
    main: tuple[str, ...] = ()
    at: int = 0
    operating_system: str = ""
    architecture: str = ""

    @property
    def status(self) -> AgentStatus:
        """STARTED where any of the agent's main processes runs; the proxy alone makes no agent."""
        runs = any(process.pid and process.name in self.main for process in self.processes)
        return AgentStatus.STARTED if runs else AgentStatus.STOPPED


class Inquiries:
    """The questions and answers in Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ask(self, host_id: int, *, seconds: float, anew: bool = False) -> Look | None:
        """Return what is seen on the host, or None where nobody answers within `seconds`.

        An answer that was given a moment ago serves, too, unless it is to be seen `anew`.

        Raises:
            StoreUnavailable: Redis is away.
        """
        keys, until = self._store.keys, time.monotonic() + seconds
        names = [keys.inquiry(host_id), keys.inquiry_ids, keys.ready]
        stands_ms, trace = int(seconds * 1000) + 1000, current()
        parent = trace.parent if trace else ""
        while True:
            # Again in each round: an inquiry that we have joined, its message lost, may run out while we wait.
            number = int(self._store.scripts.call("inquire", names, host_id, stands_ms, int(anew), parent))
            anew = False
            left = until - time.monotonic()
            block = max(1, int(min(left, SLICE_SECONDS) * 1000))
            with translated():
                answer = self._store.redis.xread({keys.answer(host_id, number): "0-0"}, count=1, block=block)
            for name, fields in read_messages(answer):
                return _look(fields["answer"], int(name.partition("-")[0]))
            if left <= 0:
                return None

    def is_asked(self, host_id: int, number: int) -> bool:
        """Tell whether the inquiry stands, so that somebody may wait for its answer."""
        with translated():
            standing = self._store.redis.get(self._store.keys.inquiry(host_id))
        return bool(standing == str(number))

    def answer(self, host_id: int, number: int, look: Look, agent: Agent | None, *, keep_seconds: float) -> None:
        """Give the answer to all who wait, and for `keep_seconds` more; store `agent` unless a task holds the host."""
        keys = self._store.keys
        names = [keys.inquiry(host_id), keys.answer(host_id, number), keys.agents, keys.holders, keys.hosts]
        seen = json.dumps(asdict(agent)) if agent else ""
        keep_ms, text = int(keep_seconds * 1000), json.dumps(asdict(look))
        read_ms = keep_ms + int(READ_SECONDS * 1000)
        self._store.scripts.call("answer", names, host_id, number, text, seen, keep_ms, read_ms)


def _look(text: str, at: int) -> Look:
    fields = json.loads(text)
    processes = tuple(SeenProcess(**{**one, "ports": tuple(one["ports"])}) for one in fields["processes"])
    return Look(**{**fields, "processes": processes, "main": tuple(fields["main"]), "at": at})
