"""Submits tasks through the APIs over HTTP and looks at them, as a caller does who does not give up."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import httpx

from tests.chaos.cluster import CALL_SECONDS
from tests.chaos.keeper import USER
from tests.chaos.plan import Submission

SUBMIT = "/api/v2/compute/hosts/batchRestartAgents"
READ = "/api/v2/tasks/instances"
BETWEEN_CALLS_SECONDS = 0.2

Hosts = tuple[int, ...]


@dataclass
class Calls:
    """What was asked for: `acknowledged` tasks by id, and the submissions whose answer was lost or was no 200.

    `reads` of acknowledged tasks were answered; each that said "no such task" has a sentence in `denied`.
    """

    acknowledged: dict[int, Hosts] = field(default_factory=dict)
    unanswered: list[Hosts] = field(default_factory=list)
    reads: int = 0
    denied: list[str] = field(default_factory=list)


class Workload(threading.Thread):
    """Keeps tasks under way: submits the next one whenever `is_wanted` says so, until `stop`."""

    def __init__(
        self,
        apis: Sequence[str],
        password: str,
        host_ids: Sequence[int],
        submissions: Iterator[Submission],
        is_wanted: Callable[[Calls], bool],
    ) -> None:
        super().__init__(name="workload", daemon=True)
        self._apis, self._host_ids, self._submissions, self._is_wanted = apis, host_ids, submissions, is_wanted
        self._http = httpx.Client(auth=(USER, password), timeout=CALL_SECONDS, trust_env=False)
        self._stopping = threading.Event()
        self._turn = 0
        self.calls = Calls()

    def run(self) -> None:
        """Submit until `stop`."""
        while not self._stopping.wait(BETWEEN_CALLS_SECONDS):
            if self._is_wanted(self.calls):
                self._submit(next(self._submissions))
            else:
                self._read()

    def stop(self) -> None:
        """End after the call that is under way; a submission that no API has acknowledged is given up."""
        self._stopping.set()
        self.join()
        self._http.close()

    def _submit(self, submission: Submission) -> None:
        """Ask one API after the other until one acknowledges."""
        hosts = tuple(self._host_ids[place] for place in submission.places)
        number = submission.api
        while not self._stopping.is_set():
            if self._ask(self._apis[number % len(self._apis)], hosts):
                return
            number += 1
            time.sleep(BETWEEN_CALLS_SECONDS)

    def _read(self) -> None:
        """Look at the newest acknowledged task through the one API, the next time through the other."""
        self._turn += 1
        task_id = max(self.calls.acknowledged, default=None)
        if task_id is None:
            return
        try:
            answer = self._http.get(f"{self._apis[self._turn % len(self._apis)]}{READ}/{task_id}")
        except httpx.TransportError:
            return
        self.calls.reads += answer.is_success
        if answer.status_code == httpx.codes.NOT_FOUND:
            self.calls.denied.append(f"task {task_id} was acknowledged and an API says that it does not exist")

    def _ask(self, api: str, hosts: Hosts) -> bool:
        try:
            answer = self._http.post(f"{api}{SUBMIT}", json={"hostIds": list(hosts)})
        except httpx.ConnectError:
            return False  # nobody was there to take it
        except httpx.TransportError:
            self.calls.unanswered.append(hosts)
            return False
        if answer.status_code != httpx.codes.OK:
            self.calls.unanswered.append(hosts)
            return False
        self.calls.acknowledged[int(answer.json()["data"]["id"])] = hosts
        return True
