"""What several files of this folder work with."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.interrupt import SIGNALS
from tests.agent import SHELLS, Agent, processes
from tests.receiver import Receiver
from tests.webhook import World


@pytest.fixture(params=SHELLS)
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    found = Agent(tmp_path, request.param)
    yield found
    for pid, arguments in processes():
        if str(tmp_path) in arguments:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    for deliverer in found.running:
        deliverer.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def kept_handlers() -> Iterator[None]:
    """What a test sets for the signals that stop a command is undone."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
