"""Collects what a run left behind: every task of the store as plain values, and the processes of the hosts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.demo import processes
from dag.dispatch import LOST_LINE
from dag.graph import Graph
from dag.snapshot import unpack_stages
from dag.state import TaskStatus
from dag.store import Store
from dag.task import Scope
from deploy.fleet.leftovers import find_processes
from tests.idle_shell import is_idle

AGENT = ("ocp_agentd", "ocp_mgragent", "ocp_monagent")

Pids = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Step:
    """One node on a host: how often it was handed out, how many of these runs were lost, how many results were taken.

    `token` is the last run's.
    """

    host_id: int
    stage: int
    action: str
    letter: str
    attempts: int
    lost: int
    token: int
    results: int


@dataclass(frozen=True)
class TaskFound:
    """A task as it stands; `before` and `after` are the agent's pids by host as its steps saw them."""

    id: int
    status: str
    host_ids: tuple[int, ...]
    steps: tuple[Step, ...]
    before: Mapping[int, Pids]
    after: Mapping[int, Pids]

    @property
    def is_successful(self) -> bool:
        return self.status == TaskStatus.SUCCESSFUL


def read_tasks(store: Store) -> dict[int, TaskFound]:
    """Return every task that the store knows."""
    ids = [int(task) for task in store.redis.zrange(store.keys.index, 0, -1)]
    return {task: _read(store, task) for task in ids if store.redis.exists(store.keys.task(task))}


def _read(store: Store, task_id: int) -> TaskFound:
    redis, keys = store.redis, store.keys
    fields, facts = redis.hgetall(keys.task(task_id)), redis.hgetall(keys.facts(task_id))
    hosts = tuple(map(int, fields["hosts"].split(",")))
    known = {host: json.loads(facts.get(str(index), "{}")) for index, host in enumerate(hosts)}
    return TaskFound(
        task_id,
        fields["status"],
        hosts,
        tuple(_steps(store, task_id, Graph(unpack_stages(fields["stages"]), len(hosts)), hosts)),
        {host: found.get("before", {}) for host, found in known.items()},
        {host: found.get("after", {}) for host, found in known.items()},
    )


def _steps(store: Store, task_id: int, graph: Graph, hosts: Sequence[int]) -> list[Step]:
    keys = store.keys
    letters, records = store.redis.get(keys.status(task_id)), store.redis.hgetall(keys.nodes(task_id))
    logs = store.redis.hgetall(keys.log(task_id))
    # What a lost run had logged by then stays, and is no result.
    reports = [name.partition(":")[0] for name, text in logs.items() if not text.endswith(LOST_LINE)]
    steps = []
    for stage, number, inner, offset in graph.offsets():
        if stage.scope is Scope.HOST:
            # attempt|run|operation|started|finished|token|lost|executor, as node.lua writes it.
            record = records.get(str(offset), "1|1|EXECUTE|||0|0|").split("|")
            results = reports.count(str(offset))
            steps.append(
                Step(
                    hosts[inner],
                    number,
                    stage.action,
                    letters[offset],
                    int(record[0]),
                    int(record[6]),
                    int(record[5]),
                    results,
                )
            )
    return steps


def agents(fleet: Path) -> dict[str, Pids]:
    """Return the processes of each host's agent: host name to program to pids."""
    return dict(processes(fleet))


def scripts_left(fleet: Path) -> dict[int, str]:
    """Return what scripts have left running on the hosts: all processes there but the agents and shells that wait."""
    found = find_processes(fleet).items()
    return {pid: text for pid, text in found if "/ocp_agent/bin/" not in text and not is_idle(pid)}
