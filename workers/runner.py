"""Runs one node: begin, act on the host, report. One outcome, one match."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Protocol, TypeVar

from dag.error import StoreUnavailable, UnknownHosts
from dag.host import Agent, Host
from dag.lease import Begun, Leases, Report, Run
from dag.registry import HostRegistry, read_host
from dag.state import Operation
from telemetry.worker import WorkerMetrics
from workers.action.action import Action, ActionRequest, ActionResult
from workers.held import HeldRuns
from workers.live_log import LiveLogs
from workers.profile.profile import ProfileError, profile_of
from workers.remote.error import RemoteCancelled, RemoteError
from workers.remote.session import UNHEARD, Completed, Listener
from workers.run_log import RunLog
from workers.sighting import missed, reached, seen
from workers.told import GivenUp, Refused

log = logging.getLogger(__name__)

T = TypeVar("T")


class StepFailed(Exception):
    """A node failed; the reason is in its log, and Flower shows it."""


@dataclass(frozen=True)
class Succeeded:
    """The action has seen its effect."""

    report: Report


@dataclass(frozen=True)
class Failed:
    """The action, or the way to the host, failed."""

    reason: str
    report: Report


@dataclass(frozen=True)
class Lost:
    """The run is not this worker's any more; whoever has it reports."""

    reason: str


Outcome = Succeeded | Failed | Lost
OUTCOMES: Mapping[type[Outcome], str] = {Succeeded: "successful", Failed: "failed", Lost: "lost"}

CANCELLED = "The run was cancelled; what ran on the host was ended."


class RemoteExecutor(Protocol):
    """Runs a script on a host."""

    def run(
        self,
        host: Host,
        script: str,
        *,
        run_as: str = "",
        timeout_seconds: float,
        cancelled: Event,
        listener: Listener = UNHEARD,
    ) -> Completed:
        """Return what the script printed and its exit code; RemoteError where it could not be run to its end."""


@dataclass(frozen=True)
class Step:
    """A message's content: which run, which action, how long at most."""

    run: Run
    action: str
    timeout_seconds: int
    trace_id: str = ""


