"""Hosts on the command line: list, enrol one, look at some, forget some; all through the API."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cli.client import ApiClient, Filter, Refused, Unavailable
from cli.error import UsageError
from cli.selection import Host, find_hosts
from cli.table import print_table

# Looked at side by side; fewer than calls of the API may wait for hosts.
LOOKS_AT_ONCE = 4
STARTED = "STARTED"
COLUMNS = {
    "id": "id",
    "name": "name",
    "innerIpAddress": "address",
    "sshPort": "port",
    "status": "status",
    "agentStatus": "agent",
    "zone": "zone",
    "profile": "profile",
}


def show_hosts(client: ApiClient, *, as_json: bool, **filters: Filter) -> None:
    """Print all hosts that pass the API's filters."""
    hosts = list(client.hosts(**filters))
    if as_json:
        print(json.dumps(hosts))
        return
    print_table(tuple(COLUMNS.values()), [[str(host[name]) for name in COLUMNS] for host in hosts])


def add_host(client: ApiClient, address: str, fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Enrol one host and print it; `fields` are those of the API's body, and what is empty is left to it."""
    own = {"sshPort": fields["sshPort"], **({"name": fields["name"]} if fields["name"] else {})}
    common = {name: value for name, value in fields.items() if value and name not in ("name", "sshPort")}
    [host] = client.enrol({"hostBasicDataList": [{"innerIpAddress": address, **own}], **common})
    print(json.dumps(host) if as_json else f"Host {host['id']}: {host['name']}")


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return NAME=VALUE options as a map; UsageError for one that is none."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} must be NAME=VALUE, not {text!r}.")
        found[name] = value
    return found


def check_hosts(client: ApiClient, wanted: Sequence[str], *, as_json: bool) -> bool:
    """Look at hosts (at all where none is named), print what runs, and tell whether every agent was seen and runs."""
    hosts = find_hosts(client, wanted) if wanted else list(client.hosts())
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        seen = list(pool.map(lambda host: _look(client, host), hosts))
    if as_json:
        print(json.dumps(seen))
    else:
        print_table(("id", "name", "status", "version", "processes", "seen"), [_row(one) for one in seen])
    return all(one.get("agent", {}).get("status") == STARTED and one["agent"]["live"] for one in seen)


def _look(client: ApiClient, host: Host) -> dict[str, Any]:
    named = {"id": host["id"], "name": host["name"]}
    try:
        return {**named, "agent": client.agent(host["id"])}
    except Refused as error:
        return {**named, "error": error.reason}
    except Unavailable as error:
        # Others may have been seen: as many wait for hosts as may, say, and only this one was turned away.
        return {**named, "error": str(error)}


def _row(one: Mapping[str, Any]) -> list[str]:
    head = [str(one["id"]), one["name"]]
    if "error" in one:
        return [*head, "not seen", "", one["error"], ""]
    agent = one["agent"]
    processes = ", ".join(f"{p['alias']} {p['pid'] or '-'}" for p in agent["processes"])
    seen = "now" if agent["live"] else agent["updateTime"]
    return [*head, agent["status"], agent["version"], processes, seen]


def remove_hosts(client: ApiClient, wanted: Sequence[str], *, as_json: bool) -> None:
    """Forget hosts, all or none, and print them."""
    hosts = find_hosts(client, wanted)
    client.forget([host["id"] for host in hosts])
    if as_json:
        print(json.dumps({"removed": [host["id"] for host in hosts]}))
    else:
        print("\n".join(f"Removed host {host['id']}: {host['name']}" for host in hosts))
