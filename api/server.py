"""Serves the app with gunicorn: one process, threads, and a time limit for each request."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from api import unreadable

GRACEFUL_SECONDS = 3
OPTIONS = {
    "proc_name": "muster-api",
    "workers": 1,
    "graceful_timeout": GRACEFUL_SECONDS,
    "keepalive": 5,
    "limit_request_line": unreadable.LINE_BYTES,
    "limit_request_field_size": unreadable.HEADER_BYTES,
    "limit_request_fields": unreadable.MOST_HEADERS,
    "errorlog": "-",
    "accesslog": None,
    "loglevel": "warning",
    # On by default since gunicorn 25: a Unix socket that takes commands.
    "control_socket_disable": True,
}

_time_left = threading.local()
_ending = threading.Event()


def is_ending() -> bool:
    """Tell whether this process has been asked to end: what lasts is to come to its end."""
    return _ending.is_set()


class TimeLimit:
    """When the request that a thread answers has to be over."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds


def extend_time(seconds: float) -> None:
    """Give the request of this thread so many seconds from now on: for answers that are streams, at each event."""
    limit: TimeLimit | None = getattr(_time_left, "limit", None)
    if limit is not None:
        limit.until = time.monotonic() + seconds


class LimitedWorker(ThreadWorker):
    """Gunicorn's threads, which by themselves let a request take for ever: its `timeout` only watches the main thread.

    A connection whose request has taken too long, be it in reading it, in working or in writing the answer, is shut
    down: a thread that waits for the client goes on at once, one that works finds out when it answers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits: dict[TConn, TimeLimit] = {}
        self._limits_lock = threading.Lock()
        self._turned_at = time.monotonic()

    @property
    def turned_at(self) -> float:
        """When its main thread, which takes connections, last was there (s, monotonic); it is once a second."""
        return self._turned_at

    def handle(self, conn: TConn) -> Any:
        """Answer one request of the connection, in a thread of the pool."""
        limit = _time_left.limit = TimeLimit(self.cfg.timeout)
        with self._limits_lock:
            self._limits[conn] = limit
        try:
            return super().handle(conn)
        finally:
            with self._limits_lock:
                del self._limits[conn]
            _time_left.limit = None

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what can't be read as HTTP, and close the connection."""
        # What the app itself has answered so is its own mistake.
        if not isinstance(exc, ParseException) or isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName):
            super().handle_error(req, client, addr, exc)
            return
        with suppress(OSError):
            client.sendall(unreadable.answer(self.wsgi, exc, addr[0] if addr else ""))

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop (SIGTERM): finish what runs; streams end by themselves."""
        _ending.set()
        super().handle_exit(sig, frame)

    def notify(self) -> None:
        """Tell the arbiter that this process lives; called by the main thread at least once a second."""
        super().notify()
        now = self._turned_at = time.monotonic()
        with self._limits_lock:
            for conn in [conn for conn, limit in self._limits.items() if limit.until < now]:
                # It may be closed already. The thread that answers it takes it off the list.
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)


class Server(BaseApplication):
    """Gunicorn with these options only: no command line, no GUNICORN_CMD_ARGS, no gunicorn.conf.py."""

    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app, self._options = app, options
        super().__init__()

    def load_config(self) -> None:
        """Take over the options that this release of gunicorn knows."""
        for name, value in self._options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """Return the app."""
        return self._app


def serve(
    app: Flask,
    host: str,
    port: int,
    threads: int = 16,
    *,
    timeout_seconds: int = 60,
    on_ready: Callable[[], None] | None = None,
    on_start: Callable[[LimitedWorker], None] | None = None,
) -> None:
    """Answer calls until SIGTERM or SIGINT, then finish what runs within 3 s and exit the process.

    Call it in the main thread of a process that has no other threads yet (it forks one worker); `on_ready` is
    called once the port listens, `on_start` in the process that answers (it may start threads). Gunicorn logs warnings
    and errors to stderr, and no calls. A request that takes longer than `timeout_seconds` loses its connection within a
    second.
    """
    options: dict[str, Any] = {
        **OPTIONS,
        "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
        "worker_class": LimitedWorker,
        "threads": threads,
        "timeout": timeout_seconds,
    }
    if on_ready is not None:
        options["when_ready"] = lambda _arbiter: on_ready()
    if on_start is not None:
        options["post_worker_init"] = on_start
    Server(app, options).run()
