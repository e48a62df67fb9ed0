"""A network of this test's own: one namespace a node, a router between them, and partitions that drop packets.

Nothing of the machine's own network is touched: each link is made with both its ends in these namespaces. As root a
node is a network namespace; an ordinary user makes them inside a user namespace, where it may.

    router 10.213.1.1 ── 10.213.1.2 node 1
           10.213.2.1 ── 10.213.2.2 node 2 ...

A partition of two nodes is a pair of rules in the router that discard their packets, as a broken network does: no
error, no answer, and every other pair goes on.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.openssh import UNPACKED

Process = subprocess.Popen[str]
# Holds a namespace until its input ends, which it does however this process ends; then ends whoever is left in there.
# It must not be in the namespace that it was started from ($1).
HOLD = """\
here=/proc/$$/ns/net
[ "$(readlink $here)" != "$1" ] || exit 1
echo made
while read -r _; do :; done
for round in 1 2 3 4 5 6 7 8 9 10; do
  left=''
  for process in /proc/[0-9]*; do
    if [ $process/ns/net -ef $here ] && [ $process != /proc/$$ ]; then left="$left ${process#/proc/}"; fi
  done
  [ -n "$left" ] || exit 0
  kill -KILL $left 2>/dev/null
  sleep 0.1
done
echo "processes that do not end: $left" >&2
exit 1
"""


class NamespaceError(Exception):
    """This machine gives this user no network namespaces; the text says what refused."""


class Network:
    """Nodes by name, each in a namespace of its own, made by `start` and gone after `stop`."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._numbers = {node: number for number, node in enumerate(nodes, 1)}
        self._holders: dict[str, Process] = {}
        self._is_root = os.getuid() == 0

    def start(self) -> None:
        """Make namespaces and links.

        Raises:
            NamespaceError: the machine refuses.
        """
        self._hold("router", [] if self._is_root else ["unshare", "--user", "--map-root-user"])
        self._run("router", ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
        self._ip("router", ["link set lo up"])
        for node in self._numbers:
            self._hold(node, self._in_user_namespace())
            self._join(node)

    def start_where_allowed(self) -> None:
        """Start, or skip the test where an ordinary user may not; as root and in CI a refusal is a failure."""
        try:
            self.start()
        except NamespaceError as error:
            self.stop()
            if self._is_root or os.environ.get("CI") == "true":
                raise
            pytest.skip(f"this machine lets no ordinary user make network namespaces: {error}")

    def stop(self) -> None:
        """End every process that is in a namespace still, and with it the namespaces and links."""
        holders = list(self._holders.values())
        self._holders.clear()
        # The router last: as an ordinary user the other namespaces are in its user namespace.
        for holder in reversed(holders):
            _out, err = holder.communicate(timeout=20)
            assert holder.returncode == 0, err

    def address(self, node: str) -> str:
        """The node's IPv4 address."""
        return f"10.213.{self._numbers[node]}.2"

    def inside(self, node: str) -> list[str]:
        """What to put before a command so that it runs in the node's namespace, as the user who runs the tests."""
        if self._is_root:
            return self._entering(node)
        # sshd as root would want other users, which the user namespace does not have.
        own = [f"--map-user={os.getuid()}", f"--map-group={os.getgid()}"]
        return [*self._entering(node), "unshare", "--user", *own, "--"]

    def processes(self, node: str) -> dict[int, str]:
        """Every process in the node's namespace but its holder: pid to arguments."""
        here, holder = os.stat(f"/proc/{self._holders[node].pid}/ns/net").st_ino, self._holders[node].pid
        found = {}
        for entry in os.scandir("/proc"):
            try:
                if entry.name.isdigit() and os.stat(f"{entry.path}/ns/net").st_ino == here:
                    found[int(entry.name)] = Path(entry.path, "cmdline").read_text().replace("\0", " ").strip()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return {pid: arguments for pid, arguments in found.items() if pid != holder and arguments}

    @contextmanager
    def partition(self, node: str, *others: str) -> Iterator[None]:
        """Inside the block no packet passes between the node and these others, in neither direction."""
        pairs = [(self.address(node), self.address(other)) for other in others]
        rules = [f"from {a} to {b} blackhole" for one, two in pairs for a, b in ((one, two), (two, one))]
        self._ip("router", [f"rule add {rule}" for rule in rules])
        try:
            yield
        finally:
            self._ip("router", [f"rule del {rule}" for rule in rules])

    def _join(self, node: str) -> None:
        """Link the node with the router."""
        number, pid = self._numbers[node], self._holders[node].pid
        router = f"10.213.{number}.1"
        end = f"node{number}"
        self._ip("router", [f"link add {end} type veth peer name uplink netns {pid}"])
        self._ip("router", [f"address add {router}/24 dev {end}", f"link set {end} up"])
        self._ip(node, [f"address add {self.address(node)}/24 dev uplink", "link set lo up", "link set uplink up"])
        self._ip(node, [f"route add default via {router}"])

    def _hold(self, node: str, prefix: Sequence[str]) -> None:
        """Make the node's namespace, which lives as long as its holder."""
        command = [*prefix, "unshare", "--net", "sh", "-c", HOLD, "holder", os.readlink("/proc/self/ns/net")]
        pipe = subprocess.PIPE
        holder = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert holder.stdout is not None
        if holder.stdout.readline() != "made\n":
            _out, err = holder.communicate()
            raise NamespaceError(f"no network namespace can be made here: {err.strip()}")
        self._holders[node] = holder

    def _in_user_namespace(self) -> list[str]:
        if self._is_root:
            return []
        return ["nsenter", "-t", str(self._holders["router"].pid), "--user", "--preserve-credentials", "--"]

    def _entering(self, node: str) -> list[str]:
        """Enter the node's namespace with the rights to change it."""
        user = [] if self._is_root else ["--user", "--preserve-credentials"]
        return ["nsenter", "-t", str(self._holders[node].pid), "--net", *user, "--"]

    def _ip(self, node: str, lines: Sequence[str]) -> None:
        self._run(node, ["ip", "-batch", "-"], "\n".join(lines))

    def _run(self, node: str, command: Sequence[str], text: str = "") -> None:
        programs = [os.environ["PATH"], "/usr/sbin", "/sbin", f"{UNPACKED}/usr/bin", f"{UNPACKED}/bin"]
        libraries = ":".join(map(str, [*UNPACKED.glob("lib/*-linux-gnu"), *UNPACKED.glob("usr/lib/*-linux-gnu")]))
        environment = {**os.environ, "PATH": ":".join(programs), "LD_LIBRARY_PATH": libraries}
        pipe = subprocess.PIPE
        done = subprocess.run([*self._entering(node), *command], input=text, stderr=pipe, text=True, env=environment)
        if done.returncode:
            raise NamespaceError(f"{' '.join(command)} failed in the namespace of {node}: {text}: {done.stderr}")