@dataclass(frozen=True)
class Runner:
    """Runs nodes in this worker process; used by all its threads at once."""

    leases: Leases
    hosts: HostRegistry
    executor: RemoteExecutor
    actions: Mapping[str, Action]
    undos: Mapping[str, Action]
    held: HeldRuns
    name: str
    profile_dir: Path | None = None
    wait: Callable[[float], None] = field(default=time.sleep)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    live: LiveLogs = field(default_factory=LiveLogs)

    def run(self, step: Step) -> str:
        """Run a node to its end and return what became of it.

        Raises:
            StepFailed: it failed; the store knows.
        """
        with self.held.holding(step.run, timeout_seconds=step.timeout_seconds) as cancelled:
            if cancelled is None:
                self.metrics.refused("doubled")
                return Refused("refused: this worker is at it")
            begun = self._insist(step.run, lambda: self.leases.begin(step.run, self.name), cancelled)
            if begun is None:
                self.metrics.refused("stale")
                return Refused("refused: not the newest attempt, or not READY")
            began = time.monotonic()
            outcome = self._outcome(step, begun, cancelled)
            self.metrics.ended(step.action, OUTCOMES[type(outcome)], time.monotonic() - began)
            return self._report(step, outcome)

    def _insist(self, run: Run, ask: Callable[[], T], cancelled: Event | None = None) -> T:
        # A Redis that is on its way back is waited for. Before the action for no longer than its lease: the message is
        # ours, and would be missed only later. After it without end: what was done on a host is not thrown away, and
        # the script refuses it should the attempt no longer stand.
        while True:
            try:
                return ask()
            except StoreUnavailable as error:
                if cancelled and cancelled.is_set():
                    raise
                log.warning("run %s waits for Redis: %s", run.name, error)
                self.wait(0.5)

    def _report(self, step: Step, outcome: Outcome) -> str:
        match outcome:
            case Succeeded(report):
                if self._insist(step.run, lambda: self.leases.complete(step.run, report)):
                    return "succeeded"
                # Cancelled at its last moment: the contract has CANCELING lead to FAILED, and the log tells the rest.
                if self._insist(step.run, lambda: self.leases.fail(step.run, report)):
                    raise StepFailed(CANCELLED)
                self.metrics.refused("superseded")
                return GivenUp("succeeded, but another attempt holds the node")
            case Failed(reason, report):
                if self._insist(step.run, lambda: self.leases.fail(step.run, report)):
                    raise StepFailed(reason)
                self.metrics.refused("superseded")
                return GivenUp(f"{reason} But another attempt holds the node.")
            case Lost(reason):
                self._give_back(step.run)
                return GivenUp(f"given up: {reason}")

    def _give_back(self, run: Run) -> None:
        try:
            self.leases.give_back(run)
        except StoreUnavailable as error:
            log.warning("run %s is left to its lease: %s", run.name, error)

    def _outcome(self, step: Step, begun: Begun, cancelled: Event) -> Outcome:
        head = {"trace": step.trace_id, "worker": self.name, "attempt": step.run.attempt, "action": step.action}
        run_log = RunLog(step.run, begun.token, begun.operation, datetime.now(UTC), head)
        try:
            return self._execute(step, begun, cancelled, run_log)
        except RemoteCancelled as error:
            if self.held.is_asked_to_end(step.run):
                # The store adds to the log who wanted it.
                return Failed(CANCELLED, Report(run_log.text(None, str(error), error.output)))
            return Lost(str(error))
        except StoreUnavailable as error:
            return Lost(str(error))
        except RemoteError as error:
            if self.held.is_expiring(step.run):
                # After a pause a timeout says nothing about the host, and the node may be another's by now.
                return Lost(f"its lease was about to end ({error})")
            found, unreachable = run_log.text(None, str(error), error.output), error
            agent = self._insist(step.run, lambda: missed(self.hosts, step.run.host_id or 0, unreachable))
            return Failed(str(error), Report(found, agent=agent))
        except (UnknownHosts, ProfileError, StepFailed) as error:
            return Failed(str(error), Report(run_log.text(None, str(error))))
        except Exception as error:
            # A fault of Muster itself must not leave the node RUNNING until its lease has run out three times.
            log.exception("run %s", step.run.name)
            reason = f"Unexpected {type(error).__name__}; the log of worker {self.name} has more."
            return Failed(reason, Report(run_log.text(None, reason)))

    def _execute(self, step: Step, begun: Begun, cancelled: Event, run_log: RunLog) -> Outcome:
        if not begun.host:
            raise UnknownHosts([step.run.host_id or 0])
        request, action = self._request(step, begun, read_host(begun.host))
        script = action.build(request)
        if not script:
            # Nothing to do there, so the host need not even answer.
            return self._judge(step, begun, run_log, None, action.read(Completed(0, "", 0.0), request))
        with self.live.showing(run_log):
            done = self.executor.run(
                request.host,
                script,
                run_as=request.profile.run_as,
                timeout_seconds=step.timeout_seconds,
                cancelled=cancelled,
                listener=run_log,
            )
        return self._judge(step, begun, run_log, done, action.read(done, request))

    def _request(self, step: Step, begun: Begun, host: Host) -> tuple[ActionRequest, Action]:
        profile = profile_of(host, self.profile_dir)
        # Its lease is the longest time for which a worker may be silent and still hold the node.
        silence = math.ceil(self.leases.lease_seconds)
        request = ActionRequest(
            host,
            profile,
            begun.facts,
            begun.token,
            step.timeout_seconds,
            action=step.action,
            silence_seconds=silence,
            parameters=begun.parameters,
        )
        return request, self._action(step, begun)

    def _action(self, step: Step, begun: Begun) -> Action:
        if begun.operation is not Operation.ROLLBACK:
            return self.actions[step.action]
        if step.action not in self.undos:
            raise StepFailed(f"{step.action} can't be undone.")
        return self.undos[step.action]

    def _judge(
        self, step: Step, begun: Begun, run_log: RunLog, done: Completed | None, result: ActionResult
    ) -> Outcome:
        if result.fenced:
            self.metrics.refused("fenced")
            return Lost("a newer attempt is at work on the host")
        if result.unheard:
            # This process was paused, or cut off from the host for a while: the next attempt makes up for it.
            return Lost(result.reason)
        agent = self._insist(step.run, lambda: self._sight(step.run, result))
        report = Report(run_log.text(done, result.reason), {**begun.facts, **result.facts}, agent)
        return Succeeded(report) if result.ok else Failed(result.reason, report)

    def _sight(self, run: Run, result: ActionResult) -> Agent | None:
        if result.agent:
            return seen(self.hosts, run.host_id or 0, result.agent, run.task_id)
        # A step that succeeds is followed by one that tells more.
        return None if result.ok else reached(self.hosts, run.host_id or 0)
