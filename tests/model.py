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
    has_ended: bool = False
    run: int = 1
    operation: str = "EXECUTE"


@dataclass
class ModelTask:
    """A task of `hosts`; `shape` has a letter a stage: h for each host, o once, w for a Wait node."""

    shape: str
    hosts: list[int]
    letters: list[str] = field(default_factory=list)
    nodes: dict[int, ModelNode] = field(default_factory=dict)
    status: str = "RUNNING"
    operation: str = "EXECUTE"
    open: int = 0
    failed: int = 0
    admitted: int = 0
    wants: int | None = None
    is_front_open: bool = True
    is_warned: bool = False

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

    def part(self, stage: int) -> list[str]:
        return self.letters[self.first(stage) : self.first(stage) + self.width(stage)]

    def left(self, stage: int) -> int:
        done = "P" if self.operation == "ROLLBACK" else "S"
        return sum(letter != done for letter in self.part(stage))

    def is_through(self, index: int) -> bool:
        """Whether nothing is left to do on a host."""
        if self.operation == "ROLLBACK":
            return self.letters[index] == "P"
        return self.shape[-1] == "h" and self.part(len(self.shape) - 1)[index] == "S"

    def front(self) -> list[int]:
        """The stages at which a rollback begins, last first: each host at its last node there that is not PENDING."""
        first = last = max((stage for stage in range(len(self.shape)) if set(self.part(stage)) != {"P"}), default=-1)
        while first > 0 and set(self.shape[first - 1 : last + 1]) == {"h"}:
            first -= 1
        return list(range(last, first - 1, -1))


@dataclass
class Model:
    """All tasks, hosts' queues, the ready stream and what is due."""

    now: int = 1_000_000
    tasks: dict[int, ModelTask] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    stream: list[Message] = field(default_factory=list)
    due: dict[Run, int] = field(default_factory=dict)
    cancels: dict[Run, str] = field(default_factory=dict)
    admission: list[int] = field(default_factory=list)
    claims: dict[str, tuple[int, str]] = field(default_factory=dict)
    outbox: list[tuple[str, int, str]] = field(default_factory=list)

    def create(self, task_id: int, shape: str, hosts: list[int], claim: tuple[str, str] | None = None) -> None:
        self.tasks[task_id] = ModelTask(shape, hosts)
        self.admission.append(task_id)
        if claim:
            self.claims[claim[0]] = (task_id, claim[1])

    def holder(self, host: int) -> int | None:
        """The task that has the host, or is about to get it."""
        holder = self.holders.get(host)
        return self.waiting[host][0][0] if holder == FREE_FOR_THE_HEAD else int(holder) if holder else None

    def create_now(self, task_id: int, shape: str, host: int) -> None:
        """A task that takes its host at once, past those that have no places yet."""
        self.tasks[task_id] = ModelTask(shape, [host], admitted=1)
        self.holders[host] = str(task_id)
        self._make_ready(task_id, self.tasks[task_id], 0, 1)

    def withdraw(self, task_id: int) -> bool:
        task = self.tasks[task_id]
        if task.letters[0] != "R" or 0 in task.nodes:
            return False
        self._fail((task_id, 0, 1))
        return True

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

    def readmit(self, most: int) -> None:
        """The same for a task that goes on: only where something is left to do; it begins once it has all of them."""
        task_id = self.admission[0]
        task = self.tasks[task_id]
        assert task.wants is not None
        front = [] if task.is_front_open else task.front()
        for index, host in list(enumerate(task.hosts))[task.admitted : task.admitted + most]:
            self._mark_front(task, front, index)
            if task.is_through(index):
                continue
            self._release_host(task_id, host)
            if host in self.holders:
                self.waiting.setdefault(host, []).append((task_id, index))
                task.wants += 1
            else:
                self.holders[host] = str(task_id)
        task.admitted = min(len(task.hosts), task.admitted + most)
        if task.admitted == len(task.hosts):
            self.admission.pop(0)
            task.is_front_open = True
            self._regain(task_id, task)
            self._end_task(task_id, by_worker=False)

    def _mark_front(self, task: ModelTask, front: list[int], index: int) -> None:
        for stage in front:
            if index < task.width(stage) and task.part(stage)[index] != "P":
                letter = task.part(stage)[index]
                if letter in "SF":
                    task.letters[task.first(stage) + index] = "W"
                    task.open += 1
                    task.failed -= letter == "F"
                return

    def _regain(self, task_id: int, task: ModelTask) -> None:
        assert task.wants is not None
        task.wants -= 1
        if task.wants:
            return
        task.wants = None
        waiting = [offset for offset, letter in enumerate(task.letters) if letter == "W"]
        task.letters = ["R" if letter == "W" else letter for letter in task.letters]
        while waiting:
            span = [offset for offset in waiting if offset < waiting[0] + NODES_A_MESSAGE]
            waiting = waiting[len(span) :]
            self._announce(task_id, span[0], span[-1] - span[0] + 1)

    def admit_waiting(self, until: int | None = None) -> None:
        while self.admission:
            head = self.admission[0]
            task = self.tasks[head]
            (self.admit if task.wants is None else self.readmit)(len(task.hosts))
            if head == until:
                return

    def _make_ready(self, task_id: int, task: ModelTask, first: int, count: int) -> None:
        if task.wants is not None:
            task.letters[first : first + count] = "W" * count
            return
        task.letters[first : first + count] = "R" * count
        self._announce(task_id, first, count)

    def _announce(self, task_id: int, first: int, count: int) -> None:
        while count > 0:
            now = min(count, NODES_A_MESSAGE)
            self.stream.append({"kind": "nodes", "task": str(task_id), "first": str(first), "count": str(now)})
            first, count = first + now, count - now

    def dispatch(self, task_id: int, first: int, count: int, within: int) -> list[tuple[int, int]]:
        task = self.tasks[task_id]
        found = []
        for offset in range(first, min(first + count, len(task.letters))):
            if task.letters[offset] == "R":
                if task.nodes.get(offset, ModelNode()).has_ended:
                    self._ask_again(task, task.nodes[offset])
                attempt = task.nodes.get(offset, ModelNode()).attempt
                self.due[(task_id, offset, attempt)] = self.now + within
                found.append((offset, attempt))
        return found

    def _ask_again(self, task: ModelTask, node: ModelNode) -> None:
        node.attempt, node.lost, node.started, node.has_ended = node.attempt + 1, 0, None, False
        node.operation = "ROLLBACK" if task.operation == "ROLLBACK" else "RETRY"
        node.run += node.operation == "RETRY"

    def is_ready(self, run: Run) -> bool:
        task_id, offset, attempt = run
        node = self.tasks[task_id].nodes.get(offset, ModelNode())
        return self.tasks[task_id].letters[offset] == "R" and node.attempt == attempt and not node.has_ended

    def begin(self, run: Run, lease: int, executor: str) -> bool:
        task_id, offset, _attempt = run
        task = self.tasks[task_id]
        is_its_own = self._holds(run, "X") and task.nodes[offset].executor == executor
        if not self.is_ready(run) and not is_its_own:
            return False
        node = task.node(offset)
        node.started, node.has_ended, node.executor = self.now, False, executor
        task.letters[offset] = "X"
        self.due[run] = self.now + lease
        return True

    def _holds(self, run: Run, letters: str) -> bool:
        task = self.tasks[run[0]]
        return task.letters[run[1]] in letters and task.nodes[run[1]].attempt == run[2]

    def may_log(self, run: Run) -> bool:
        """Whether the run may add to its log (append.lua), which changes nothing else."""
        return self._holds(run, "XC")

    def complete(self, run: Run) -> bool:
        if not self._holds(run, "X"):
            return False
        self._record_end(run, "P" if self.tasks[run[0]].operation == "ROLLBACK" else "S")
        self._pass(run[0], run[1])
        return True

    def _pass(self, task_id: int, offset: int, *, by_worker: bool = True) -> None:
        task = self.tasks[task_id]
        stage, index = task.place(offset)
        is_rollback = task.operation == "ROLLBACK"
        (self._unlock_back if is_rollback else self._unlock)(task_id, task, stage, index)
        if stage == (0 if is_rollback else len(task.shape) - 1) and task.shape[stage] == "h":
            self._release_host(task_id, task.hosts[index])
        self._end_task(task_id, by_worker=by_worker)

    def fail(self, run: Run) -> bool:
        if not self._holds(run, "XC"):
            return False
        self._fail(run)
        return True

    def _fail(self, run: Run) -> None:
        self.cancels.pop(run, None)
        self._record_end(run, "F")
        task = self.tasks[run[0]]
        task.failed += 1
        if not task.is_warned:
            task.is_warned = True
            self.outbox.append(("task.failed", run[0], task.status))
        self._end_task(run[0])

    def _record_end(self, run: Run, letter: str) -> None:
        task = self.tasks[run[0]]
        task.letters[run[1]] = letter
        task.node(run[1]).has_ended = True
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
                self._pass_wait_node(task, stage, "S", "EXECUTE")
                stage += 1
            if stage < len(task.shape):
                task.open += task.width(stage)
                self._make_ready(task_id, task, task.first(stage), task.width(stage))

    def _unlock_back(self, task_id: int, task: ModelTask, stage: int, index: int) -> None:
        if stage == 0:
            return
        if task.shape[stage - 1 : stage + 1] == "hh":
            task.open += 1
            self._make_ready(task_id, task, task.first(stage - 1) + index, 1)
        elif task.left(stage) == 0:
            stage -= 1
            while task.shape[stage] == "w":
                self._pass_wait_node(task, stage, "P", "ROLLBACK")
                stage -= 1
            task.open += task.width(stage)
            self._make_ready(task_id, task, task.first(stage), task.width(stage))

    def _pass_wait_node(self, task: ModelTask, stage: int, letter: str, operation: str) -> None:
        task.letters[task.first(stage)] = letter
        node = task.node(task.first(stage))
        node.has_ended, node.operation = True, operation

    def _release_host(self, task_id: int, host: int) -> None:
        if self.holders.get(host) != str(task_id):
            return
        if self.waiting.get(host):
            self.holders[host] = FREE_FOR_THE_HEAD
            self.stream.append({"kind": "host", "host": str(host)})
        else:
            del self.holders[host]

    def _end_task(self, task_id: int, *, by_worker: bool = True) -> None:
        task = self.tasks[task_id]
        if task.open > 0 or task.wants is not None:
            return
        task.status = "FAILED" if task.failed else "SUCCESSFUL"
        self.outbox.append(("task.ended", task_id, task.status))
        task.is_warned = False
        if task.failed or task.shape[-1] != "h" or not by_worker:
            self.stream.append({"kind": "release", "task": str(task_id)})

    def renew(self, runs: list[Run], lease: int) -> tuple[list[Run], list[Run]]:
        gone = [run for run in runs if run not in self.due]
        self.due |= {run: self.now + lease for run in runs if run in self.due}
        return gone, [run for run in runs if run in self.due and run in self.cancels]

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
        if node.attempt != attempt or letter not in "XRC":
            del self.due[run]
            return "gone"
        if letter == "R" and wait:
            self.due[run] = self.now + wait
            return "extended"
        node = task.node(offset)
        node.lost += 1
        is_stuck = letter in "XC" and self.due[run] - (node.started or 0) > longest
        if node.lost > most_lost or is_stuck or letter == "C":
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
        task = self.tasks[task_id]
        if task.wants is None:
            self._make_ready(task_id, task, index, 1)
        else:
            self._regain(task_id, task)
        return True

    def release(self, task_id: int) -> None:
        if self.tasks[task_id].status == "RUNNING":
            return
        for host in self.tasks[task_id].hosts:
            self._release_host(task_id, host)

    def _resume(self, task_id: int) -> None:
        task = self.tasks[task_id]
        task.status, task.admitted = "RUNNING", 0
        self.admission.append(task_id)

    def retry(self, task_id: int) -> bool:
        task = self.tasks[task_id]
        if task.status != "FAILED" or task.operation == "ROLLBACK":
            return False
        task.open, task.failed, task.wants, task.operation = task.failed, 0, 1, "RETRY"
        task.letters = ["W" if letter == "F" else letter for letter in task.letters]
        self._resume(task_id)
        return True

    def roll_back(self, task_id: int) -> bool:
        task = self.tasks[task_id]
        if task.status != "FAILED":
            return False
        task.wants, task.operation, task.is_front_open = 1, "ROLLBACK", False
        self._resume(task_id)
        return True

    def retry_node(self, task_id: int, offset: int) -> bool:
        task = self.tasks[task_id]
        if task.letters[offset] != "F":
            return False
        if task.status == "FAILED":
            task.wants = 1
            task.operation = "ROLLBACK" if task.operation == "ROLLBACK" else "RETRY"
            self._resume(task_id)
        task.failed -= 1
        task.open += 1
        self._make_ready(task_id, task, offset, 1)
        return True

    def skip(self, task_id: int, offset: int) -> bool:
        task = self.tasks[task_id]
        if task.letters[offset] != "F":
            return False
        has_ended, is_rollback = task.status == "FAILED", task.operation == "ROLLBACK"
        if has_ended:
            task.wants = 1
        task.node(offset).operation = "ROLLBACK_SKIP" if is_rollback else "SKIP"
        task.letters[offset] = "P" if is_rollback else "S"
        task.failed -= 1
        self._pass(task_id, offset, by_worker=False)
        if has_ended and task.open:
            self._resume(task_id)
        elif has_ended:
            task.wants = None
            if not task.failed:
                self._end_task(task_id, by_worker=False)
        return True

    def cancel(self, task_id: int, offset: int, user: str) -> bool:
        task = self.tasks[task_id]
        if task.letters[offset] != "X":
            return False
        task.letters[offset] = "C"
        task.node(offset).operation = "CANCEL"
        self.cancels[(task_id, offset, task.nodes[offset].attempt)] = user
        return True


def _runs_of(indexes: list[int]) -> list[tuple[int, int]]:
    """Neighbouring indexes as (first, count)."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and sum(found[-1]) == index:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((index, 1))
    return found
