"""One running Muster with demo hosts for all tests of this folder, and clients of it that are not ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.ocp import Ocp
from tests.stack import RunningStack

HOSTS = 3


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    data: Path = tmp_path_factory.mktemp("client") / "data"
    running = RunningStack(data, ["--hosts", str(HOSTS)]).start()
    yield running
    running.stop()


@pytest.fixture
def ocp(stack: RunningStack) -> Iterator[Ocp]:
    """A caller with HTTP Basic."""
    with Ocp(stack.ready["api"], (stack.ready["user"], stack.ready["password"])) as client:
        yield client
