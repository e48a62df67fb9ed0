"""Hands that play schedulers and workers, for tests that need tasks to move and no hosts."""

from collections.abc import Mapping

from redis import Redis

from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.lease import Leases, Report, Run
from dag.state import NodeStatus, TaskStatus
from dag.store import Store
from dag.task import Node

LOG = "############{EXECUTE}{2021-09-03T14:20:26.243+08:00}############\n"


class Hands:
    """Do the work of the tasks in one store; `faults` are hosts on which each step fails, and what it says last."""

    def __init__(self, redis: Redis) -> None:
        self.store = Store(redis)
        self.faults: dict[int, str] = {}
        self._hand = HandOut(self.store, retention_seconds=60)
        self._leases = Leases(self.store, lease_seconds=10, retention_seconds=60)

    def submit(self, hosts: list[int]) -> int:
        """Submit a restart as somebody called ann, and return its id."""
        return self.store.submit(BATCH_RESTART, hosts, creator="ann", executor="e", trace_id="t")

    def step(self, task: int) -> None:
        """Run what is READY, once."""
        for node in self.ready(task).values():
            run = self.begin(task, node)
            fault = self.faults.get(run.host_id or 0)
            if fault:
                assert self._leases.fail(run, Report(f"{LOG}{fault}\n"))
            else:
                assert self._leases.complete(run, Report(f"{LOG}done\n"))
        info = self._hand.info(task)
        if info and self.store.load(task).status is TaskStatus.FAILED:
            self._hand.release(info)

    def finish(self, task: int) -> None:
        """Run the task to its end."""
        while self.store.load(task).status is TaskStatus.RUNNING:
            assert self.ready(task), "nothing is ready"
            self.step(task)

    def ready(self, task: int) -> Mapping[int, Node]:
        """Return the nodes that are READY, by id."""
        return {node.id: node for node in self.store.load(task).nodes if node.status is NodeStatus.READY}

    def begin(self, task: int, node: Node) -> Run:
        """Begin a node that is READY."""
        offset = node.id - self.store.load(task).nodes[0].id
        [(_offset, attempt)] = self._hand.ready_nodes(task, offset, 1, begin_within_ms=1000)
        run = Run(task, offset, attempt, node.host_id, max(0, node.parallel_idx))
        assert self._leases.begin(run, "worker")
        return run
