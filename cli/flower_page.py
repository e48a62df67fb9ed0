"""Flower's pages that Muster makes its own: all shard queues, nothing without the password, links to the console."""

import html
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView
from flower.views.monitor import Metrics
from flower.views.tasks import TasksView, TaskView
from flower.views.workers import WorkerView
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler, authenticated

from cli.flower_row import run_of
from dag.error import StoreUnavailable
from dag.roster import Roster
from dag.shard import shards
from workers.name import zone_of

# Before this row of the page of a task; where a later Flower has no such row, there is no link.
BEFORE = b'<div class="detail-row task-data-row">'
# On a phone Flower cuts UUIDs, of which ours are short, and what it says below a table, and breaks the names of queues;
# lines between tasks are black.
STYLE = b"""<style>
.task-uuid-full { display: inline }
.task-uuid-short { display: none }
.tasks-page .dt-footer .dataTables_info { white-space: normal }
#tasks-table td { border-color: var(--bs-border-color) }
#queue-table td:first-child { white-space: nowrap }
@media (max-width: 480px) { #queue-table :is(td, th) { padding-inline: .5rem } }
</style>"""


def console_path(uuid: str, kwargs: str | None) -> str | None:
    """Return the console's path of the node that a row is about; None where it is about none (a look at a host)."""
    run = run_of(uuid, kwargs)
    return f"/console/tasks/{run.task_id}/subtasks/{run.subtask_id}" if run else None


class _Styled:
    """A page of Flower with a few more lines of style."""

    def render_string(self, template_name: str, **names: Any) -> bytes:
        """Return the page; see Tornado."""
        parent: Any = super()
        page: bytes = parent.render_string(template_name, **names)
        return page.replace(b"</head>", STYLE + b"</head>", 1)


class TasksPage(_Styled, TasksView):
    """The list of rows."""


class WorkerPage(_Styled, WorkerView):
    """All of one worker, as it is now; Flower's own shows what it was at the last visit, and asks for the next."""

    @authenticated
    async def get(self, name: str) -> None:
        """Answer once the worker has; see Flower."""
        await self.application.update_workers(workername=name)
        await super().get(name)


class NodePage(TaskView):
    """The page of one row, with a link to its node in the console."""

    def render_string(self, template_name: str, **names: Any) -> bytes:
        """Return the page; see Tornado."""
        page: bytes = super().render_string(template_name, **names)
        row = names.get("task")
        path = console_path(row.uuid, row.kwargs) if row else None
        if not path:
            return page
        url = html.escape(f"{self.application.settings['console_url']}{path}")
        link = f'<div class="detail-row task-data-row"><dt>Node</dt><dd><a href="{url}">{url}</a></dd></div>'
        return page.replace(BEFORE, link.encode() + BEFORE, 1)


class _Shards:
    """In place of the queues that Flower once heard of from workers: those move, and one without a worker matters."""

    application: Any

    def get_active_queue_names(self) -> list[str]:
        """Return the shard queues of all zones that have had a worker, or a message."""
        state = self.application.events.state
        zones = {"default", *map(zone_of, state.workers), *state.zones}
        return sorted(name for zone in zones for name in shards(zone, self.application.settings["shards_per_zone"]))


class _Queues:
    """Flower's view of a broker, with what Redis does not tell of a queue: who consumes it.

    All that stands in a list is ready; so the length is also in the column that a phone shows.
    """

    def __init__(self, broker: Any, roster: Roster) -> None:
        self._broker, self._roster = broker, roster

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return of each queue its name, how many messages stand there, and how many live workers take from it."""
        found: list[dict[str, Any]] = await self._broker.queues(names)
        consumers = await IOLoop.current().run_in_executor(None, self._consumers)
        # Other brokers tell both.
        return [
            {"messages_ready": queue.get("messages"), "consumers": consumers(queue["name"]), **queue} for queue in found
        ]

    def _consumers(self) -> Callable[[str], int | None]:
        try:
            workers = self._roster.alive()
        except StoreUnavailable:
            return lambda _queue: None
        return Counter(queue for worker in workers for queue in worker.queues).__getitem__


class BrokerPage(_Styled, _Shards, BrokerView):
    """How many messages stand in each queue."""

    def get_broker(self) -> _Queues:
        """Return what `get` asks; see Flower."""
        return _Queues(super().get_broker(), self.application.settings["roster"])


class QueueLengths(_Shards, GetQueueLengths):
    """The same as JSON."""


class ClosedMetrics(Metrics):
    """Flower's metrics, which name workers and actions, behind its password."""

    get = authenticated(Metrics.get)


HANDLERS: list[tuple[str, type[RequestHandler]]] = [
    (r"/task/(.+)", NodePage),
    (r"/tasks", TasksPage),
    (r"/worker/(.+)", WorkerPage),
    (r"/broker", BrokerPage),
    (r"/api/queues/length", QueueLengths),
    (r"/metrics", ClosedMetrics),
]
