"""The hosts of the fleet in Redis: enrol, find, list, forget."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from redis import Redis

from dag.durable import Disk
from dag.error import DuplicateHost, HostsInUse, UnknownHosts
from dag.host import Agent, AgentStatus, Host, HostStatus
from dag.key import Keys
from dag.script import Scripts, translated

# What hosts may be sorted by; those that are equal there stand by id.
SORTS: dict[str, Callable[[Host], tuple[str | int, int]]] = {
    "id": lambda host: (host.id, host.id),
    "name": lambda host: (host.name.casefold(), host.id),
    "innerIpAddress": lambda host: (host.address, host.id),
    "alias": lambda host: (host.alias.casefold(), host.id),
    "status": lambda host: (host.status, host.id),
    "createTime": lambda host: (host.created_at, host.id),
}

# Hosts read by one command: about 1 ms of Redis's time.
READ_AT_ONCE = 1000

# A host with the status that was last seen, and its agent (None: nobody has looked).
Sighting = tuple[Host, Agent | None]
# Beside the hosts' ids in the hash of agents: another text whenever one of them was seen.
AGENTS_VERSION = "version"


@dataclass(frozen=True)
class HostFilter:
    """Which hosts to list; what is empty does not count.

    `keyword` is looked for in name, address and alias, without regard to case; a host has all of the `labels`.
    """

    keyword: str = ""
    statuses: Collection[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    agent_statuses: Collection[str] = ()

    def fits(self, host: Host, agent: Agent | None) -> bool:
        """Tell whether the host, on which this agent was seen, is one of them."""
        if self.agent_statuses and (agent.status if agent else AgentStatus.UNKNOWN) not in self.agent_statuses:
            return False
        if self.statuses and host.status not in self.statuses:
            return False
        if any(host.labels.get(name) != value for name, value in self.labels.items()):
            return False
        word = self.keyword.casefold()
        return not word or any(word in text.casefold() for text in (host.name, host.address, host.alias))


ALL = HostFilter()


class HostRegistry:
    """All hosts, each known by its id; a pair of address and SSH port is enrolled once."""

    def __init__(self, redis: Redis, *, keys: Keys | None = None) -> None:
        # Replies are text (decode_responses); redis-py types them as bytes, text or awaitables of either.
        self._redis: Any = redis
        self._scripts = Scripts(redis)
        self._keys = keys or Keys()
        self._disk = Disk(redis, self._keys.disk)

    def create(self, hosts: Sequence[Host]) -> list[Host]:
        """Enrol all of these hosts or none, and return them with their ids.

        Raises:
            DuplicateHost: an address and port that is enrolled already, or twice in the list.
            StoreUnavailable: Redis is away or refuses writes.
        """
        if not hosts:
            return []
        places = [f"{host.address} {host.ssh_port}" for host in hosts]
        seen: set[str] = set()
        for host, place in zip(hosts, places, strict=True):
            if place in seen:
                raise DuplicateHost(host.address, host.ssh_port)
            seen.add(place)

        def write(pipe: Any) -> list[Host]:
            for host, known in zip(hosts, pipe.hmget(self._keys.addresses, places), strict=True):
                if known is not None:
                    raise DuplicateHost(host.address, host.ssh_port)
            last = int(self._redis.incrby(self._keys.host_ids, len(hosts)))
            enrolled = [replace(h, id=last - len(hosts) + 1 + at) for at, h in enumerate(hosts)]
            pipe.multi()
            pipe.hset(self._keys.addresses, mapping={place: h.id for place, h in zip(places, enrolled, strict=True)})
            pipe.hset(self._keys.hosts, mapping={str(h.id): json.dumps(asdict(h)) for h in enrolled})
            pipe.zadd(self._keys.host_index, {str(h.id): h.id for h in enrolled})
            return enrolled

        with translated():
            # It is tried again for as long as somebody else enrols hosts meanwhile.
            created: list[Host] = self._redis.transaction(write, self._keys.addresses, value_from_callable=True)
        self._disk.confirm()
        return created

    def get(self, host_id: int) -> Host:
        """Return one host; UnknownHosts where there is none."""
        return self.find([host_id])[host_id]

    def sightings(self, ids: Sequence[int]) -> list[Sighting]:
        """Return these hosts as they were last seen.

        Raises:
            UnknownHosts: some are not enrolled.
        """
        found: list[Sighting] = []
        missing: list[int] = []
        for at in range(0, len(ids), READ_AT_ONCE):
            chunk = ids[at : at + READ_AT_ONCE]
            for host, (text, seen) in zip(chunk, self._read(chunk), strict=True):
                if text is None:
                    missing.append(host)
                else:
                    found.append(_sighting(text, seen))
        if missing:
            raise UnknownHosts(missing)
        return found

    def known(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the ids of the hosts that are enrolled at these addresses and SSH ports."""
        if not places:
            return {}
        with translated():
            ids = self._redis.hmget(self._keys.addresses, [f"{address} {port}" for address, port in places])
        return {place: int(host) for place, host in zip(places, ids, strict=True) if host is not None}

    def find(self, ids: Collection[int]) -> dict[int, Host]:
        """Return the hosts by id; UnknownHosts names those that are missing."""
        if not ids:
            return {}
        with translated():
            texts = self._redis.hmget(self._keys.hosts, [str(host) for host in ids])
        missing = [host for host, text in zip(ids, texts, strict=True) if text is None]
        if missing:
            raise UnknownHosts(missing)
        return {host: read_host(text) for host, text in zip(ids, texts, strict=True) if text is not None}

    def page(
        self, wanted: HostFilter = ALL, *, page: int, size: int, sort: str = "id", descending: bool = False
    ) -> tuple[list[Sighting], int]:
        """Return one page (from 1) of the hosts as they were last seen, and how many there are in all pages.

        `sort` is one of `SORTS`.
        """
        here = slice((page - 1) * size, page * size)
        if sort == "id" and wanted == ALL:
            with translated(), self._redis.pipeline() as pipe:
                pipe.zcard(self._keys.host_index)
                pipe.zrange(self._keys.host_index, here.start, here.stop - 1, descending)
                total, ids = pipe.execute()
            return self._observed(ids), int(total)
        with translated():
            ids = self._redis.zrange(self._keys.host_index, 0, -1)
        found = [(host, agent) for host, agent in self._observed(ids) if wanted.fits(host, agent)]
        found.sort(key=lambda sighting: SORTS[sort](sighting[0]), reverse=descending)
        return found[here], len(found)

    def zones(self) -> set[str]:
        """Return the zones in which hosts are enrolled; it reads all of them."""
        with translated():
            ids = self._redis.zrange(self._keys.host_index, 0, -1)
        return {host.zone for host, _agent in self._observed(ids)}

    def enrolled(self) -> tuple[int, ...]:
        """Return what is another one whenever a host was enrolled or forgotten."""
        count, _seen, *newest = self.version()
        return (int(count), *map(int, newest))

    def version(self) -> tuple[int | str, ...]:
        """Return what is another one whenever a host was enrolled or forgotten, or anything was seen of an agent."""
        with translated(), self._redis.pipeline() as pipe:
            pipe.zcard(self._keys.host_index)
            pipe.zrevrange(self._keys.host_index, 0, 0)
            pipe.hget(self._keys.agents, AGENTS_VERSION)
            count, newest, seen = pipe.execute()
        # Ids are never used again and records never change: as long as the newest id stays, there are only ever fewer.
        return int(count), str(seen or ""), *map(int, newest)

    def _observed(self, ids: Sequence[int | str]) -> list[Sighting]:
        parts = (self._read(ids[at : at + READ_AT_ONCE]) for at in range(0, len(ids), READ_AT_ONCE))
        return [_sighting(text, seen) for part in parts for text, seen in part if text]

    def _read(self, ids: Sequence[int | str]) -> list[tuple[str | None, str | None]]:
        """Return the stored texts of hosts and of their agents, None where there is none."""
        if not ids:
            return []
        names = [str(host) for host in ids]
        with translated(), self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(self._keys.hosts, names)
            pipe.hmget(self._keys.agents, names)
            hosts, agents = pipe.execute()
        return list(zip(hosts, agents, strict=True))

    def delete(self, ids: Collection[int]) -> None:
        """Forget all of these hosts or none.

        Raises:
            UnknownHosts: some are not enrolled.
            HostsInUse: some are held by a task, or a task waits for them, or will do so in a moment.
        """
        keys, hosts = self._keys, self.find(ids)
        names = [keys.hosts, keys.addresses, keys.host_index, keys.agents, keys.holders, keys.waiting, keys.admission]
        pairs = [part for host in hosts.values() for part in (str(host.id), f"{host.address} {host.ssh_port}")]
        what = "moved"
        while what == "moved":
            with translated():
                admission = self._redis.lrange(keys.admission, 0, -1)
            tasks = [keys.task(int(task)) for task in admission]
            what, *found = self._scripts.call("forget", [*names, *tasks], ",".join(admission), *pairs)
        if what == "unknown":
            raise UnknownHosts([int(host) for host in found])
        if what == "used":
            raise HostsInUse([(int(found[at]), int(found[at + 1])) for at in range(0, len(found), 2)])
        self._disk.confirm()

    def agent(self, host_id: int) -> Agent | None:
        """Return what was last seen of the agent on the host, None where nobody has looked yet."""
        with translated():
            text = self._redis.hget(self._keys.agents, str(host_id))
        return _agent(text) if text else None


def read_host(text: str) -> Host:
    """Return a host from its record in Redis."""
    fields = json.loads(text)
    return Host(**{**fields, "status": HostStatus(fields["status"])})


def _agent(text: str) -> Agent:
    fields = json.loads(text)
    return Agent(**{**fields, "status": AgentStatus(fields["status"])})


def _sighting(text: str, seen: str | None) -> Sighting:
    host, agent = read_host(text), _agent(seen) if seen else None
    return (replace(host, status=agent.host_status) if agent else host), agent
