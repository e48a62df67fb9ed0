"""The API served by gunicorn: it answers, leaves nothing behind and goes when told to."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, fakeredis
from api.app import create_app
from api.server import serve
from api.user import UserStore
from config.settings import Settings
from dag.registry import HostRegistry
from dag.store import Store
redis = fakeredis.FakeRedis(decode_responses=True)
app = create_app(Store(redis), HostRegistry(redis), UserStore(redis), Settings())
serve(app, "127.0.0.1", int(sys.argv[1]), on_ready=lambda: print("ready", flush=True))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_stops_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM, str(port)]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
                assert answer.status == 200
            assert list(tmp_path.iterdir()) == []
            process.send_signal(how)
            began = time.monotonic()
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - began < 5
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []
