"""The API served by gunicorn: it answers, leaves nothing behind, goes when told to, and ends what takes too long."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from tests.signing import signed_headers, url

ROOT = Path(__file__).parents[2]
# What a busy server needs for any answer is far less.
LIMIT_SECONDS, NO_LIMIT_SECONDS = 2, 60
PROGRAM = """
import sys, threading, fakeredis
from api.app import create_app
from api.server import extend_time, is_ending, serve
from api.user import Role, UserStore
from config.settings import ApiSettings, Settings
from dag.registry import HostRegistry
from dag.store import Store
redis = fakeredis.FakeRedis(decode_responses=True)
users = UserStore(redis)
users.add("admin", "open sesame", [Role.ADMIN])
app = create_app(Store(redis), HostRegistry(redis), users, Settings(api=ApiSettings(secret_key="k" * 32)))
wait = threading.Event().wait

@app.get("/test/slow")
def slow():
    wait(3)
    return "late"

@app.get("/test/large")
def large():
    return b"x" * 50_000_000

@app.get("/test/stream")
def stream():
    def events():
        for number in range(8):
            extend_time(2)
            wait(0.5)
            yield f"{number} "
    return app.response_class(events())

@app.get("/test/endless")
def endless():
    def events():
        while not is_ending():
            extend_time(30)
            yield "still here "
            wait(0.1)
    return app.response_class(events())

serve(app, "127.0.0.1", int(sys.argv[1]), int(sys.argv[2]), timeout_seconds=int(sys.argv[3]),
      on_ready=lambda: print("ready", flush=True))
"""


@contextmanager
def serving(
    folder: Path, threads: int = 16, limit: int = NO_LIMIT_SECONDS
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve in a process of its own, which has this folder to leave things in; gives process and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "-c", PROGRAM, str(port), str(threads), str(limit)]
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process, port
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_stops_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path) as (process, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert answer.status == 200
        assert list(tmp_path.iterdir()) == []
        process.send_signal(how)
        assert process.wait(timeout=30) == 0
    assert list(tmp_path.iterdir()) == []


SLOW = {
    "a request line that does not end": b"GET /healthz HTT",
    "headers that do not end": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
    "a body that does not come": b"POST /iam/users HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    b"Authorization: Basic YWRtaW46b3BlbiBzZXNhbWU=\r\nContent-Type: application/json\r\n\r\n{",
    "an answer that is not read": b"GET /test/large HTTP/1.1\r\nHost: x\r\n\r\n",
    "a route that works too long": b"GET /test/slow HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_request_that_takes_too_long_loses_its_connection_and_frees_its_thread(tmp_path: Path, sent: bytes) -> None:
    with serving(tmp_path, 1, LIMIT_SECONDS) as (_, port), socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        # The only thread is busy with the first request, which would take for ever, until that is ended.
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=30).status_code == 200
        client.settimeout(30)
        read = 0
        while part := client.recv(1 << 20):
            read += len(part)
        assert read < 50_000_000


HEAD = b"POST /compute/hosts/batchDelete HTTP/1.1\r\nAuthorization: Basic YWRtaW46b3BlbiBzZXNhbWU=\r\nHost: x\r\n"
CHUNKED = HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_HTTP = [
    (b"Authorization Basic secret\r\n\r\n", 400, 10001, "The request can't be read as HTTP/1.1."),
    (
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
        414,
        10001,
        "The first line of the request is longer than 4094 bytes.",
    ),
    (
        HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n",
        431,
        10001,
        "The request has more than 100 headers, or one that is longer",
    ),
    (HEAD + b"Expect: much\r\n\r\n", 417, 10001, "Only Expect: 100-continue is understood."),
    (HEAD + b"Transfer-Encoding: br\r\n\r\n", 501, 10010, "Only Transfer-Encoding: chunked is understood."),
    (CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", 400, 10001, "The request body is not chunked as HTTP/1.1 has it."),
    (CHUNKED + b"1\r\n{}\r\n0\r\n\r\n", 400, 10001, "The request body is not chunked as HTTP/1.1 has it."),
]


def test_what_is_no_http_is_answered_in_the_envelope_and_not_logged_as_it_came(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, port):
        for sent, status, code, message in NO_HTTP:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(sent)
                answer = HTTPResponse(client)
                answer.begin()
                error = json.loads(answer.read())["error"]
                assert (answer.status, error["code"]) == (status, code), sent
                assert error["message"].startswith(message)
                assert client.recv(1) == b"", "the connection stays open"
        process.terminate()
        assert process.stderr is not None
        assert b"secret" not in process.stderr.read()


def test_a_stream_has_more_time_at_each_event(tmp_path: Path) -> None:
    with serving(tmp_path, limit=LIMIT_SECONDS) as (_, port):
        answer = httpx.get(f"http://127.0.0.1:{port}/test/stream", trust_env=False, timeout=30)
    assert answer.text == "0 1 2 3 4 5 6 7 "


def test_a_stream_ends_when_the_server_is_told_to(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (process, port),
        httpx.stream("GET", f"http://127.0.0.1:{port}/test/endless", trust_env=False, timeout=30) as answer,
    ):
        parts = answer.iter_text()
        assert next(parts).startswith("still here ")
        process.send_signal(signal.SIGTERM)
        # To its proper end: httpx raises where a body is cut off.
        assert set("".join(parts).split()) <= {"still", "here"}
        assert process.wait(timeout=30) == 0


def test_a_kept_connection_is_not_ended_between_requests(tmp_path: Path) -> None:
    with (
        serving(tmp_path, limit=LIMIT_SECONDS) as (_, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        for path in ("/healthz", "/test/stream", "/healthz"):
            assert client.get(path).status_code == 200


def test_signed_requests_are_understood_as_they_arrive(tmp_path: Path) -> None:
    params = {"keyword": "a b/ü*~", "size": "5", "page": "1"}
    with (
        serving(tmp_path) as (_, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        auth = ("admin", "open sesame")
        key = client.post("/api/v2/iam/accessKeys", json={"name": "k"}, auth=auth).json()["data"]
        body = b'{"name": "ann", "password": "something", "roles": ["VIEWER"]}'
        for method, path, query, content in (
            ("GET", "/api/v2/compute/hosts", params, b""),
            ("GET", "/compute/hosts", None, b""),
            ("POST", "/api/v2/iam/users", None, body),
        ):
            extra = {"x-ocp-origin": "mcp-server"}
            headers = signed_headers(key, method, f"127.0.0.1:{port}", path, query, content, extra)
            answers = [client.request(method, url(path, query), headers=headers, content=content) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [200, 401]
