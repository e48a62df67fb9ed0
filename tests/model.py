"""The engine's state machine in plain Python: what `dag/lua` must do, without Redis.

One method a transition, named after its script. A run is (task, offset, attempt); times are ms.
"""

from dataclasses import dataclass, field

Run = tuple[int, int, int]
Message = dict[str, str]
FREE_FOR_THE_HEAD = "-"
NODES_A_MESSAGE = 100


@dataclass
class ModelNode:
    """A node's record, as far as transitions look at it."""

    attempt: int = 1
    lost: int = 0
    started: int | None = None
    executor: str = ""


@dataclass
class ModelTask:
    """A task of `hosts`; `shape` has a letter a stage: h for each host, o once, w for a Wait node."""

    shape: str
    hosts: list[int]
    letters: list[str] = field(default_factory=list)
    nodes: dict[int, ModelNode] = field(default_factory=dict)
    status: str = "RUNNING"
    open: int = 0
    failed: int = 0
    admitted: int = 0

    def __post_init__(self) -> None:
        self.letters = ["P"] * sum(self.width(stage) for stage in range(len(self.shape)))
        self.open = len(self.hosts)

    def width(self, stage: int) -> int:
        return len(self.hosts) if self.shape[stage] == "h" else 1

    def first(self, stage: int) -> int:
        return sum(self.width(before) for before in range(stage))

    def place(self, offset: int) -> tuple[int, int]:
        stage = 0
        while offset >= self.first(stage) + self.width(stage):
            stage += 1
        return stage, offset - self.first(stage)

    def node(self, offset: int) -> ModelNode:
        return self.nodes.setdefault(offset, ModelNode())

    def left(self, stage: int) -> int:
        first = self.first(stage)
        return sum(letter != "S" for letter in self.letters[first : first + self.width(stage)])


@dataclass
class Model:
    """All tasks, hosts' queues, the ready stream and what is due."""

    now: int = 1_000_000
    tasks: dict[int, ModelTask] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    stream: list[Message] = field(default_factory=list)
    due: dict[Run, int] = field(default_factory=dict)
    admission: list[int] = field(default_factory=list)

    def create(self, task_id: int, shape: str, hosts: list[int]) -> None:
        self.tasks[task_id] = ModelTask(shape, hosts)
        self.admission.append(task_id)

    def admit(self, most: int) -> None:
        """Give at most so many hosts of the oldest unadmitted task their tickets."""
        task_id = self.admission[0]
        task = self.tasks[task_id]
        granted: list[int] = []
        for index, host in list(enumerate(task.hosts))[task.admitted : task.admitted + most]:
            if host in self.holders:
                self.waiting.setdefault(host, []).append((task_id, index))
            else:
                self.holders[host] = str(task_id)
                granted.append(index)
        task.admitted = min(len(task.hosts), task.admitted + most)
        if task.admitted == len(task.hosts):
            self.admission.pop(0)
        for first, count in _runs_of(granted):
            self._make_ready(task_id, task, first, count)

    def admit_waiting(self) -> None:
        while self.admission:
            self.admit(len(self.tasks[self.admission[0]].hosts))

    def _make_ready(self, task_id: int, task: ModelTask, first: int, count: int) -> None:
        task.letters[first : first + count] = "R" * count
        while count > 0:
            now = min(count, NODES_A_MESSAGE)
            self.stream.append({"kind": "nodes", "task": str(task_id), "first": str(first), "count": str(now)})
            first, count = first + now, count - now

    def dispatch(self, task_id: int, first: int, count: int, within: int) -> list[tuple[int, int]]:
        task = self.tasks[task_id]
        found = []
        for offset in range(first, min(first + count, len(task.letters))):
            if task.letters[offset] == "R":
                attempt = task.nodes.get(offset, ModelNode()).attempt
                self.due[(task_id, offset, attempt)] = self.now + within
                found.append((offset, attempt))
        return found

    def is_ready(self, run: Run) -> bool:
        task_id, offset, attempt = run
        task = self.tasks[task_id]
        return task.letters[offset] == "R" and task.nodes.get(offset, ModelNode()).attempt == attempt

    def begin(self, run: Run, lease: int, executor: str) -> bool:
        task_id, offset, _attempt = run
        task = self.tasks[task_id]
        is_its_own = self._holds(run) and task.nodes[offset].executor == executor
        if not self.is_ready(run) and not is_its_own:
            return False
        task.node(offset).started = self.now
        task.node(offset).executor = executor
        task.letters[offset] = "X"
        self.due[run] = self.now + lease
        return True

    def _holds(self, run: Run) -> bool:
        task = self.tasks[run[0]]
        return task.letters[run[1]] == "X" and task.nodes[run[1]].attempt == run[2]

    def complete(self, run: Run) -> bool:
        if not self._holds(run):
            return False
        task_id, offset, _attempt = run
        task = self.tasks[task_id]
        self._record_end(run, "S")
        stage, index = task.place(offset)
        self._unlock(task_id, task, stage, index)
        if stage == len(task.shape) - 1 and task.shape[stage] == "h":
            self._release_host(task_id, task.hosts[index])
        self._end_task(task_id)
        return True

    def fail(self, run: Run) -> bool:
        if not self._holds(run):
            return False
        self._fail(run)
        return True

    def _fail(self, run: Run) -> None:
        self._record_end(run, "F")
        self.tasks[run[0]].failed += 1
        self._end_task(run[0])

    def _record_end(self, run: Run, letter: str) -> None:
        task = self.tasks[run[0]]
        task.letters[run[1]] = letter
        task.open -= 1
        self.due.pop(run, None)

    def _unlock(self, task_id: int, task: ModelTask, stage: int, index: int) -> None:
        if stage + 1 == len(task.shape):
            return
        if task.shape[stage : stage + 2] == "hh":
            task.open += 1
            self._make_ready(task_id, task, task.first(stage + 1) + index, 1)
        elif task.left(stage) == 0:
            stage += 1
            while stage < len(task.shape) and task.shape[stage] == "w":
                task.letters[task.first(stage)] = "S"
                stage += 1
            if stage < len(task.shape):
                task.open += task.width(stage)
                self._make_ready(task_id, task, task.first(stage), task.width(stage))

    def _release_host(self, task_id: int, host: int) -> None:
        if self.holders.get(host) != str(task_id):
            return
        if self.waiting.get(host):
            self.holders[host] = FREE_FOR_THE_HEAD
            self.stream.append({"kind": "host", "host": str(host)})
        else:
            del self.holders[host]

    def _end_task(self, task_id: int) -> None:
        task = self.tasks[task_id]
        if task.open > 0:
            return
        task.status = "FAILED" if task.failed else "SUCCESSFUL"
        if task.failed or task.shape[-1] != "h":
            self.stream.append({"kind": "release", "task": str(task_id)})

    def renew(self, runs: list[Run], lease: int) -> list[Run]:
        gone = [run for run in runs if run not in self.due]
        self.due |= {run: self.now + lease for run in runs if run in self.due}
        return gone

    def due_runs(self) -> list[Run]:
        return [run for run, at in self.due.items() if at <= self.now]

    def give_back(self, run: Run) -> None:
        if run in self.due:
            self.due[run] = self.now

    def expire(self, run: Run, *, most_lost: int, longest: int, wait: int) -> str:
        task_id, offset, attempt = run
        if self.due.get(run, self.now + 1) > self.now:
            return "gone"
        task = self.tasks[task_id]
        letter, node = task.letters[offset], task.nodes.get(offset, ModelNode())
        if node.attempt != attempt or letter not in "XR":
            del self.due[run]
            return "gone"
        if letter == "R" and wait:
            self.due[run] = self.now + wait
            return "extended"
        node = task.node(offset)
        node.lost += 1
        is_stuck = letter == "X" and self.due[run] - (node.started or 0) > longest
        if node.lost > most_lost or is_stuck:
            self._fail(run)
            return "failed"
        del self.due[run]
        node.attempt = attempt + 1
        self._make_ready(task_id, task, offset, 1)
        return "ready"

    def grant(self, host: int) -> bool:
        if self.holders.get(host) != FREE_FOR_THE_HEAD or not self.waiting.get(host):
            return False
        task_id, index = self.waiting[host].pop(0)
        self.holders[host] = str(task_id)
        self._make_ready(task_id, self.tasks[task_id], index, 1)
        return True

    def release(self, task_id: int) -> None:
        for host in self.tasks[task_id].hosts:
            self._release_host(task_id, host)


def _runs_of(indexes: list[int]) -> list[tuple[int, int]]:
    """Neighbouring indexes as (first, count)."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and sum(found[-1]) == index:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((index, 1))
    return found
