"""Stop OCP agent: the batch stop's steps on one host, without Wait nodes."""

from dag.definition.batch_stop import BATCH_STOP
from dag.task import Definition, Scope

STOP = Definition(
    key="stop",
    name="Stop OCP agent",
    stages=tuple(stage for stage in BATCH_STOP.stages if stage.scope is Scope.HOST),
    single=True,
)
