"""The commands `muster hosts ...`: what each is called and takes. What it does stands in the module it calls."""

from pathlib import Path
from typing import Annotated

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.completion import AGENT_STATUSES, HOST_STATUSES, PROFILES, one_of, some_of
from cli.error import CommandError

hosts = typer.Typer(help="Enrol hosts and look at them.", no_args_is_help=True, rich_markup_mode=None)

HostArguments = Annotated[list[str], typer.Argument(metavar="HOST", help="Ids, ranges of ids, names or addresses")]


@hosts.command("import", epilog="Example: muster hosts import fleet.csv --api http://127.0.0.1:8480 --password-file pw")
@calls
def import_hosts(
    calling: Calling,
    file: Annotated[Path, typer.Argument(help="Inventory: .csv, .json, .yaml, or Ansible's .ini and .yaml")],
    form: Annotated[str, typer.Option("--format", help="csv, json, yaml or ini [default: by the name]")] = "",
    profile: Annotated[
        str, typer.Option(help="Agent profile of hosts that name none", autocompletion=one_of(PROFILES))
    ] = "",
    zone: Annotated[str, typer.Option(help="Zone of hosts that name none")] = "",
    ssh_user: Annotated[str, typer.Option(help="SSH login of hosts that name none")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all and enrol nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Enrol the hosts of an inventory, all or none.

    Those that are enrolled already are skipped. Fields: address (required), name, ssh_port, user, profile, zone, alias,
    description, credential_id, variables, labels. In CSV each variable has a column such as var.home, each label one
    such as label.rack.

    Of an Ansible inventory it takes ansible_host, ansible_port, ansible_user, muster_profile, muster_zone,
    muster_var_NAME, muster_label_NAME, and each group as a label.
    """
    from cli.inventory import import_inventory, report

    with calling.client() as client:
        answer = import_inventory(client, file, form, dry_run=dry_run, profile=profile, zone=zone, user=ssh_user)
    report(answer, dry_run=dry_run, as_json=as_json)


@hosts.command("list", epilog="Example: muster hosts list --status OFFLINE --label rack=r1")
@calls
def list_hosts(
    calling: Calling,
    keyword: Annotated[str, typer.Option(help="Part of a name, an address or an alias")] = "",
    status: Annotated[
        str, typer.Option(help="NEW, ONLINE, OFFLINE ..., several with commas", autocompletion=some_of(HOST_STATUSES))
    ] = "",
    agent: Annotated[
        str,
        typer.Option(
            help="STARTED, STOPPED, RESTARTING, UNKNOWN, several with commas", autocompletion=some_of(AGENT_STATUSES)
        ),
    ] = "",
    label: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; hosts that have all of several")] = None,
    sort: Annotated[str, typer.Option(help="id, name, innerIpAddress, alias, status or createTime; name,desc")] = "",
    as_json: JsonFlag = False,
) -> None:
    """List the hosts and their agents, as they were last seen."""
    from cli.host import pairs, show_hosts

    labels = [f"{name}={value}" for name, value in pairs(label or [], "--label").items()]

    with calling.client() as client:
        filters: dict[str, str | list[str]] = {
            "keyword": keyword,
            "status": status,
            "agentStatus": agent,
            "label": labels,
            "sort": sort,
        }
        show_hosts(client, as_json=as_json, **filters)


@hosts.command("add", epilog="Example: muster hosts add 10.0.0.11 --name web-1 --var home=/opt/ocp_agent")
@calls
def add_host(
    calling: Calling,
    address: Annotated[str, typer.Argument(help="IPv4 or IPv6 address, or host name")],
    name: Annotated[str, typer.Option(help="Name [default: the address]")] = "",
    ssh_port: Annotated[int, typer.Option(help="SSH port")] = 22,
    ssh_user: Annotated[str, typer.Option(help="SSH login [default: the workers' own]")] = "",
    profile: Annotated[
        str, typer.Option(help="Agent profile [default: ocp_agentctl]", autocompletion=one_of(PROFILES))
    ] = "",
    zone: Annotated[str, typer.Option(help="Zone [default: default]")] = "",
    credential: Annotated[int, typer.Option(help="Id of a key that the workers hold [default: theirs]")] = 0,
    var: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for the profile; may be repeated")] = None,
    label: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; may be repeated")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Enrol one host."""
    from cli.host import add_host, pairs

    fields = {
        "name": name,
        "sshPort": ssh_port,
        "user": ssh_user,
        "profile": profile,
        "zone": zone,
        "credentialId": credential,
        "variables": pairs(var or [], "--var"),
        "labels": pairs(label or [], "--label"),
    }
    with calling.client() as client:
        add_host(client, address, fields, as_json=as_json)


@hosts.command("check", epilog="Example: muster hosts check web-1 web-2")
@calls
def check_hosts(
    calling: Calling,
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="HOST", help="Ids, ranges of ids, names or addresses [default: all]"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask hosts what runs there now. Exits with 0 only if every agent was seen and runs."""
    from cli.host import check_hosts

    with calling.client() as client:
        if not check_hosts(client, hosts or [], as_json=as_json):
            raise typer.Exit(CommandError.exit_code)


@hosts.command("remove", epilog="Example: muster hosts remove web-1 web-2")
@calls
def remove_hosts(
    calling: Calling,
    hosts: HostArguments,
    as_json: JsonFlag = False,
) -> None:
    """Forget hosts, all or none; refused while a task uses one of them. Nothing is done on them."""
    from cli.host import remove_hosts

    with calling.client() as client:
        remove_hosts(client, hosts, as_json=as_json)
