"""Sends the planned faults, each at its moment, and now and then waits until all is well again."""

import time
from dataclasses import dataclass, field
from signal import SIGCONT

from tests.chaos.cluster import Cluster
from tests.chaos.observer import Observer
from tests.chaos.plan import Fault
from tests.chaos.tell import tell

# The longest that a process may be away before a fault is due to it: a start takes a second or two.
AWAY_SECONDS = 120.0
LOOK_SECONDS = 0.05


@dataclass
class Injector:
    """Hits the processes of a cluster; `calm_seconds` is the longest that all may take to be well again."""

    cluster: Cluster
    observer: Observer
    calm_seconds: float
    injected: list[Fault] = field(default_factory=list)
    not_injected: list[str] = field(default_factory=list)
    calms: list[float] = field(default_factory=list)
    never_calm: list[str] = field(default_factory=list)
    _asleep: dict[str, float] = field(default_factory=dict)

    def inject(self, fault: Fault) -> bool:
        """Wait for the fault's moment, a node under way and a process that can be hit; False where it never comes."""
        if fault.calm:
            self._calm(fault)
        due = time.monotonic() + fault.pause_seconds
        deadline = due + AWAY_SECONDS
        while time.monotonic() < due or not self._hit(fault):
            if time.monotonic() > deadline:
                reason = "the process does not come back" if self.observer.is_under_way() else "nothing is under way"
                self.not_injected.append(f"no moment for fault {fault.number} ({fault.kind}): {reason}")
                return False
            self._wake()
            time.sleep(LOOK_SECONDS)
        if fault.hold_seconds:
            self._asleep[fault.name] = time.monotonic() + fault.hold_seconds
        self.injected.append(fault)
        tell(f"fault {fault.number}: {fault.signal.name} {fault.name}")
        return True

    def wake_all(self) -> None:
        """Wait until everybody who was paused goes on."""
        while self._asleep:
            self._wake()
            time.sleep(LOOK_SECONDS)

    def _wake(self) -> None:
        for name, until_time in list(self._asleep.items()):
            if time.monotonic() >= until_time:
                self.cluster.signal(name, SIGCONT)
                del self._asleep[name]

    def _hit(self, fault: Fault) -> bool:
        if fault.name in self._asleep or not self.observer.is_under_way():
            return False
        return self.observer.hit(fault.number, lambda: self.cluster.signal(fault.name, fault.signal))

    def _calm(self, fault: Fault) -> None:
        """Wait until nobody is paused, all processes serve, and the nodes that are under way then have ended."""
        self.wake_all()
        since, mark = time.monotonic(), -fault.number
        self.observer.mark(mark)
        while ill := self._ill(mark):
            if time.monotonic() > since + self.calm_seconds:
                self.never_calm.append(f"before fault {fault.number}: {', '.join(ill)}")
                break
            time.sleep(LOOK_SECONDS)
        self.calms.append(time.monotonic() - since)
        tell(f"{'not all' if ill else 'all'} is well again after {self.calms[-1]:.1f} s")

    def _ill(self, mark: int) -> list[str]:
        return ([] if self.observer.is_over(mark) else ["nodes that don't end"]) + self.cluster.missing()
