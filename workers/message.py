"""What a Celery message of Muster holds, and how it is shown in Flower."""

from typing import Any

from dag.scheduler import Dispatch

# The Celery task that inquiries come by; steps come by the names of their actions.
LOOK = "agent.look"


def celery_id(dispatch: Dispatch) -> str:
    """Return the Celery task id: it leads from a row of Flower to the subtask and its attempt."""
    return f"{dispatch.subtask_id}-{dispatch.attempt}"


def arguments(dispatch: Dispatch) -> dict[str, Any]:
    """Return the keyword arguments, JSON values only, no secrets."""
    return {
        "task": dispatch.task_id,
        "subtask": dispatch.subtask_id,
        "offset": dispatch.offset,
        "attempt": dispatch.attempt,
        "host": dispatch.host_id,
        "index": dispatch.index,
        "timeout": dispatch.timeout_seconds,
        "trace": dispatch.trace_id,
    }


def readable(dispatch: Dispatch) -> str:
    """Return what Flower shows of the arguments (Celery's `kwargsrepr`, at most 1,024 characters there)."""
    shown = {"task": dispatch.task_id, "host": dispatch.host_id, "address": dispatch.address, "step": dispatch.title}
    return repr(shown)
