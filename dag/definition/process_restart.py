"""Restart one process of the agent on one host."""

from dag.definition.stage import step
from dag.task import Definition


def process_restart(process: str) -> Definition:
    """Return the operation on the process of this name, as the host's profile calls it."""
    return Definition(
        key="process_restart",
        name="Restart OCP agent process",
        stages=(step("Restart OCP agent process", "RestartOcpAgentProcessTask", 1, 120, "process.restart"),),
        single=True,
        now=True,
        parameters={"process": process},
    )
