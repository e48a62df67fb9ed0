"""The stages that operations are made of, in the words of the contract's sample responses."""

from dag.task import Scope, Stage

PACKAGE = "com.alipay.ocp.service.task.business"


def wait(series_id: int) -> Stage:
    """Return a Wait node: it joins all nodes of the stage before it and passes by itself."""
    return Stage("Wait node", f"{PACKAGE}.WaitNode", series_id, 30, "wait", Scope.WAIT)


def step(name: str, class_name: str, series_id: int, timeout_seconds: int, action: str) -> Stage:
    """Return a stage that runs `action` once on each host."""
    return Stage(name, f"{PACKAGE}.obagent.{class_name}", series_id, timeout_seconds, action)
