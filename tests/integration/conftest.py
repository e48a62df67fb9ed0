"""One stack on OpenSSH's own server for all tests of this folder that need hosts which nobody here made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.openssh import OpenSshHosts
from tests.stack import RunningStack
from workers.profile.profile import BUILTIN

HOSTS = 20
PROFILE = "ocp_agentctl.toml"
# That processes are looked at again a second after they came up, and given five to end, is proven by the tests of the
# scripts, of clients and partitions, and by the chaos run; here some fifty restarts would wait for it.
IMPATIENT = "settle_seconds = 0\ngrace_seconds = 2\n"


@pytest.fixture(scope="session")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshHosts]:
    hosts = OpenSshHosts(Path(tmp_path_factory.mktemp("openssh")), HOSTS)
    with hosts.started():
        yield hosts


@pytest.fixture(scope="session")
def stack(openssh: OpenSshHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    profiles = Path(tmp_path_factory.mktemp("profiles"))
    (profiles / PROFILE).write_text(IMPATIENT + (BUILTIN / PROFILE).read_text())
    variables = {
        "MUSTER_WORKER_PROFILE_DIR": str(profiles),
        "MUSTER_SSH_KEY_FILE": str(openssh.key_path),
        "MUSTER_SSH_KNOWN_HOSTS": str(openssh.known_hosts_path),
        "MUSTER_ENGINE_LEASE_SECONDS": "4",
        "MUSTER_ENGINE_BEGIN_WITHIN_SECONDS": "5",
    }
    running = RunningStack(tmp_path_factory.mktemp("stack") / "data", (), variables).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def host_ids(stack: RunningStack, openssh: OpenSshHosts) -> list[int]:
    """The ids of the OpenSSH hosts, number 1 first."""
    return stack.enrol(openssh.inventory())


@pytest.fixture
def clean(openssh: OpenSshHosts) -> Iterator[None]:
    """Agents without faults again after a test that set some; they run, whatever the test left."""
    yield
    openssh.mend()
