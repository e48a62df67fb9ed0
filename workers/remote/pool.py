"""Open connections kept for the next step on the same host, each used by one thread at a time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from dag.host import Host
from telemetry.worker import WorkerMetrics
from workers.remote.error import RemoteError
from workers.remote.login import Login
from workers.remote.settings import SshOptions
from workers.remote.shell import Link

Place = tuple[str, int, str, int]
_IsDue = Callable[[float, int], bool]


class Pool:
    """At most `pool_size` connections, idle ones included; an idle one is closed after `idle_seconds`."""

    def __init__(self, options: SshOptions, login: Login, metrics: WorkerMetrics) -> None:
        self._options, self._login, self._metrics = options, login, metrics
        self._lock, self._evicting = threading.Lock(), threading.Lock()
        self._used = threading.BoundedSemaphore(options.pool_size)
        self._in_use = 0
        # Oldest first; a place may have several.
        self._idle: OrderedDict[int, tuple[Place, float, Link]] = OrderedDict()
        self._places: dict[Place, list[int]] = {}
        self._closing = threading.Event()
        self._reaper = threading.Thread(target=self._reap, name="idle-connections", daemon=True)
        self._reaper.start()

    @contextmanager
    def lend(self, host: Host) -> Iterator[tuple[Link, bool]]:
        """Lend (link, whether it was open before); it is kept for the next only if the block ends well.

        Raises:
            what Login.open raises
        """
        place = (host.address, host.ssh_port, host.user or self._options.user, host.credential_id)
        with self._used:
            kept = self._take(place)
            if kept:
                self._metrics.reused()
            link = kept or self._open(host)
            well = False
            try:
                yield link, kept is not None
                well = True
            finally:
                self._give_back(place, link, well)

    def _open(self, host: Host) -> Link:
        with self._lock:
            self._in_use += 1
        # Room first: at no moment are there more than the limit.
        self._close_idle(self._is_over)
        try:
            link = Link(self._login.open(host))
        except BaseException as error:
            with self._lock:
                self._in_use -= 1
            if isinstance(error, RemoteError):
                self._metrics.unconnected(error)
            raise
        self._metrics.opened()
        return link

    @property
    def open_count(self) -> int:
        """How many connections are open, idle ones included, and being opened."""
        return len(self._idle) + self._in_use

    def _is_over(self, since: float, count: int) -> bool:
        return count > self._options.pool_size

    def close(self) -> None:
        """Close what is idle, and what is lent when it comes back."""
        self._closing.set()
        self._close_idle(lambda since, count: True)
        self._reaper.join(timeout=2)

    def _take(self, place: Place) -> Link | None:
        while True:
            with self._lock:
                numbers = self._places.get(place)
                if not numbers:
                    return None
                link = self._remove(numbers[-1])
                self._in_use += 1
            if link.is_open:
                return link
            self._give_back(place, link, False)

    def _give_back(self, place: Place, link: Link, well: bool) -> None:
        keep = well and not self._closing.is_set() and link.is_open
        if not keep:
            link.close()
        with self._lock:
            self._in_use -= 1
            if keep:
                self._idle[id(link)] = (place, time.monotonic(), link)
                self._places.setdefault(place, []).append(id(link))

    def _remove(self, number: int) -> Link:
        place, _since, link = self._idle.pop(number)
        self._places[place].remove(number)
        if not self._places[place]:
            del self._places[place]
        return link

    def _close_idle(self, is_due: _IsDue) -> None:
        # Until what is closed is closed, nobody opens another in its place.
        with self._evicting:
            for link in self._pick_idle(is_due):
                link.close()

    def _pick_idle(self, is_due: _IsDue) -> list[Link]:
        closing = []
        with self._lock:
            for number, (_place, since, _link) in list(self._idle.items()):
                if not is_due(since, len(self._idle) + self._in_use):
                    break
                closing.append(self._remove(number))
        return closing

    def _reap(self) -> None:
        while not self._closing.wait(min(5.0, self._options.idle_seconds)):
            limit = time.monotonic() - self._options.idle_seconds
            self._close_idle(partial(_is_older, limit))


def _is_older(limit: float, since: float, count: int) -> bool:
    return since < limit
