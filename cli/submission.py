"""What `muster restart` and `muster stop-agents` print: what would be done, and the task that was made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.selection import Host
from cli.table import print_table, some

COLUMNS = {
    "id": "id",
    "name": "name",
    "innerIpAddress": "address",
    "zone": "zone",
    "status": "status",
    "agentStatus": "agent",
    "agentVersion": "version",
}
# What a plan finds, and how it is said of hosts.
FINDINGS = {
    "lockedHostIds": "held by another task: this one would wait for it",
    "unreachableHostIds": "not reached when last seen: the first step is likely to fail there",
    "stoppedAgentHostIds": "without a running agent when last seen",
    "neverSeenHostIds": "never seen so far",
    "unknownProfileHostIds": "with an agent profile that no live worker of their zone knows",
}
Row = Mapping[str, Any]


def show_plan(plan: Row, *, as_json: bool) -> None:
    """Print what a submission would do: its hosts, its stages, and what may stand in its way."""
    if as_json:
        print(json.dumps(plan))
        return
    rows = [[*(str(host[name]) for name in COLUMNS), _locked(host)] for host in plan["hosts"]]
    print_table((*COLUMNS.values(), "held by"), rows)
    stages = [stage["name"] for stage in plan["stages"] if not stage["waitNode"]]
    print(f"{plan['name']}, {plan['subtaskCount']} subtasks: {', '.join(stages)}")
    for line in _findings(plan):
        print(f"Note: {line}")
    print(f"Dry run: nothing was done. It would be one task on {count(len(plan['hosts']))}.")


def _locked(host: Row) -> str:
    if not host["lockedBy"]:
        return ""
    before = host["waitingBefore"]
    return f"task {host['lockedBy']['id']}" + (f", {before} wait for it" if before else "")


def _findings(plan: Row) -> Iterator[str]:
    names = {host["id"]: host["name"] for host in plan["hosts"]}
    for name, what in FINDINGS.items():
        found = [names[host] for host in plan["findings"][name]]
        if found:
            yield f"{some(found)}: {what}"
    zones = plan["findings"]["zonesWithoutWorker"]
    if zones:
        yield f"no live worker serves zone {some(zones)}: nothing would begin there"


def show_task(task: Row, chosen: Sequence[Host], again: str, *, as_json: bool) -> None:
    """Print the task that was submitted on these hosts, and how to follow it."""
    if as_json:
        hosts = [{"id": host["id"], "name": host["name"]} for host in chosen]
        print(json.dumps({"id": task["id"], "name": task["name"], "status": task["status"], "hosts": hosts}))
        return
    print(f"Task {task['id']}: {task['name']} on {count(len(chosen))}. To follow it: {again}", flush=True)


def count(hosts: int) -> str:
    """Return the number of hosts in words that fit it."""
    return "1 host" if hosts == 1 else f"{hosts} hosts"
