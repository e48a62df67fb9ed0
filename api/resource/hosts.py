"""The hosts of the fleet: `/compute/hosts`."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from marshmallow import ValidationError

from api import render, trail
from api.auth import require
from api.conditional import hosts_tag, unless_known
from api.declaration import answers, takes, takes_hosts, takes_query
from api.envelope import success
from api.error import InvalidRequest
from api.fitness import fitness
from api.schema.answer import list_of, page_of
from api.schema.answer_host import EnrolledHost
from api.schema.answer_host import Host as HostAnswer
from api.schema.host import HostCreation, HostPage
from api.schema.host_id import HostIdDeletion
from api.service import services
from api.user import Permission
from dag.error import DuplicateHost, HostsInUse, UnknownHosts
from dag.host import Host
from dag.registry import HostFilter

hosts = Blueprint("hosts", __name__)


@hosts.get("/compute/hosts")
@require(Permission.HOST_VIEWER)
@answers(page_of(HostAnswer), is_conditional=True)
@takes_query(HostPage)
def list_hosts(query: dict[str, Any]) -> Response:
    """Answer with one page of the hosts, each as a step or a look saw it last."""

    def page() -> Response:
        sort, _, order = query["sort"].partition(",")
        wanted = HostFilter(query["keyword"], query["status"], query["label"], query["agentStatus"])
        page = {"page": query["page"], "size": query["size"], "sort": sort, "descending": order == "desc"}
        found, total = services().registry.page(wanted, **page)
        shown = [render.host(*sighting) for sighting in found]
        return success(render.page(shown, number=query["page"], size=query["size"], total=total))

    return unless_known(hosts_tag("list", sorted(query.items())), page)


@hosts.get("/compute/hosts/<id:host_id>")
@require(Permission.HOST_VIEWER)
@answers(HostAnswer, raises=(UnknownHosts,))
def get_host(host_id: int) -> Response:
    """Answer with one host, as a step or a look saw it last."""
    [sighting] = services().registry.sightings([host_id])
    return success(render.host(*sighting))


@hosts.delete("/compute/hosts/<id:host_id>")
@require(Permission.HOST_MANAGER)
@answers(raises=(UnknownHosts, HostsInUse))
def delete_host(host_id: int) -> Response:
    """Forget one host."""
    services().registry.delete([host_id])
    return success()


@hosts.post("/compute/hosts/batchCreate")
@require(Permission.HOST_MANAGER)
@answers(list_of(EnrolledHost), raises=(DuplicateHost,))
@takes(HostCreation)
def batch_create(wanted: list[Host]) -> Response:
    """Enrol all hosts named or none, and answer with them."""
    # All of them have one profile and one zone.
    if fault := fitness().fault(wanted[0]):
        raise InvalidRequest(
            ValidationError({"profile": [fault]}), {"profile": wanted[0].profile}, HostCreation.__name__
        )
    now = time.time_ns() // 1_000_000
    try:
        created = services().registry.create([replace(host, created_at=now) for host in wanted])
    except DuplicateHost:
        _refuse_enrolled(wanted)
        raise
    trail.note_hosts([host.id for host in created])
    return success({"contents": [render.host(host) for host in created]})


@hosts.post("/compute/hosts/batchDelete")
@require(Permission.HOST_MANAGER)
@answers(raises=(UnknownHosts, HostsInUse))
@takes_hosts(HostIdDeletion)
def batch_delete(ids: list[int]) -> Response:
    """Forget all hosts named or none."""
    services().registry.delete(ids)
    return success()


def _refuse_enrolled(wanted: Sequence[Host]) -> None:
    """Raise InvalidRequest with the places of those that are enrolled; none may be any more."""
    known = services().registry.known([(host.address, host.ssh_port) for host in wanted])
    faults = {
        at: {"innerIpAddress": [f"is enrolled already, as host {known[place]} at port {host.ssh_port}"]}
        for at, host in enumerate(wanted)
        if (place := (host.address, host.ssh_port)) in known
    }
    if faults:
        sent = {"hostBasicDataList": [{"innerIpAddress": host.address} for host in wanted]}
        raise InvalidRequest(ValidationError({"hostBasicDataList": faults}), sent, HostCreation.__name__)
