"""Calls an API in a closed loop, from a process of its own: a connection that is kept, the next call after the answer.

Calls stand on stdin, one JSON object a line: {"name", "url", "method", "body" or null, "headers", "times"}. A body that
is a list is several, one after the other. For each call a line of JSON is printed: {"name", "first_ms", "whole_ms",
"bytes"}: a list of the times to the answer's head, one of those to its end, and the size of the last answer.
"""

import http.client
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 120


def main() -> None:
    """Make the calls in their order."""
    for line in sys.stdin:
        call = json.loads(line)
        connection = http.client.HTTPConnection(urlsplit(call["url"]).netloc, timeout=TIMEOUT_SECONDS)
        # Connecting belongs to no call.
        connection.connect()
        print(json.dumps({"name": call["name"], **_repeat(connection, call)}), flush=True)
        connection.close()


def _repeat(connection: http.client.HTTPConnection, call: dict[str, Any]) -> dict[str, Any]:
    bodies = call["body"] if isinstance(call["body"], list) else [call["body"]]
    parts = urlsplit(call["url"])
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    first, whole, size = [], [], 0
    for number in range(call["times"]):
        began = time.perf_counter()
        connection.request(call["method"], target, bodies[number % len(bodies)], call["headers"])
        answer = connection.getresponse()
        first.append((time.perf_counter() - began) * 1000)
        size = len(answer.read())
        whole.append((time.perf_counter() - began) * 1000)
        if answer.status not in (200, 304):
            raise SystemExit(f"{call['name']}: {answer.status} of {call['url']}")
    return {"first_ms": first, "whole_ms": whole, "bytes": size}


if __name__ == "__main__":
    main()
