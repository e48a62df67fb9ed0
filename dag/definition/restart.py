"""Restart OCP agent: the batch restart's steps on one host, without Wait nodes."""

from dag.definition.batch_restart import BATCH_RESTART
from dag.task import Definition, Scope

RESTART = Definition(
    key="restart",
    name="Restart OCP agent",
    # The same step has the same series id, whether for one host or for many.
    stages=tuple(stage for stage in BATCH_RESTART.stages if stage.scope is Scope.HOST),
    single=True,
)
