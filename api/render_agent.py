"""The agent of a host in the contract's shapes HostAgent and HostAgentProcess."""

import zlib
from typing import Any

from api.instant import iso
from api.watch import Sight
from dag.host import AgentStatus
from dag.inquiry import SeenProcess


def process_id(name: str) -> int:
    """Return the id of a process: it follows from its name in the profile, and is the same on every host."""
    return zlib.crc32(name.encode())


def agent(sight: Sight) -> dict[str, Any]:
    """Return a HostAgent; `live` is Muster's own: false where it was seen at `updateTime` and nobody answered since."""
    host, look = sight.host, sight.look
    seen, runs = iso(look.at), look.status is AgentStatus.STARTED
    return {
        "id": host.id,
        "version": look.version,
        "installHome": look.home,
        "logHome": f"{look.home}/log" if look.home else "",
        "lastAvailableTime": seen if runs else None,
        "hostId": host.id,
        "hostInnerIpAddress": host.address,
        "status": look.status.value,
        "processes": processes(sight),
        "createTime": iso(host.created_at),
        "updateTime": seen,
        "live": sight.live,
    }


def processes(sight: Sight) -> list[dict[str, Any]]:
    """Return every process as a HostAgentProcess; one that runs twice is there twice, under the same id."""
    return [process(sight, one) for one in sight.look.processes]


def process(sight: Sight, one: SeenProcess) -> dict[str, Any]:
    """Return a HostAgentProcess; `elapsedTime` is in seconds, and what is not known of a stopped one is null."""
    seen, runs = iso(sight.look.at), bool(one.pid)
    age_ms = sight.look.at - one.started_at if runs and one.started_at else 0
    return {
        "id": process_id(one.name),
        "hostId": sight.host.id,
        "alias": one.name,
        "pid": one.pid,
        "user": one.user,
        "startCommand": one.command,
        "ports": ",".join(map(str, one.ports)),
        "elapsedTime": max(0, age_ms // 1000),
        "lastActiveTime": seen if runs else None,
        "status": (AgentStatus.STARTED if runs else AgentStatus.STOPPED).value,
        "operable": one.operable,
        "createTime": iso(sight.host.created_at),
        "updateTime": seen,
    }
