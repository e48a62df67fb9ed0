"""Answers that need not be sent again: an ETag that follows from what changes, so that "nothing new" costs one look.

A task's version stands in its record, so 304 is answered without reading the task. The tags are weak: the envelope's
duration, time and trace id are other ones each time.
"""

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version

from flask import Response, request

from api.service import services
from api.view import user_id
from dag.error import UnknownTask
from dag.snapshot import TaskVersion

# What is shown may differ from release to release.
RELEASE = version("muster")
# Kept by the caller alone, who asks each time whether it still holds.
CACHED = "private, no-cache"
# The same for everybody; asked for each time as well.
PUBLIC = "public, no-cache"
# The same for ever, under a path that names its content.
UNCHANGING = "public, max-age=31536000, immutable"


def unless_known(tag: str, answer: Callable[[], Response]) -> Response:
    """Return 304 where the caller's If-None-Match has the tag, else the answer with the tag.

    The tag must be of the state from before the answer is made: it may then be older than what it stands for, and the
    caller gets the same answer twice, but never misses a change.
    """
    known = request.if_none_match.contains_weak(tag)
    response = Response(status=304) if known else answer()
    response.set_etag(tag, weak=True)
    response.headers["Cache-Control"] = CACHED
    return response


def task_tag(task_id: int, *chosen: object) -> str:
    """Return the tag of an answer about one task, of which this was chosen.

    Raises:
        UnknownTask: there is none of this id.
        StoreUnavailable: Redis is away.

    """
    found = services().store.versions([task_id])
    if found[0] is None:
        raise UnknownTask(task_id)
    return tasks_tag(found, *chosen)


def hosts_tag(*chosen: object) -> str:
    """Return the tag of an answer about hosts and what was last seen of them, of which this was chosen."""
    return tag_of(services().registry.version(), chosen)


def tasks_tag(versions: Sequence[TaskVersion | None], *chosen: object) -> str:
    """Return the tag of an answer about some tasks; it tells their creators' ids, too."""
    creators = {of.creator: user_id(of.creator) for of in versions if of}
    return tag_of(versions, sorted(creators.items()), chosen)


def tag_of(*seen: object) -> str:
    """Return the tag of an answer that follows from all of this, and from nothing else that may change."""
    return hashlib.sha256(repr((RELEASE, *seen)).encode()).hexdigest()[:32]
