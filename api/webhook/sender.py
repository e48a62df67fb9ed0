"""Sends one message: a POST that follows no redirect, uses no proxy, and is over in time."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpcore
from werkzeug.http import parse_date

from api.webhook.guard import GuardedBackend, Network

LONGEST_ANSWER = 512
# Answers with which a receiver may say when to come again.
SLOW_DOWN = (429, 503)
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True)
class Outcome:
    """What an attempt met: a response's code and the beginning of its body, or an error in words without the URL.

    `wait_seconds` is how long the receiver asks to be left alone; 0: it does not.
    """

    code: int | None = None
    answer: str = ""
    error: str = ""
    wait_seconds: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Tell whether the receiver has taken it (2xx)."""
        return self.code is not None and 200 <= self.code < 300


def asked_wait(status: int, headers: Sequence[tuple[bytes, bytes]]) -> float:
    """Return the seconds until the Retry-After (seconds or a date) of a 429 or 503, 0 where there is none."""
    found = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    text = found.decode("latin-1").strip()
    if status not in SLOW_DOWN or not text:
        return 0.0
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    date = parse_date(text)
    return max(0.0, date.timestamp() - time.time()) if date else 0.0


def send(url: str, headers: dict[str, str], body: bytes, *, seconds: float, denied: Sequence[Network]) -> Outcome:
    """POST the body and return what came of it."""
    backend = GuardedBackend(denied, seconds)
    limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    told = [("content-type", "application/json"), ("user-agent", "muster"), *headers.items()]
    try:
        with (
            httpcore.ConnectionPool(network_backend=backend, retries=0) as pool,
            pool.stream("POST", url, headers=told, content=body, extensions={"timeout": limits}) as response,
        ):
            answer = b""
            for part in response.iter_stream():
                answer += part
                if len(answer) >= LONGEST_ANSWER:
                    break
            text = answer[:LONGEST_ANSWER].decode(errors="replace")
            error = "" if 200 <= response.status < 300 else f"HTTP status {response.status}"
            return Outcome(response.status, text, error, asked_wait(response.status, response.headers))
    except httpcore.TimeoutException:
        return Outcome(error=f"no answer within {seconds:g} s")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as fault:
        return Outcome(error=(_ERRNO.sub("", str(fault)) or type(fault).__name__)[:200])
