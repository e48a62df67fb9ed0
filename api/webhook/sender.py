"""Sends one message: a POST that follows no redirect, uses no proxy, and is over in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpcore

from api.webhook.guard import GuardedBackend, Network

LONGEST_ANSWER = 512


@dataclass(frozen=True)
class Outcome:
    """What an attempt met: a response's code and the beginning of its body, or an error in words without the URL."""

    code: int | None = None
    answer: str = ""
    error: str = ""

    @property
    def is_delivered(self) -> bool:
        """Tell whether the receiver has taken it (2xx)."""
        return self.code is not None and 200 <= self.code < 300


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
            return Outcome(response.status, text, error)
    except httpcore.TimeoutException:
        return Outcome(error=f"no answer within {seconds:g} s")
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as fault:
        return Outcome(error=f"{type(fault).__name__}: {fault}"[:200])
