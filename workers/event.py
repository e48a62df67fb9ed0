"""Celery's events, which Flower lives on, in larger batches than Celery makes.

Celery sends what it has at each turn of its loop: under load two events at a time, each batch a PUBLISH of its own.
"""

from typing import Any

import orjson
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from kombu.asynchronous.hub import get_event_loop
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
        if options.get("on_send_buffered"):
            options["on_send_buffered"] = self._flush_later
        super().__init__(*arguments, **options)
        self.buffer_limit = MOST_AT_ONCE
        self._is_flush_due = False

    def _flush_later(self) -> None:
        hub = get_event_loop()
        if hub and not self._is_flush_due:
            self._is_flush_due = True
            # Timers belong to the loop's thread; this is called by those that run nodes.
            hub.call_soon(hub.call_later, FLUSH_SECONDS, self._flush_due)

    def _flush_due(self) -> None:
        self._is_flush_due = False
        self.flush()


class BatchingEvents(Events):
    """Celery's `app.events` with that dispatcher."""

    dispatcher_cls = BatchingDispatcher
