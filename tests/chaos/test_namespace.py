"""The network of the partition tests: what a partition stops, and that nothing of it outlives the tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.namespace import Network
from tests.openssh import ROOT
from tests.wait import until

NODES = ("one", "two", "three")
SERVE = """\
import socket
with socket.create_server(("", 7000)) as server:
    print("listening", flush=True)
    while True:
        server.accept()[0].close()
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 7000), timeout=0.4).close()"
OWNER = """\
import signal, subprocess
from tests.chaos.namespace import Network
network = Network(["one"])
network.start()
print(subprocess.Popen([*network.inside("one"), "sleep", "600"]).pid, flush=True)
signal.pause()
"""


@pytest.fixture
def network() -> Iterator[Network]:
    found = Network(NODES)
    found.start_where_allowed()
    try:
        yield found
    finally:
        found.stop()


def connects(network: Network, node: str, other: str) -> bool:
    command = [*network.inside(node), sys.executable, "-IS", "-c", CONNECT, network.address(other)]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def servers(network: Network) -> Iterator[None]:
    """On each node somebody who takes connections."""
    with ExitStack() as stack:
        for node in NODES:
            command = [*network.inside(node), sys.executable, "-IS", "-c", SERVE]
            server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(server.kill)
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
        yield


@pytest.mark.usefixtures("servers")
def test_a_partition_stops_two_nodes_from_hearing_each_other_and_nobody_else(network: Network) -> None:
    pairs = [(node, other) for node in NODES for other in NODES if node != other]
    with network.partition("one", "two"):
        assert {pair for pair in pairs if not connects(network, *pair)} == {("one", "two"), ("two", "one")}
    assert all(connects(network, *pair) for pair in pairs)


@pytest.mark.usefixtures("network")
def test_whatever_runs_in_a_network_ends_with_a_killed_owner() -> None:
    """Killed by SIGKILL: the process that made the network. Counted: what it had started in there."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        sleeper = int(owner.stdout.readline())
        os.kill(sleeper, 0)
        owner.send_signal(signal.SIGKILL)
    until(lambda: not is_alive(sleeper))


def is_alive(pid: int) -> bool:
    # An orphan that nobody collects is a zombie, and has no arguments any more.
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")
