"""The hosts of the fleet: `/compute/hosts`."""

import time
from dataclasses import replace

from flask import Blueprint, Response

from api import render
from api.auth import require
from api.body import read, read_hosts, read_query
from api.envelope import success
from api.schema.host import HostCreation, HostPage
from api.schema.host_id import HostIdDeletion
from api.service import services
from api.user import Permission

hosts = Blueprint("hosts", __name__)


@hosts.get("/compute/hosts")
@require(Permission.HOST_VIEWER)
def list_hosts() -> Response:
    """Answer with one page of the hosts."""
    q = read_query(HostPage())
    sort, _, order = q["sort"].partition(",")
    wanted = {"keyword": q["keyword"], "statuses": q["status"], "sort": sort, "descending": order == "desc"}
    found, total = services().registry.page(page=q["page"], size=q["size"], **wanted)
    shown = [render.host(host) for host in found]
    return success(render.page(shown, number=q["page"], size=q["size"], total=total))


@hosts.get("/compute/hosts/<id:host_id>")
@require(Permission.HOST_VIEWER)
def get_host(host_id: int) -> Response:
    """Answer with one host."""
    return success(render.host(services().registry.observe(host_id)))


@hosts.delete("/compute/hosts/<id:host_id>")
@require(Permission.HOST_MANAGER)
def delete_host(host_id: int) -> Response:
    """Forget one host."""
    services().registry.delete([host_id])
    return success()


@hosts.post("/compute/hosts/batchCreate")
@require(Permission.HOST_MANAGER)
def batch_create() -> Response:
    """Enrol all hosts named or none, and answer with them."""
    wanted = read(HostCreation(services().settings.api.max_hosts))
    now = time.time_ns() // 1_000_000
    created = services().registry.create([replace(host, created_at=now) for host in wanted])
    return success({"contents": [render.host(host) for host in created]})


@hosts.post("/compute/hosts/batchDelete")
@require(Permission.HOST_MANAGER)
def batch_delete() -> Response:
    """Forget all hosts named or none."""
    services().registry.delete(read_hosts(HostIdDeletion(services().settings.api.max_hosts)))
    return success()
