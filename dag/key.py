"""The names of all keys in Redis, on one page.

All keys of one partition share a hash tag, so that a script touches one slot of a Redis Cluster.
"""

from dataclasses import dataclass

from dag.claim import Claim


@dataclass(frozen=True)
class Keys:
    """The keys of one partition (0 to 99)."""

    partition: int = 0

    def _name(self, rest: str) -> str:
        return f"{{p{self.partition:02d}}}:{rest}"

    def task(self, task_id: int) -> str:
        """Hash: what stands once for a task, and its counters."""
        return self._name(f"task:{task_id}")

    def status(self, task_id: int) -> str:
        """String: one status letter a node, by offset."""
        return self._name(f"task:{task_id}:status")

    def nodes(self, task_id: int) -> str:
        """Hash: offset to the record of a node that has begun (see node.lua)."""
        return self._name(f"task:{task_id}:nodes")

    def facts(self, task_id: int) -> str:
        """Hash: index of the host to what this task's steps found there, JSON."""
        return self._name(f"task:{task_id}:facts")

    def log(self, task_id: int) -> str:
        """Hash: "offset:attempt" to the log of that run, while it is under way to what there is of it."""
        return self._name(f"task:{task_id}:log")

    def changes(self, task_id: int) -> str:
        """Stream: what has changed in the task, the newest 10,000 changes (see node.lua)."""
        return self._name(f"task:{task_id}:changes")

    def creating(self, task_id: int, claim: Claim | None) -> list[str]:
        """Return the keys of the script that makes a task, in their order (see create.lua)."""
        names = [self.task(task_id), self.status(task_id), self.index, self.admission, self.listed, self.creators]
        names += [self.ready, self.holders, self.waiting, self.changes(task_id), self.tickets]
        return [*names, self.claim(claim.name)] if claim else names

    def ending(self, task_id: int) -> list[str]:
        """Return the keys of the scripts that can end a node, and so its task, in their order (see finish.lua)."""
        names = [self.task(task_id), self.status(task_id), self.nodes(task_id), self.due, self.ready]
        names += [self.facts(task_id), self.log(task_id), self.holders, self.waiting, self.agents]
        return [*names, self.cancels, self.listed, self.changes(task_id), self.outbox]

    def claim(self, name: str) -> str:
        """String: "task content" of the task that was made under the claim of this name."""
        return self._name(f"claim:{name}")

    @property
    def task_ids(self) -> str:
        """Counter of task ids."""
        return self._name("ids:task")

    @property
    def node_ids(self) -> str:
        """Counter of subtask ids."""
        return self._name("ids:node")

    @property
    def host_ids(self) -> str:
        """Counter of host ids."""
        return self._name("ids:host")

    @property
    def tokens(self) -> str:
        """Counter of fencing tokens."""
        return self._name("ids:token")

    @property
    def tickets(self) -> str:
        """Counter of places in the hosts' queues."""
        return self._name("ids:ticket")

    @property
    def inquiry_ids(self) -> str:
        """Counter of inquiries."""
        return self._name("ids:inquiry")

    def inquiry(self, host_id: int) -> str:
        """String: the number of the inquiry about a host that stands now."""
        return self._name(f"inquiry:{host_id}")

    def answer(self, host_id: int, inquiry: int) -> str:
        """Stream of one message, the answer of an inquiry: all who wait for it read it."""
        return self._name(f"inquiry:{host_id}:{inquiry}")

    @property
    def index(self) -> str:
        """Sorted set: all tasks by id."""
        return self._name("tasks")

    @property
    def listed(self) -> str:
        """Sorted set of equal scores: "facet:value:task" with facet status, name or host, so each list is a range."""
        return self._name("tasks:listed")

    @property
    def creators(self) -> str:
        """Set: the names of all who have submitted a task."""
        return self._name("tasks:creators")

    @property
    def cancels(self) -> str:
        """Hash: "task:offset:attempt" of a run that is to be cancelled, to who wants it."""
        return self._name("cancels")

    @property
    def admission(self) -> str:
        """List: tasks whose hosts have not all been given their tickets, oldest first."""
        return self._name("admission")

    @property
    def holders(self) -> str:
        """Hash: host id to the task that holds it ("-": kept for the head of its queue)."""
        return self._name("holders")

    @property
    def waiting(self) -> str:
        """Sorted set of equal scores: "host:ticket:task:index", so each host's queue is a range by name."""
        return self._name("waiting")

    @property
    def ready(self) -> str:
        """Stream: what the schedulers have to hand out."""
        return self._name("ready")

    @property
    def outbox(self) -> str:
        """Stream: what others are to be told of (webhooks); whoever has told it takes it off."""
        return self._name("outbox")

    @property
    def due(self) -> str:
        """Sorted set: "task:offset:attempt" to the ms at which its dispatch or its lease runs out."""
        return self._name("due")

    @property
    def hosts(self) -> str:
        """Hash: host id to its record, JSON."""
        return self._name("hosts")

    @property
    def host_index(self) -> str:
        """Sorted set: all hosts by id."""
        return self._name("hosts:index")

    @property
    def addresses(self) -> str:
        """Hash: "address port" to the host id."""
        return self._name("hosts:addresses")

    @property
    def agents(self) -> str:
        """Hash: host id to what was last seen of its agent, JSON; and a version of all of it (`dag/registry.py`)."""
        return self._name("agents")

    @property
    def workers(self) -> str:
        """Sorted set: worker to the ms until which it is taken to be alive."""
        return self._name("workers")

    @property
    def worker_info(self) -> str:
        """Hash: worker to its zone, queues and process, JSON."""
        return self._name("workers:info")

    @property
    def shards(self) -> str:
        """Hash: shard queue to the worker that is to consume it."""
        return self._name("shards")

    @property
    def balancer(self) -> str:
        """Lock: the scheduler that spreads the shards just now."""
        return self._name("balancer")

    @property
    def disk(self) -> str:
        """Counter: written before each wait for the disk."""
        return self._name("disk")

    @property
    def partitions(self) -> str:
        """String: the number of partitions with which the deployment was created."""
        return self._name("partitions")
