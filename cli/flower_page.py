"""Flower's pages that Muster makes its own: all shard queues, nothing without the password, links to the console."""

import html
import re
from collections.abc import Iterable
from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView
from flower.views.monitor import Metrics
from flower.views.tasks import TaskView
from tornado.web import RequestHandler, authenticated

from dag.shard import shards
from workers.name import zone_of

NODE = re.compile(r"(\d+)-\d+")
TASK = re.compile(r"'task': (\d+)")
# Before this row of the page of a task; where a later Flower has no such row, there is no link.
BEFORE = b'<div class="detail-row task-data-row">'


def console_path(uuid: str, kwargs: str | None) -> str | None:
    """Return the console's path of the node that a row is about; None where it is about none (a look at a host)."""
    node, task = NODE.fullmatch(uuid), TASK.search(kwargs or "")
    return f"/console/tasks/{task[1]}/subtasks/{node[1]}" if node and task else None


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


class _Lists:
    """Flower's view of a broker, with the column that a phone shows: what stands in a list of Redis is ready."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return each queue's name and how many messages stand there."""
        found: list[dict[str, Any]] = await self._broker.queues(names)
        return [{"messages_ready": queue.get("messages"), **queue} for queue in found]


class BrokerPage(_Shards, BrokerView):
    """How many messages stand in each queue."""

    def get_broker(self) -> _Lists:
        """Return what `get` asks; see Flower."""
        return _Lists(super().get_broker())


class QueueLengths(_Shards, GetQueueLengths):
    """The same as JSON."""


class ClosedMetrics(Metrics):
    """Flower's metrics, which name workers and actions, behind its password."""

    get = authenticated(Metrics.get)


HANDLERS: list[tuple[str, type[RequestHandler]]] = [
    (r"/task/(.+)", NodePage),
    (r"/broker", BrokerPage),
    (r"/api/queues/length", QueueLengths),
    (r"/metrics", ClosedMetrics),
]
