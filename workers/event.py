"""Celery's events, which Flower lives on, in larger batches than Celery makes.

Celery sends what it has at each turn of its loop: under load two events at a time, each batch a PUBLISH of its own.
"""

from typing import Any

import orjson
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from kombu.serialization import register
from kombu.utils.json import loads

SERIALIZER = "orjson"
# An event is at most so old when it is sent, and so many go at once.
FLUSH_SECONDS = 0.1
MOST_AT_ONCE = 200

# Written by orjson; what is read stays kombu's, which knows types that JSON has not.
register(SERIALIZER, orjson.dumps, loads, content_type="application/json", content_encoding="utf-8")


class BatchingDispatcher(EventDispatcher):
    """Sends buffered events `FLUSH_SECONDS` after the first of them, or when there are `MOST_AT_ONCE`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Celery's worker asks for a flush at each turn of its loop; a producer has no loop and flushes by itself.
        if asked := options.get("on_send_buffered"):
            # The consumer's own: kombu's get_event_loop() knows none any more once a broker was lost.
            self._hub = asked.__self__.hub
            options["on_send_buffered"] = self._flush_later
        super().__init__(*arguments, **options)
        self.buffer_limit = MOST_AT_ONCE
        self._is_flush_due = False

    def _flush_later(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            # Timers belong to the loop's thread; this is called by those that run nodes.
            self._hub.call_soon(self._hub.call_later, FLUSH_SECONDS, self._flush_due)

    def _flush_due(self) -> None:
        self._is_flush_due = False
        self.flush()


class BatchingEvents(Events):
    """Celery's `app.events` with that dispatcher."""

    dispatcher_cls = BatchingDispatcher
