"""Open connections kept for the next step on the same host, each used by one thread at a time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from fabric import Connection

from dag.host import Host
from telemetry.worker import WorkerMetrics
from workers.remote.error import RemoteError
from workers.remote.login import Login
from workers.remote.settings import SshOptions

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
        self._idle: OrderedDict[int, tuple[Place, float, Connection]] = OrderedDict()
        self._places: dict[Place, list[int]] = {}
        self._closing = threading.Event()
        self._reaper = threading.Thread(target=self._reap, name="idle-connections", daemon=True)
        self._reaper.start()

    @contextmanager
    def lend(self, host: Host) -> Iterator[tuple[Connection, bool]]:
        """Lend (connection, whether it was open before); it is kept for the next only if the block ends well.

        Raises:
            what Login.open raises
        """
        place = (host.address, host.ssh_port, host.user or self._options.user, host.credential_id)
        with self._used:
            kept = self._take(place)
            if kept:
                self._metrics.reused()
            connection = kept or self._open(host)
            well = False
            try:
                yield connection, kept is not None
                well = True
            finally:
                self._give_back(place, connection, well)

    def _open(self, host: Host) -> Connection:
        with self._lock:
            self._in_use += 1
        # Room first: at no moment are there more than the limit.
        self._close_idle(self._is_over)
        try:
            connection = self._login.open(host)
        except BaseException as error:
            with self._lock:
                self._in_use -= 1
            if isinstance(error, RemoteError):
                self._metrics.unconnected(error)
            raise
        self._metrics.opened()
        return connection

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

    def _take(self, place: Place) -> Connection | None:
        while True:
            with self._lock:
                numbers = self._places.get(place)
                if not numbers:
                    return None
                connection = self._remove(numbers[-1])
                self._in_use += 1
            if _is_open(connection):
                return connection
            self._give_back(place, connection, False)

    def _give_back(self, place: Place, connection: Connection, well: bool) -> None:
        keep = well and not self._closing.is_set() and _is_open(connection)
        if not keep:
            close_connection(connection)
        with self._lock:
            self._in_use -= 1
            if keep:
                self._idle[id(connection)] = (place, time.monotonic(), connection)
                self._places.setdefault(place, []).append(id(connection))

    def _remove(self, number: int) -> Connection:
        place, _since, connection = self._idle.pop(number)
        self._places[place].remove(number)
        if not self._places[place]:
            del self._places[place]
        return connection

    def _close_idle(self, is_due: _IsDue) -> None:
        # Until what is closed is closed, nobody opens another in its place.
        with self._evicting:
            for connection in self._pick_idle(is_due):
                close_connection(connection)

    def _pick_idle(self, is_due: _IsDue) -> list[Connection]:
        closing = []
        with self._lock:
            for number, (_place, since, _connection) in list(self._idle.items()):
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


def close_connection(connection: Connection) -> None:
    """Close the connection whatever state it is in."""
    connection.client.close()


def _is_open(connection: Connection) -> bool:
    transport = connection.client.get_transport()
    return transport is not None and transport.is_active()
