"""Batch restart OCP agent, as the contract's sample response shows it.

Names, class names, series ids, timeouts (seconds) and order are the sample's.
"""

from dag.definition.stage import step, wait
from dag.task import Definition

BATCH_RESTART = Definition(
    key="batch_restart",
    name="Batch restart OCP agent",
    stages=(
        step("Prepare restart OCP agent", "PrepareRestartOcpAgentTask", 2, 60, "agent.prepare"),
        wait(0),
        step("Restart pos proxy", "RestartPosProxyTask", 8, 60, "proxy.restart"),
        wait(4),
        step("Stop all OCP agent processes", "StopAllOcpAgentProcessesTask", 1, 600, "agent.stop"),
        wait(7),
        step("Start all OCP agent processes", "StartAllOcpAgentProcessesTask", 5, 600, "agent.start"),
        wait(3),
        step("Finish OCP agent operation", "FinishOcpAgentOperationTask", 6, 60, "agent.finish"),
    ),
)
