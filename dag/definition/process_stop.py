"""Stop one process of the agent on one host."""

from dag.definition.stage import step
from dag.task import Definition


def process_stop(process: str) -> Definition:
    """Return the operation on the process of this name, as the host's profile calls it."""
    return Definition(
        key="process_stop",
        name="Stop OCP agent process",
        stages=(step("Stop OCP agent process", "StopOcpAgentProcessTask", 1, 120, "process.stop"),),
        single=True,
        now=True,
        parameters={"process": process},
    )
