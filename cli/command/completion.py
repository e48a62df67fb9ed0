"""What a shell offers for the value of an option (`muster --install-completion`): without it, it would offer files.

The values stand here as words: to import what knows them would make each press of the key wait for it.
"""

from collections.abc import Callable

Completion = Callable[[str], list[str]]

TASK_STATUSES = ("FAILED", "RUNNING", "SUCCESSFUL")
HOST_STATUSES = ("AVAILABLE", "DELETING", "NEW", "OFFLINE", "ONLINE")
AGENT_STATUSES = ("RESTARTING", "STARTED", "STOPPED", "UNKNOWN")
RESULTS = ("FAILED", "REFUSED", "SUCCESSFUL", "UNFINISHED")
PERMISSIONS = ("HOST_MANAGER", "HOST_VIEWER", "SYSTEM_MANAGER", "TASK_MANAGER", "TASK_VIEWER")
ROLES = ("ADMIN", "OPERATOR", "VIEWER", *PERMISSIONS)
EVENTS = ("task.ended", "task.failed")
PROFILES = ("custom", "ob_agentctl", "ocp_agentctl", "supervisor", "systemd")


def one_of(values: tuple[str, ...]) -> Completion:
    """Return what completes to one of these."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def some_of(values: tuple[str, ...]) -> Completion:
    """Return what completes to some of these, with commas between them."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{value}" for value in values if value.startswith(last) and value not in given]

    return complete
