"""Enrol the hosts of a whole inventory: `/compute/hosts/import`."""

import time
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from api import render, trail
from api.auth import require
from api.declaration import answers, takes
from api.envelope import success
from api.fitness import fitness
from api.inventory.read import read_inventory
from api.inventory.row import InventoryError
from api.schema.answer_host import Imported
from api.schema.inventory import HostImport
from api.service import services
from api.user import Permission
from dag.error import DuplicateHost
from dag.host import Host

host_import = Blueprint("host_import", __name__)

# Somebody else may enrol one of the hosts at the same moment; so often it is looked up again which are new.
ATTEMPTS = 5


@host_import.post("/compute/hosts/import")
@require(Permission.HOST_MANAGER)
@answers(Imported, raises=(InventoryError, DuplicateHost))
@takes(HostImport)
def import_hosts(body: dict[str, Any]) -> Response:
    """Enrol those hosts of an inventory that are not yet, all or none, and answer with them and with the others."""
    if body["dryRun"]:
        trail.note_dry_run()
    defaults: dict[str, str] = {name: body[name] for name in ("profile", "zone", "user") if name in body}
    most = services().settings.api.max_hosts
    found = read_inventory(body["content"], body["format"], defaults, limit=most, fault_of=fitness().fault)
    created, skipped = _enrol(found.hosts, dry_run=body["dryRun"])
    trail.note_hosts([host.id for host in created])
    shown = [render.host(host) | ({} if host.id else {"id": None}) for host in created]
    known = [
        {"id": host.id, "innerIpAddress": host.address, "sshPort": host.ssh_port, "name": host.name} for host in skipped
    ]
    return success({"contents": shown, "skipped": known, "ignoredVariables": found.ignored})


def _enrol(hosts: list[Host], *, dry_run: bool) -> tuple[list[Host], list[Host]]:
    """Return (those that were enrolled now, those that had been before)."""
    registry, now = services().registry, time.time_ns() // 1_000_000
    for left in range(ATTEMPTS - 1, -1, -1):
        known = registry.known([(host.address, host.ssh_port) for host in hosts])
        ids = [(host, known.get((host.address, host.ssh_port))) for host in hosts]
        new = [replace(host, created_at=now) for host, number in ids if number is None]
        skipped = [replace(host, id=number) for host, number in ids if number is not None]
        try:
            return (new if dry_run else registry.create(new)), skipped
        except DuplicateHost:
            if not left:
                raise
    raise AssertionError("the last attempt returns or raises")
