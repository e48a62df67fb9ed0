"""What is told of a time without Redis."""

import logging
import time

from dag.error import StoreUnavailable

log = logging.getLogger(__name__)

COMPLAIN_SECONDS = 30.0


class Outage:
    """Tells of an outage at once, again every `COMPLAIN_SECONDS` and when its reason changes, and of its end."""

    def __init__(self) -> None:
        self._reason, self._again = "", 0.0

    @property
    def reason(self) -> str:
        """Why nothing goes on, "" where all does."""
        return self._reason

    def goes_on(self, error: StoreUnavailable) -> None:
        """Log the reason, unless it was logged a moment ago."""
        now = time.monotonic()
        if str(error) != self._reason or now >= self._again:
            log.error("waiting for Redis: %s", error)
            self._reason, self._again = str(error), now + COMPLAIN_SECONDS

    def is_over(self) -> None:
        """Log that work goes on, where it had stopped."""
        if self._reason:
            log.warning("Redis is back")
            self._reason = ""
