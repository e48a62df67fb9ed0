"""What a run does, decided by its seed alone: which process is hit how and after which pause, which hosts a task names.

The same seed gives the same faults and the same submissions in the same order. What they meet (which step runs just
then) depends on the machine, so a seed repeats the blows and not the outcome.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from signal import SIGKILL, SIGSTOP, SIGTERM, Signals

# How many processes of each role there are. The fleet is none of them: it is never hurt.
ROLES: Mapping[str, int] = {"api": 2, "scheduler": 2, "worker": 3, "valkey": 1}
# One deck of faults, shuffled anew each time that it is used up: 20 faults meet every role with every signal.
DECK: Sequence[tuple[str, Signals]] = (
    *[("worker", SIGKILL)] * 3,
    *[("worker", SIGSTOP)] * 2,
    *[("worker", SIGTERM)] * 2,
    *[("scheduler", SIGKILL)] * 2,
    *[("scheduler", SIGSTOP)] * 1,
    *[("scheduler", SIGTERM)] * 2,
    *[("api", SIGKILL)] * 1,
    *[("api", SIGSTOP)] * 1,
    *[("api", SIGTERM)] * 1,
    *[("valkey", SIGKILL)] * 3,
    *[("valkey", SIGSTOP)] * 1,
    *[("valkey", SIGTERM)] * 1,
)
# A paused process sleeps so much longer than a lease.
LONGER_SECONDS = (1.0, 3.0)
# Before one fault in so many, all must be well again. What one fault has made ill, the next may heal by its restart.
FAULTS_A_CALM = 6
# Before a fault: from "while the last one is still being dealt with" to "once all is well again".
PAUSE_SECONDS = (0.1, 6.0)


@dataclass(frozen=True)
class Fault:
    """Send `signal` to the process `name`, `pause_seconds` after the fault before; SIGCONT after `hold_seconds`.

    `calm`: only when all is well again.
    """

    number: int
    name: str
    signal: Signals
    pause_seconds: float
    hold_seconds: float
    calm: bool

    @property
    def kind(self) -> str:
        """Return what it is counted as, "SIGKILL worker" for example."""
        return f"{self.signal.name} {self.name.rpartition('-')[0] or self.name}"


@dataclass(frozen=True)
class Submission:
    """A task on the hosts at these places of the fleet (from 0, in this order), asked of this API (from 0) first."""

    places: tuple[int, ...]
    api: int


def names(role: str) -> list[str]:
    """Return the names of the processes of a role."""
    count = ROLES[role]
    return [f"{role}-{number}" for number in range(1, count + 1)] if count > 1 else [role]


def plan_faults(seed: int, kills: int, lease_seconds: float) -> list[Fault]:
    """Return the faults of a run in their order; a paused process sleeps for longer than `lease_seconds`."""
    chance = random.Random(f"{seed} faults")
    deck: list[tuple[str, Signals]] = []
    faults = []
    for number in range(1, kills + 1):
        if not deck:
            deck = chance.sample(DECK, len(DECK))
        role, signal = deck.pop()
        name = chance.choice(names(role))
        pause = round(chance.uniform(*PAUSE_SECONDS), 2)
        hold = round(lease_seconds + chance.uniform(*LONGER_SECONDS), 2) if signal == SIGSTOP else 0.0
        calm = chance.randrange(FAULTS_A_CALM) == 0 and number > 1
        faults.append(Fault(number, name, signal, pause, hold, calm))
    return faults


def plan_submissions(seed: int, hosts: int) -> Iterator[Submission]:
    """Yield tasks without end; each names a random part of the fleet, a small one more often, so they overlap."""
    chance = random.Random(f"{seed} submissions")
    while True:
        size = min(chance.randint(1, hosts), chance.randint(1, hosts))
        yield Submission(tuple(chance.sample(range(hosts), size)), chance.randrange(ROLES["api"]))
