"""What a scheduler tells of its work to whoever counts it; the engine itself needs none of it."""

from collections.abc import Sequence


class Observer:
    """Hears and does nothing; one that counts overrides what it wants to hear. No method may raise."""

    def published(self, actions: Sequence[str]) -> None:
        """Hear that one message was sent for each of these nodes."""

    def unpublished(self, actions: Sequence[str]) -> None:
        """Hear that these nodes could not be sent (all of them), as the broker is away; they are sent again."""

    def lost(self, *, is_begun: bool, answer: str) -> None:
        """Hear that a run was lost: its lease ran out, or nobody ever began it; see expire.lua for the answers."""

    def moved(self, count: int) -> None:
        """Hear that so many orders to consume a shard, or no longer, were sent to workers."""

    def shunned(self, count: int) -> None:
        """Hear that so many live workers get no shards, because they do not hear."""
