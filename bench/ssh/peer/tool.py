"""The peers that are programs of their own: their command lines, in files that each turn writes."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.ssh.peer.target import Target

PEERS = Path(__file__).parent
ROOT = PEERS.parents[2]


@dataclass(frozen=True)
class Tool:
    """A command line and the environment that it needs; `tells_time` where it prints how long its work took."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    tells_time: bool = False


def library(module: str, hosts: Target) -> Tool:
    """Return a peer that is a library, used by a few lines of Python."""
    return Tool([sys.executable, "-m", f"bench.ssh.peer.{module}", hosts.text], tells_time=True)


def pyinfra(hosts: Target, folder: Path) -> Tool:
    """Return pyinfra's own program; it lives in a venv of its own, for it needs an older paramiko."""
    data = {
        "ssh_user": hosts.user,
        "ssh_port": hosts.port,
        "ssh_key": hosts.key,
        "ssh_known_hosts_file": hosts.known_hosts,
        "ssh_strict_host_key_checking": "yes",
    }
    inventory = folder / "inventory.py"
    inventory.write_text(f"hosts = ({hosts.addresses!r}, {data!r})\n")
    program = Path(sys.executable).parents[1] / "pyinfra/bin/pyinfra"
    words = [
        str(program),
        "-y",
        "--parallel",
        str(len(hosts.addresses)),
        str(inventory),
        str(PEERS / "pyinfra_deploy.py"),
    ]
    return Tool(words, {"BENCH_COMMANDS": "\n".join(hosts.commands)})


def ansible(module: str, hosts: Target, folder: Path) -> Tool:
    """Return ansible-playbook (`module`: raw or command): a fork a host, pipelining, kept connections."""
    inventory = folder / "inventory.ini"
    inventory.write_text("[all]\n" + "".join(f"{address}\n" for address in hosts.addresses))
    playbook = folder / f"{module}.yml"
    playbook.write_text(_playbook(module, hosts))
    config = folder / "ansible.cfg"
    config.write_text(ANSIBLE.format(forks=len(hosts.addresses), folder=folder, hosts=hosts))
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(playbook)]
    return Tool(words, {"ANSIBLE_CONFIG": str(config), "ANSIBLE_HOME": str(folder / "ansible")})


ANSIBLE = """\
[defaults]
forks = {forks}
remote_user = {hosts.user}
remote_port = {hosts.port}
private_key_file = {hosts.key}
interpreter_python = /usr/bin/python3
[connection]
pipelining = True
[ssh_connection]
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={hosts.known_hosts}
control_path_dir = {folder}/cp
"""


def _playbook(module: str, hosts: Target) -> str:
    lines = ["- hosts: all", "  gather_facts: false", "  tasks:"]
    for command in hosts.commands:
        # `command` knows no shell: the step's line goes to one as an argument.
        said = json.dumps(command) if module == "raw" else json.dumps({"argv": ["sh", "-c", command]})
        lines.append(f"    - ansible.builtin.{module}: {said}")
    return "\n".join(lines) + "\n"
