"""Where a process tells how it is: `/metrics` for Prometheus, `/healthz` and `/readyz`, on a port of its own.

Not on the API's port: who reads there has to be known to Redis, and when Redis is away one wants to read most.
"""

import errno
import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from config.settings import MetricsSettings
from telemetry.health import Examination, Health

log = logging.getLogger(__name__)

# Of several processes of a kind on one machine each takes the next free port, so many at most.
PORTS = 20
# A reader who is slower than that is cut off.
READER_SECONDS = 10.0


class _Handler(BaseHTTPRequestHandler):
    """One request; it reads no body, and each answer closes the connection."""

    server: "Listener"
    server_version, sys_version = "Muster", ""
    timeout = READER_SECONDS

    def do_GET(self) -> None:
        """Answer; called by http.server under this name."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._tell_metrics()
        elif path == "/healthz":
            self._tell_health(self.server.alive)
        elif path == "/readyz":
            self._tell_health(self.server.ready)
        else:
            self._answer(404, "text/plain", b"There are /metrics, /healthz and /readyz.\n")

    def _tell_metrics(self) -> None:
        wanted = f"Bearer {self.server.token}" if self.server.token else ""
        given = self.headers.get("Authorization", "")
        if wanted and not hmac.compare_digest(wanted.encode(), given.encode("latin-1", "replace")):
            self._answer(401, "text/plain", b"metrics.token is needed (Bearer).\n", ("WWW-Authenticate", "Bearer"))
            return
        encode, media_type = choose_encoder(self.headers.get("Accept", ""))
        self._answer(200, media_type, encode(self.server.registry))

    def _tell_health(self, examination: Examination) -> None:
        is_well, told = examination.examine()
        self._answer(200 if is_well else 503, "application/json", json.dumps(told).encode() + b"\n")

    def _answer(self, status: int, media_type: str, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", media_type), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


class Listener(ThreadingHTTPServer):
    """Listens on `host` and `port` (0: any free one) as soon as it is made; OSError where it can't."""

    daemon_threads = True

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health, token: str = "") -> None:
        self.registry, self.token = registry, token
        self.alive, self.ready = Examination(health.alive), Examination(health.ready)
        # What the base class reads of itself.
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        # Not serve_forever, which looks twice a second whether it is to end.
        while not self._stopping:
            self.handle_request()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a fault; a reader that went away is none."""
        log.debug("an answer of /metrics, /healthz or /readyz was not taken", exc_info=True)

    def stop(self) -> None:
        """Close the port."""
        self._stopping = True
        # Wakes the thread that waits for the next request.
        self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.server_close()


def listen(settings: MetricsSettings, port: int, registry: CollectorRegistry, health: Health) -> Listener | None:
    """Listen on the port, or where it is taken on the next free one; None where it is not wanted or can't be had.

    That nobody can watch a process is no reason for it not to work: it is logged and that is all.
    """
    if not settings.host:
        return None

    def open_at(at: int) -> Listener:
        return Listener(settings.host, at, registry, health, settings.token)

    try:
        found = _first_free(port, open_at)
    except OSError as error:
        log.error("metrics and health can't be served on %s port %s: %s", settings.host, port, error.strerror)
        return None
    log.info("metrics and health are at %s", found.url)
    return found


def _first_free(port: int, open_at: Callable[[int], Listener]) -> Listener:
    for at in range(port, port + PORTS if port else 1):
        try:
            return open_at(at)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return open_at(0)
