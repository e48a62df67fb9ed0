"""A real Valkey server for the tests that need one; without its binary they fail, they are not skipped."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cli.embedded import EmbeddedServer
from cli.port import free_port

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=30,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "nightly", parent=settings.get_profile("ci"), derandomize=False, max_examples=400, stateful_step_count=60
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Valkey server of this test run."""
    server = EmbeddedServer(Path(tmp_path_factory.mktemp("valkey")), free_port("127.0.0.1"), secrets.token_hex(8))
    process = subprocess.Popen(list(server.program().command), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not server.answers():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield server.url
    process.terminate()
    process.wait(timeout=10)
