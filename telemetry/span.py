"""What a trace consists of: what was done, when, and what it was part of. Told to nobody, unless a collector is set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dag.trace import Trace

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was done as `trace`, from `began_at` to `ended_at` (s since the epoch).

    `kind` is OpenTelemetry's: server, consumer, client or internal. `fault` says why it failed, "" where it did not. No
    attribute may hold a secret.
    """

    trace: Trace
    name: str
    began_at: float
    ended_at: float
    kind: str = "internal"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    fault: str = ""


class Spans:
    """Where spans go: here, nowhere. Whoever makes one asks `wants` first, so that this costs next to nothing."""

    # The share of the traces begun here that are recorded.
    ratio = 0.0

    def wants(self, trace: Trace | None) -> bool:
        """Tell whether spans of this trace are recorded."""
        return False

    def tell(self, span: Span) -> None:
        """Take a span that has ended."""

    def start(self) -> None:
        """Begin to send; to be called in the process that makes the spans."""

    def stop(self) -> None:
        """Send what is left, within a second."""


NO_SPANS = Spans()
