"""Ctrl-C, SIGTERM and a closed terminal as one exception, so that whatever waits ends at once."""

import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopAsked(BaseException):
    """Somebody asked the program to stop; no `except Exception` on the way may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def raise_on_stop() -> None:
    """Raise StopAsked in the main thread at the first such signal; later ones are ignored.

    A closed terminal stays ignored where it was (`nohup`). Not so Ctrl-C: a shell starts its background jobs
    with that ignored, and whoever sends it to one of them means it.
    """
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def _raise(number: int, _frame: FrameType | None) -> None:
    # Stopping takes a few seconds and leaves nothing behind; a second Ctrl-C would cut it short.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise StopAsked(number)
