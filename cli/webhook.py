"""Webhooks as the command line asks the API for them."""

import time
from typing import Any

from cli.client import PREFIX, ApiClient

Row = dict[str, Any]
POLL_SECONDS, PATIENCE_SECONDS = 0.3, 30.0


class WebhookClient(ApiClient):
    """Calls about webhooks. Every call raises CommandError, whose text names the API and what it said."""

    def webhooks(self) -> list[Row]:
        """Return all webhooks."""
        return list(self._all(f"{PREFIX}/webhooks"))

    def add(self, wanted: Row) -> Row:
        """Make a webhook; the answer has its secret."""
        row: Row = self._call("POST", f"{PREFIX}/webhooks", wanted)
        return row

    def change(self, id: int, **changes: Any) -> Row:
        """Change a webhook."""
        row: Row = self._call("PATCH", f"{PREFIX}/webhooks/{id}", changes)
        return row

    def rotate(self, id: int, wanted: Row) -> Row:
        """Give a webhook another secret, which the answer has."""
        row: Row = self._call("POST", f"{PREFIX}/webhooks/{id}/rotateSecret", wanted)
        return row

    def remove(self, id: int) -> None:
        """Forget a webhook."""
        self._call("DELETE", f"{PREFIX}/webhooks/{id}")

    def deliveries(self, id: int, limit: int) -> list[Row]:
        """Return the newest deliveries of a webhook."""
        rows: list[Row] = self._call("GET", f"{PREFIX}/webhooks/{id}/deliveries?size={limit}")["contents"]
        return rows

    def redeliver(self, id: int, delivery: str) -> Row:
        """Send a message once more and return its delivery after the first attempt."""
        return self._tried(id, self._call("POST", f"{PREFIX}/webhooks/{id}/deliveries/{delivery}/redeliver"))

    def test(self, id: int) -> Row:
        """Send a message that only tries the way, and return its delivery after the first attempt."""
        return self._tried(id, self._call("POST", f"{PREFIX}/webhooks/{id}/test"))

    def _tried(self, id: int, made: Row) -> Row:
        until = time.monotonic() + PATIENCE_SECONDS
        while not made["attempts"] and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            made = next((row for row in self.deliveries(id, 50) if row["id"] == made["id"]), made)
        return made
