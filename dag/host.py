"""A host of the fleet, and what was last seen of the agent on it."""

from dataclasses import dataclass, field
from enum import StrEnum


class HostStatus(StrEnum):
    """The contract's states of a host."""

    NEW = "NEW"
    AVAILABLE = "AVAILABLE"
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    DELETING = "DELETING"


class AgentStatus(StrEnum):
    """The contract's states of an agent, RESTARTING while a task is at work on it, UNKNOWN while nobody has seen it."""

    STARTED = "STARTED"
    STOPPED = "STOPPED"
    RESTARTING = "RESTARTING"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Host:
    """One host as it was enrolled: where it is and how its agent is controlled.

    `user` is the SSH login ("" means the workers' default); `profile` names a file of `workers/profile/`;
    `variables` fill the profile's placeholders ("home", "run_as", "unit", ...).
    """

    id: int
    address: str
    name: str = ""
    ssh_port: int = 22
    user: str = ""
    profile: str = "ocp_agentctl"
    zone: str = "default"
    variables: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    alias: str = ""
    description: str = ""
    kind: str = "DEDICATED_PHYSICAL_MACHINE"
    idc_id: int = 0
    type_id: int = 0
    credential_id: int = 0
    status: HostStatus = HostStatus.NEW
    created_at: int = 0


@dataclass(frozen=True)
class Agent:
    """What a step or an inquiry last saw of a host and the agent on it; times are ms since the epoch.

    `pids` maps a process name to its pid, `started_at` to its start ("" when the host could not tell). `unreachable`
    says why the last one did not get to the host at all ("": it did), at `missed_at`; the rest then stays as it was
    seen before.
    """

    status: AgentStatus
    version: str = ""
    pids: dict[str, int] = field(default_factory=dict)
    started_at: dict[str, str] = field(default_factory=dict)
    seen_at: int = 0
    task_id: int = 0
    unreachable: str = ""
    missed_at: int = 0
    operating_system: str = ""
    architecture: str = ""

    @property
    def host_status(self) -> HostStatus:
        """The status of the host that follows from it."""
        return HostStatus.OFFLINE if self.unreachable else HostStatus.ONLINE
