"""Fabric's ThreadingGroup runs the bare commands: no state, no proof, a thread a host and command."""

from fabric import ThreadingGroup

from bench.ssh.peer.target import Target, timed


def work(hosts: Target) -> None:
    """Run every step on every host; GroupException where one fails."""
    connect = {"key_filename": hosts.key, "allow_agent": False, "look_for_keys": False}
    with ThreadingGroup(*hosts.addresses, user=hosts.user, port=hosts.port, connect_kwargs=connect) as group:
        for command in hosts.commands:
            group.run(command, hide=True, in_stream=False)


timed(work)
