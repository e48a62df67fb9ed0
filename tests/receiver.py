"""A receiver of webhooks: a real HTTP server in a thread, which keeps what it gets and answers as it is told."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/webhooks.md"


def documented_verify() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function that docs/webhooks.md gives to receivers."""
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[[str, dict[str, str], bytes], bool] = names["verify"]
    return found


@dataclass(frozen=True)
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


class Receiver:
    """Listens on a port of its own, or on this one; `answer` gives each request's status, and may wait.

    `headers` are those of the answers to come; `times` when each request came (monotonic).
    """

    def __init__(self, port: int = 0, answer: Callable[[Received], int] = lambda _received: 204) -> None:
        self.got: list[Received] = []
        self.times: list[float] = []
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received = Received({name.lower(): value for name, value in self.headers.items()}, body)
                receiver.times.append(time.monotonic())
                receiver.got.append(received)
                self.send_response(answer(received))
                self.send_header("location", "/elsewhere")
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def said(self, kind: str) -> list[Received]:
        return [one for one in self.got if one.said["type"] == kind]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
