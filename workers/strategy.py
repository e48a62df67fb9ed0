"""How a worker takes a node's message to a thread: Celery's own way without what Muster has no use for.

Celery lets a task name its strategy (`Task.Strategy`). Its own looks after results, chains, retries, rate limits and
dates; a node has none of these, and they cost more than all the rest. What Flower, Celery's remote control and the log
show of a node is the same: sent, received, started, succeeded or failed, and retried where its run was lost.
"""

from collections.abc import Callable, Iterator
from time import monotonic, time
from typing import Any

import orjson
from celery import Task, signals
from celery.app.trace import LOG_RECEIVED, LOG_SUCCESS, TraceInfo
from celery.exceptions import TaskRevokedError
from celery.states import FAILURE
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.request import Request

from dag.trace import Trace, parse, scope
from telemetry.span import NO_SPANS, Span, Spans
from workers.message import SENT_AT, TRACEPARENT
from workers.told import GivenUp, Refused

received_log = get_logger("celery.worker.strategy")
ended_log = get_logger("celery.app.trace")

# What is told of a run that this worker did not end; a lost one is tried again.
EVENTS: dict[type, str] = {GivenUp: "task-retried", Refused: "task-rejected"}


class NodeRequest(Request):
    """One message in this worker's hands; Celery's remote control sees it as any other request."""

    def __init__(self, message: Any, task: Task, consumer: Any, on_ack: Any, on_reject: Any) -> None:
        headers = message.headers
        self._message, self._task, self._app = message, task, task.app
        self._request_dict, self._body = headers, message.body
        self._type = self.name = headers["task"]
        self.id = self._root_id = headers["id"]
        self._parent_id = self._eta = self._expires = None
        self._argsrepr, self._kwargsrepr = headers["argsrepr"], headers["kwargsrepr"]
        self._payload = orjson.loads(message.body)
        self._args, self._kwargs, _canvas = self._payload
        self._hostname, self._eventer = consumer.hostname, consumer.event_dispatcher
        self._connection_errors = consumer.connection_errors
        self._on_ack, self._on_reject = on_ack, on_reject
        self._ignore_result, self._utc, self._decoded = True, True, True
        self._content_type, self._content_encoding = message.content_type, message.content_encoding
        self._delivery_info = message.delivery_info
        self.trace = parse(headers.get(TRACEPARENT) or "")
        # s since the epoch, by the clock of the scheduler's machine.
        self.sent_at = float(headers.get(SENT_AT) or 0)

    def execute_using_pool(self, pool: Any, **_options: Any) -> None:
        """Hand the node to a thread; TaskRevokedError where Celery's remote control has revoked it."""
        if self.id in state.revoked and self.revoked():
            raise TaskRevokedError(self.id)
        pool.apply_async(self._run, accept_callback=self.on_accepted, callback=self.on_success)

    def _run(self) -> tuple[int, Any, float]:
        """Run the node; return whether it failed, its answer or error, and the seconds that it took."""
        spans: Spans = self._task.spans
        if self.trace is None or not spans.wants(self.trace):
            with scope(self.trace):
                return self._run_step()
        attempt = self.trace.part()
        run, began_at = attempt.part(), time()
        with scope(run):
            ended = self._run_step()
        for span in self._attempt(attempt, run, began_at, ended):
            spans.tell(span)
        return ended

    def _attempt(self, attempt: Trace, run: Trace, began_at: float, ended: tuple[int, Any, float]) -> Iterator[Span]:
        """Yield the spans of an attempt: all of it from its dispatch on, its wait for this thread, its run here."""
        has_failed, answer, _seconds = ended
        now, sent_at = time(), min(self.sent_at or began_at, began_at)
        names = ("task", "subtask", "host", "attempt", "inquiry")
        attributes = {f"muster.{name}": self._kwargs[name] for name in names if self._kwargs.get(name) is not None}
        # Of what Celery tells as a repr, the word.
        told = "" if has_failed else str(answer).strip("'")
        attributes |= {"muster.worker": self._hostname, "muster.answer": told}
        fault = f"{answer.exception}" if has_failed else ""
        yield Span(attempt.part(), "queue", sent_at, began_at)
        yield Span(run, "run", began_at, now, fault=fault)
        yield Span(attempt, self.name, sent_at, now, "consumer", attributes, fault)

    def _run_step(self) -> tuple[int, Any, float]:
        began = monotonic()
        try:
            answer = self._task.run(*self._args, **self._kwargs)
        except Exception as error:
            # Celery's own words for the log.
            return 1, TraceInfo(FAILURE, error).handle_error_state(self._task, self._context), monotonic() - began
        took = monotonic() - began
        answer = answer if type(answer) in EVENTS else repr(answer)
        ended_log.info(LOG_SUCCESS, {"id": self.id, "name": self.name, "runtime": took, "return_value": answer})
        return 0, answer, took

    def on_success(self, failed__retval__runtime: tuple[int, Any, float], **options: Any) -> Any:
        """Tell what became of the node (Celery's name for the end of a run, whatever it was)."""
        has_failed, answer, _took = failed__retval__runtime
        kind = EVENTS.get(type(answer))
        if has_failed and isinstance(answer.exception, self._task.throws):
            # The reason says it all; where in Muster it was raised says nothing.
            kind, answer = "task-failed", answer.exception
        if kind is None:
            return super().on_success(failed__retval__runtime, **options)
        state.task_ready(self)
        return self.send_event(kind, exception=str(answer), traceback=None)


class NodeTask(Task):
    """A Celery task of this strategy: no results, no retries, no rate limit."""

    abstract = True
    spans: Spans = NO_SPANS
    Strategy = "workers.strategy:take_nodes"


def take_nodes(task: Task, _app: Any, consumer: Any, **_options: Any) -> Callable[..., None]:
    """Return what takes the messages of a task (Celery calls it at each connection)."""

    def take(message: Any, _body: Any, ack: Any, reject: Any, callbacks: Any) -> None:
        request = NodeRequest(message, task, consumer, ack, reject)
        with scope(request.trace):
            received_log.info(LOG_RECEIVED, {"id": request.id, "name": request.name})
        if request.id in state.revoked and request.revoked():
            return
        signals.task_received.send(sender=consumer, request=request)
        request.send_event(
            "task-received",
            name=request.name,
            args=request.argsrepr,
            kwargs=request.kwargsrepr,
            root_id=request.root_id,
            parent_id=None,
            retries=message.headers["retries"],
            eta=None,
            expires=None,
        )
        state.task_reserved(request)
        for callback in callbacks:
            callback(request)
        consumer.on_task_request(request)

    return take
