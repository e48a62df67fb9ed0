"""parallel-ssh runs the bare commands: libssh2 in C, gevent."""

from pssh.clients import ParallelSSHClient

from bench.ssh.peer.target import Target, timed


def work(hosts: Target) -> None:
    """Run every step on every host; RuntimeError where one fails."""
    client = ParallelSSHClient(
        hosts.addresses, user=hosts.user, port=hosts.port, pkey=hosts.key, pool_size=len(hosts.addresses)
    )
    for command in hosts.commands:
        output = client.run_command(command)
        client.join(output)
        for host in output:
            list(host.stdout)
            if host.exit_code != 0:
                raise RuntimeError(f"{host.host}: {command} ended with {host.exit_code}: {list(host.stderr)}")


timed(work)
