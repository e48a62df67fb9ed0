"""What `muster doctor` finds: one line a question, and what to do where something is wrong."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands: only WRONG makes the doctor fail."""

    OK = "OK"
    ODD = "ODD"
    WRONG = "WRONG"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Finding:
    """The answer to one question about an installation; `remedy` is what to do ("": nothing)."""

    what: str
    state: State
    text: str
    remedy: str = ""


def fine(what: str, text: str) -> Finding:
    """Return that it is as it should be."""
    return Finding(what, State.OK, text)


def wrong(what: str, text: str, remedy: str) -> Finding:
    """Return that something does not work."""
    return Finding(what, State.WRONG, text, remedy)


def odd(what: str, text: str, remedy: str) -> Finding:
    """Return that it works, though not as promised or not for ever."""
    return Finding(what, State.ODD, text, remedy)


def unknown(what: str, text: str, remedy: str = "") -> Finding:
    """Return that it could not be looked at."""
    return Finding(what, State.UNKNOWN, text, remedy)
