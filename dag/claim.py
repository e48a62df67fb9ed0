"""The right to make one task: who asks again under the same name gets the task that was made under it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A name that makes one task at most, and for how long it does so.

    `name` and `content` are digests without blanks. `content` is of all that the task was asked for with: the same name
    with another content is refused.
    """

    name: str
    content: str
    seconds: int
