"""The trace that work belongs to: which call of the API it follows from, in whatever process it is done.

Named and written as the W3C's "Trace Context" has it: `traceparent` is `00-<trace id>-<span id>-<flags>`, all hex. A
call opens a span of its own in the trace that its caller names, or in a new one; its task and each message have it.
"""

import re
import secrets
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache

SAMPLED = 1
# Later versions may add fields behind these four; version 00 has no more.
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SHORT = 16


@dataclass(frozen=True, slots=True)
class Trace:
    """A span of a trace: ids of 32 and 16 hex digits, whether somebody records it, and the span of which it is part."""

    trace_id: str
    span_id: str
    is_sampled: bool = False
    parent_id: str = field(default="", compare=False)

    @property
    def short_id(self) -> str:
        """The trace id as the contract's `traceId` has room for it: its last 16 digits."""
        return self.trace_id[-_SHORT:]

    @property
    def parent(self) -> str:
        """The `traceparent` of what this span causes."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"

    def part(self) -> "Trace":
        """Return a new span that is part of this one."""
        return Trace(self.trace_id, secrets.token_hex(8), self.is_sampled, self.span_id)


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def read(traceparent: str) -> Trace | None:
    """Return the span that a caller names; None where it is malformed, which is to be ignored (W3C, 3.2.2)."""
    found = _PARENT.fullmatch(traceparent)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5] is not None):
        return None
    if not found[2].strip("0") or not found[3].strip("0"):
        return None
    return Trace(found[2], found[3], bool(int(found[4], 16) & SAMPLED))


# For what we have written ourselves: all nodes of a task come with the same one.
parse = lru_cache(maxsize=1024)(read)


def begin(traceparent: str = "", ratio: float = 0.0) -> Trace:
    """Return a new span: in the trace of the caller where it names one, else in a new trace.

    Whether a trace is recorded is its caller's to say; of new ones it is this share (0 to 1).
    """
    caller = read(traceparent)
    if caller is not None:
        return caller.part()
    trace_id = secrets.token_hex(16)
    return Trace(trace_id, secrets.token_hex(8), int(trace_id[-_SHORT:], 16) < ratio * 2**64)


def current() -> Trace | None:
    """Return what this thread works for now."""
    return _current.get()


def current_id() -> str:
    """Return the id of the trace for which this thread works now, "" where there is none."""
    trace = _current.get()
    return trace.trace_id if trace else ""


def enter(trace: Trace | None) -> None:
    """Work for this trace from now on, until the next or the end of `scope`: lines of the log then have its id."""
    _current.set(trace)


class _Scope:
    """A block; not a generator, which takes three times as long: each node enters two."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: Trace | None) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        self._token = _current.set(self._trace)

    def __exit__(self, *_error: object) -> None:
        _current.reset(self._token)


def scope(trace: Trace | None = None) -> AbstractContextManager[None]:
    """Work for a trace inside the block, and for what it was before after it."""
    return _Scope(trace)
