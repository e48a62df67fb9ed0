"""Batch stop OCP agent: Prepare, Wait, stop on each host, Wait, Finish.

The published sample gives the second Wait node the series id 1 and Prepare 2; the other ids are ours.
"""

from dag.definition.stage import step, wait
from dag.task import Definition

BATCH_STOP = Definition(
    key="batch_stop",
    name="Batch stop OCP agent",
    stages=(
        step("Prepare stop OCP agent", "PrepareStopOcpAgentTask", 2, 60, "agent.prepare"),
        wait(0),
        step("Stop all OCP agent processes", "StopAllOcpAgentProcessesTask", 4, 600, "agent.shutdown"),
        wait(1),
        step("Finish OCP agent operation", "FinishOcpAgentOperationTask", 3, 60, "agent.finish_stop"),
    ),
)
