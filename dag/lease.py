"""A worker's side of the store: begin a node, renew what it holds, complete or fail it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dag.host import Agent
from dag.state import Operation
from dag.store import Store


@dataclass(frozen=True)
class Run:
    """One run of one node by one worker: what a message names and what a report must carry."""

    task_id: int
    offset: int
    attempt: int
    host_id: int | None
    index: int

    @property
    def name(self) -> str:
        """The run's name in the sorted set of leases."""
        return f"{self.task_id}:{self.offset}:{self.attempt}"


@dataclass(frozen=True)
class Begun:
    """What a worker gets with a node: the fencing token, what earlier steps found on the host, what it is asked.

    `host` is the host's record as it is stored (see `dag.registry.read_host`), "" where it is not enrolled any more.
    """

    token: int
    facts: dict[str, Any]
    operation: Operation
    parameters: dict[str, str] = field(default_factory=dict)
    host: str = ""


@dataclass(frozen=True)
class Report:
    """What a run leaves behind: its log, what it learned for later steps, and the agent as it saw it."""

    log: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    agent: Agent | None = None


@dataclass(frozen=True)
class Renewal:
    """What a renewal told: names of runs that are not this worker's any more, and of those that a user cancels."""

    gone: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()


class Leases:
    """Nodes held by workers, each under a lease of `lease_seconds` that a heartbeat renews."""

    def __init__(self, store: Store, *, lease_seconds: float, retention_seconds: int) -> None:
        self._store = store
        self.lease_seconds = lease_seconds
        self._retention = retention_seconds

    @property
    def _lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)

    def begin(self, run: Run, executor: str) -> Begun | None:
        """Take the node, or return None where this run is not the newest or the node is not READY.

        A worker that asks again for a run that it has begun gets it again: its answer may have been lost on the way.

        Raises:
            StoreUnavailable: Redis is away; the node may have begun, and its lease will then run out.
        """
        keys = self._store.keys
        names = [keys.status(run.task_id), keys.nodes(run.task_id), keys.due, keys.tokens, keys.facts(run.task_id)]
        names += [keys.task(run.task_id), keys.changes(run.task_id), keys.hosts]
        answer = self._store.scripts.call(
            "begin",
            names,
            run.task_id,
            run.offset,
            run.attempt,
            executor,
            self._lease_ms,
            run.index,
            self._store.clock(),
            "" if run.host_id is None else run.host_id,
        )
        token, facts = int(answer[0]), answer[1]
        if not token:
            return None
        parameters = json.loads(answer[3] or "{}")
        return Begun(token, json.loads(facts) if facts else {}, Operation(answer[2]), parameters, answer[4])

    def renew(self, names: Sequence[str]) -> Renewal:
        """Renew the leases of these runs; return those that are somebody else's by now, or are to be cancelled."""
        if not names:
            return Renewal()
        keys = self._store.keys
        answer = self._store.scripts.call(
            "renew", [keys.due, keys.cancels], self._lease_ms, self._store.clock(), *names
        )
        return Renewal(*map(frozenset, answer))

    def give_back(self, run: Run) -> None:
        """Let the run's lease end now, so that nobody need wait for it; one that is not held stays as it is."""
        keys = self._store.keys
        self._store.scripts.call("renew", [keys.due, keys.cancels], 0, self._store.clock(), run.name)

    def complete(self, run: Run, report: Report) -> bool:
        """Record success; False where the run does not hold the node any more (nothing was changed)."""
        return self._end("complete", run, report)

    def fail(self, run: Run, report: Report) -> bool:
        """Record failure; False where the run does not hold the node any more (nothing was changed)."""
        return self._end("fail", run, report)

    def _end(self, script: str, run: Run, report: Report) -> bool:
        return bool(
            self._store.scripts.call(
                script,
                self._store.keys.ending(run.task_id),
                run.task_id,
                run.offset,
                run.attempt,
                "" if run.host_id is None else run.host_id,
                run.index,
                report.log,
                json.dumps(report.facts) if report.facts else "",
                json.dumps(asdict(report.agent)) if report.agent else "",
                self._retention,
                self._store.clock(),
            )
        )
