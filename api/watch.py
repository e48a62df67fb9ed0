"""Calls that wait for a host: a look at it, or the end of a small task on it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from api.instant import iso
from config.settings import ApiSettings
from dag.error import AgentUnavailable, StillRunning, TooManyWaiting
from dag.host import Agent, Host
from dag.inquiry import Inquiries, Look, SeenProcess
from dag.operation import Operations
from dag.progress import await_end, last_words
from dag.registry import HostRegistry
from dag.state import TaskStatus
from dag.store import Store


@dataclass(frozen=True)
class Sight:
    """What is known of a host's agent: seen just now (`live`), or what somebody saw last."""

    host: Host
    look: Look
    live: bool


class Watch:
    """Waits for hosts; a call does so inside of `waiting`."""

    def __init__(self, store: Store, registry: HostRegistry, settings: ApiSettings) -> None:
        self._store, self._registry, self._settings = store, registry, settings
        self._inquiries = Inquiries(store)
        self._places = threading.BoundedSemaphore(max(1, settings.threads // 2))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait inside the block; half of the API's threads may do so at once: dead hosts must not keep others out.

        Raises:
            TooManyWaiting: so many do already; nothing was done.
        """
        if not self._places.acquire(blocking=False):
            raise TooManyWaiting
        try:
            yield
        finally:
            self._places.release()

    def look(self, host: Host, *, anew: bool = False) -> Sight:
        """Return what a worker sees on the host now.

        Raises:
            AgentUnavailable: the host can't be reached, or nobody answered in time.
        """
        look = self._ask(host, anew=anew)
        if look is None:
            raise AgentUnavailable(self._silence(host))
        return Sight(host, look, live=True)

    def see(self, host: Host) -> Sight:
        """Return what a worker sees on the host now, or what was last seen where nobody answers in time.

        Raises:
            AgentUnavailable: the host can't be reached, or nobody answers and nobody has ever seen the agent.
        """
        look = self._ask(host, anew=False)
        if look is not None:
            return Sight(host, look, live=True)
        agent = self._registry.agent(host.id)
        if agent is None or not agent.seen_at:
            raise AgentUnavailable(self._silence(host))
        return Sight(host, _remembered(agent), live=False)

    def await_end(self, task_id: int, host: Host) -> None:
        """Return once the small task on the host has succeeded.

        Raises:
            AgentUnavailable: it failed, or nobody began it in time, so that it never runs.
            StillRunning: it has begun and goes on.
        """
        seconds = self._settings.operation_seconds
        if not await_end(self._store, task_id, seconds=seconds):
            reason = f"no worker of zone {host.zone} has begun it within {seconds:g} s: it is withdrawn"
            Operations(self._store).withdraw(task_id, reason=reason)
        task = self._store.load(task_id)
        if task.status is TaskStatus.RUNNING:
            raise StillRunning(task_id, seconds)
        if task.status is not TaskStatus.SUCCESSFUL:
            raise AgentUnavailable(f"Task {task_id} failed on host {host.id}: {last_words(self._store, task_id)}")

    def _ask(self, host: Host, *, anew: bool) -> Look | None:
        look = self._inquiries.ask(host.id, seconds=self._settings.look_seconds, anew=anew)
        if look is not None and look.reason:
            raise AgentUnavailable(f"Host {host.id}: {look.reason}{self._last_seen(host)}")
        return look

    def _silence(self, host: Host) -> str:
        seconds = f"{self._settings.look_seconds:g} s"
        return f"No worker of zone {host.zone} has looked at host {host.id} within {seconds}.{self._last_seen(host)}"

    def _last_seen(self, host: Host) -> str:
        agent = self._registry.agent(host.id)
        return f" Its agent was last seen {agent.status} at {iso(agent.seen_at)}." if agent and agent.seen_at else ""


def _remembered(agent: Agent) -> Look:
    """Return what was seen of the agent in the form of a look; what only a look can tell is empty."""
    processes = tuple(
        SeenProcess(name, operable=False, pid=pid, started_at=_ms(agent.started_at.get(name, "")))
        for name, pid in sorted(agent.pids.items())
    )
    return Look(version=agent.version, processes=processes, main=tuple(agent.pids), at=agent.seen_at)


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000) if text else 0
