"""What the live workers say of hosts: whether somebody reaches their zone and knows their agent profile.

The API has no profiles itself: workers tell in their heartbeats which they know. Where no live worker of a zone tells,
nobody can say, and a host is taken at its word.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from api.service import services
from dag.host import Host
from dag.roster import Roster, Worker


@dataclass(frozen=True)
class Fitness:
    """The zones that have live workers, each with the profiles that these know."""

    profiles: dict[str, frozenset[str]]

    def has_worker(self, zone: str) -> bool:
        """Tell whether a live worker reaches the zone."""
        return zone in self.profiles

    def fault(self, host: Host) -> str:
        """Return what is wrong with the host's profile, "" where nothing is, or nobody can say."""
        known = self.profiles.get(host.zone)
        if not known or host.profile in known:
            return ""
        return f"is no agent profile that a live worker of zone {host.zone} knows; they know {', '.join(sorted(known))}"


def fitness_of(workers: Iterable[Worker]) -> Fitness:
    """Return what these live workers reach and know."""
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for worker in workers:
        found[worker.zone] |= worker.profiles
    return Fitness(dict(found))


def fitness() -> Fitness:
    """Return what the workers that live now reach and know; StoreUnavailable while Redis is away."""
    return fitness_of(Roster(services().store).alive())
