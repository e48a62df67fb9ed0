"""What is known of a host's agent after somebody was there, or tried to be."""

import time
from dataclasses import replace
from datetime import UTC, datetime

from dag.error import StoreUnavailable
from dag.host import Agent, AgentStatus
from dag.inquiry import Look
from dag.registry import HostRegistry
from workers.remote.error import RemoteError, RemoteTimeout


def seen(hosts: HostRegistry, host_id: int, agent: Agent, task_id: int) -> Agent:
    """Return the agent as a step of the task saw it just now; what it did not look for stays."""
    now = replace(agent, task_id=task_id, seen_at=_now())
    is_whole = now.version and now.operating_system and now.architecture
    return now if is_whole else _completed(now, _before(hosts, host_id))


def missed(hosts: HostRegistry, host_id: int, error: RemoteError) -> Agent | None:
    """Return what is known of the agent of a host that could not be reached; None where the error does not say that."""
    if isinstance(error, RemoteTimeout):
        return None
    return replace(_before(hosts, host_id), unreachable=str(error), missed_at=_now())


def reached(hosts: HostRegistry, host_id: int) -> Agent | None:
    """Return the agent of a host that answered again, but not what runs there; None where nothing changed."""
    before = _before(hosts, host_id)
    return replace(before, unreachable="", missed_at=0) if before.unreachable else None


def looked(hosts: HostRegistry, host_id: int, look: Look) -> Agent:
    """Return the agent as a look that succeeded saw it."""
    before, running = _before(hosts, host_id), [process for process in look.processes if process.pid]
    pids = {process.name: process.pid or 0 for process in reversed(running)}
    starts = {process.name: datetime.fromtimestamp(process.started_at / 1000, UTC) for process in reversed(running)}
    started = {name: start.isoformat() for name, start in starts.items()}
    agent = Agent(look.status, look.version, pids, started, seen_at=_now(), task_id=before.task_id)
    return _completed(replace(agent, operating_system=look.operating_system, architecture=look.architecture), before)


def _completed(agent: Agent, before: Agent) -> Agent:
    return replace(
        agent,
        version=agent.version or before.version,
        operating_system=agent.operating_system or before.operating_system,
        architecture=agent.architecture or before.architecture,
    )


def _before(hosts: HostRegistry, host_id: int) -> Agent:
    try:
        return hosts.agent(host_id) or Agent(AgentStatus.UNKNOWN)
    except StoreUnavailable:
        # It must not turn a run's outcome into another one.
        return Agent(AgentStatus.UNKNOWN)


def _now() -> int:
    return int(time.time() * 1000)
