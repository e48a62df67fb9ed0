"""A host that is played: the seam at which a worker would open a connection."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from dag.host import Host
from workers.remote.session import UNHEARD, Completed, Listener


@dataclass
class PlayedHost:
    """An executor that answers what it is told, and keeps what it was asked."""

    answer: Callable[[], Completed]
    scripts: list[str] = field(default_factory=list)
    cancelled: Event = field(default_factory=Event)
    listener: Listener = UNHEARD

    def run(
        self,
        host: Host,
        script: str,
        *,
        run_as: str = "",
        timeout_seconds: float,
        cancelled: Event,
        listener: Listener = UNHEARD,
    ) -> Completed:
        self.scripts.append(script)
        self.cancelled, self.listener = cancelled, listener
        return self.answer()
