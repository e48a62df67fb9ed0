"""Serves the app with gunicorn: one process, threads."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

GRACEFUL_SECONDS = 3


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
) -> None:
    """Answer calls until SIGTERM or SIGINT, then finish what runs within 3 s and exit the process.

    Call it in the main thread of a process that has no other threads yet (it forks one worker); `on_ready` is
    called once the port listens. Gunicorn logs warnings and errors to stderr, and no calls.
    """
    options = {
        "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
        "proc_name": "muster-api",
        "workers": 1,
        "worker_class": "gthread",
        "threads": threads,
        "timeout": timeout_seconds,
        "graceful_timeout": GRACEFUL_SECONDS,
        "keepalive": 5,
        "errorlog": "-",
        "accesslog": None,
        "loglevel": "warning",
        # On by default since gunicorn 25: a Unix socket that takes commands.
        "control_socket_disable": True,
    }
    if on_ready is not None:
        options["when_ready"] = lambda _arbiter: on_ready()
    Server(app, options).run()
