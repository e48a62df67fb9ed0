"""How a process of Muster waits for its end."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cli.error import CommandError
from cli.process import worker
from config.settings import Settings

PROGRAM = """
from cli.process.scheduler import run_until_signal

def work(stop):
    while not stop.wait(0.05):
        print("at work", flush=True)
    print("stopped in order", flush=True)

run_until_signal(work)
"""


def test_a_process_that_was_paused_goes_on_and_ends_at_sigterm() -> None:
    """Paused by SIGSTOP, then resumed; counted: its own lines."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        process.send_signal(signal.SIGCONT)
        for _ in range(20):
            assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().endswith("stopped in order\n")
    assert process.returncode == 0


def test_a_process_whose_work_fails_ends_with_that_error() -> None:
    failing = PROGRAM.replace("while not stop.wait(0.05)", "while 1 / 0")
    done = subprocess.run([sys.executable, "-c", failing], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "ZeroDivisionError" in done.stderr) == (1, True)


def test_a_worker_says_that_its_redis_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(_settings: Settings) -> Any:
        pool = SimpleNamespace(connection_kwargs={"host": "10.0.0.5", "port": 6379})
        return SimpleNamespace(info=lambda _section: {"redis_version": "6.2.14"}, connection_pool=pool)

    monkeypatch.setattr(worker, "open_redis", old)
    with pytest.raises(CommandError, match=r"Redis 7\.0 or later, or Valkey; 10\.0\.0\.5 port 6379 is 6\.2\.14"):
        worker.run_worker(Settings())
