"""`muster users`, `muster tokens`, `muster access-keys` and `muster webhooks` against a real API."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.embedded import HOST, EmbeddedServer
from cli.port import free_port
from cli.supervisor import Program, Supervisor, muster
from tests.receiver import Receiver, documented_verify
from tests.signing import signed_headers

PASSWORD = "open sesame"
PLANTED = "planted-new-password"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real API."""
    path = tmp_path_factory.mktemp("api")
    store, port = EmbeddedServer(path / "valkey", free_port(HOST), "store-password"), free_port(HOST)
    environment = {
        "MUSTER_REDIS_URL": store.url,
        "MUSTER_API_PORT": str(port),
        "MUSTER_API_ADMIN_PASSWORD": PASSWORD,
        "MUSTER_API_SECRET_KEY": "k" * 32,
    }
    supervisor = Supervisor(path, print)
    try:
        supervisor.start(store.program())
        supervisor.wait_for("valkey", store.answers, 10)
        supervisor.start(Program("api", muster("api"), environment))
        supervisor.wait_for("api", lambda: "the API listens" in supervisor.tail("api"), 20)
        yield f"http://{HOST}:{port}"
    finally:
        supervisor.stop()


def run(url: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *arguments, "--api", url],
        env={**CLEAN, "MUSTER_PASSWORD": PASSWORD, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def done(url: str, *arguments: str, **variables: str) -> str:
    """The output of a command that must succeed."""
    found = run(url, *arguments, **variables)
    assert (found.returncode, "Traceback" in found.stderr) == (0, False), found.stderr
    return found.stdout


def me(url: str, name: str, password: str) -> int:
    return httpx.get(f"{url}/iam/me", auth=(name, password), trust_env=False).status_code


def test_a_user_lives_through_the_command_line(url: str, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(PLANTED + "\n")
    added = done(url, "users", "add", "ann", "--role", "VIEWER", "--new-password-file", str(tmp_path / "pw"), "--json")
    assert json.loads(added)[0]["roles"] == ["VIEWER"]
    assert me(url, "ann", PLANTED) == 200
    rows = [line.split() for line in done(url, "users", "list").splitlines()]
    assert [row[:4] for row in rows] == [
        ["id", "name", "roles", "enabled"],
        ["1", "admin", "ADMIN", "yes"],
        ["2", "ann", "VIEWER", "yes"],
    ]
    done(url, "users", "set-roles", "ann", "VIEWER", "TASK_MANAGER")
    assert json.loads(done(url, "users", "list", "--json"))[1]["roles"] == ["TASK_MANAGER", "VIEWER"]
    done(url, "users", "disable", "ann")
    assert me(url, "ann", PLANTED) == 401
    done(url, "users", "enable", "ann")
    done(url, "users", "set-password", "ann", MUSTER_NEW_PASSWORD="planted-by-admin")
    assert me(url, "ann", "planted-by-admin") == 200
    own = {"MUSTER_PASSWORD": "planted-by-admin", "MUSTER_NEW_PASSWORD": "planted-by-ann"}
    done(url, "users", "set-password", "ann", "--user", "ann", **own)
    assert me(url, "ann", "planted-by-ann") == 200
    done(url, "users", "remove", "ann")
    assert me(url, "ann", "planted-by-ann") == 401


def test_a_token_is_printed_alone_and_serves_the_command_line(url: str) -> None:
    token = done(url, "tokens", "create", "ci", "--permission", "HOST_MANAGER", "--expires-days", "3").strip()
    assert token.startswith("muster_")
    plain = {name: value for name, value in CLEAN.items()} | {"MUSTER_TOKEN": token}
    by_token = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "tokens", "list", "--api", url, "--json"],
        env=plain,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (listed,) = json.loads(by_token.stdout)
    assert (listed["name"], listed["permissions"]) == ("ci", ["HOST_MANAGER"])
    assert "ci" in done(url, "tokens", "list")
    done(url, "tokens", "revoke", listed["id"])
    assert httpx.get(f"{url}/iam/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code == 401


def test_an_access_key_signs(url: str) -> None:
    key = json.loads(done(url, "access-keys", "create", "mcp", "--json"))
    headers = signed_headers(key, "GET", url.removeprefix("http://"), "/compute/hosts")
    assert httpx.get(f"{url}/compute/hosts", headers=headers, trust_env=False).status_code == 200
    done(url, "access-keys", "revoke", key["id"])
    assert json.loads(done(url, "access-keys", "list", "--json")) == []


def test_the_audit_log_tells_who_did_what(url: str) -> None:
    done(url, "users", "add", "eve", "--role", "VIEWER", MUSTER_NEW_PASSWORD=PLANTED)
    trace = httpx.delete(f"{url}/iam/users/1", auth=("eve", PLANTED), trust_env=False).json()["traceId"]
    [entry] = json.loads(done(url, "audit", "list", "--by", "eve", "--json"))
    assert (entry["action"], entry["result"], entry["traceId"]) == ("users.delete_user", "REFUSED", trace)
    rows = [line.split() for line in done(url, "audit", "list", "--since", "1h", "--limit", "2").splitlines()]
    assert rows[0] == ["time", "user", "from", "action", "path", "result", "what", "trace", "id"]
    assert [row[1:6] for row in rows[1:]] == [
        ["eve", "127.0.0.1", "users.delete_user", "/iam/users/1", "REFUSED"],
        ["admin", "127.0.0.1", "users.create_user", "/api/v2/iam/users", "SUCCESSFUL"],
    ]
    assert 'user="eve"' in rows[2]
    nothing = ("--action", "hosts.batch_delete", "--since", "2021-09-03T14:20:26+08:00", "--json")
    assert json.loads(done(url, "audit", "list", *nothing)) == []
    done(url, "users", "remove", "eve")


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["users", "add", "ann", "--role", "VIEWER"], {}, 2, "MUSTER_NEW_PASSWORD"),
        (["users", "add", "ann"], {"MUSTER_NEW_PASSWORD": PLANTED}, 2, "--role"),
        (["users", "add", "ann", "--role", "ROOT"], {"MUSTER_NEW_PASSWORD": PLANTED}, 1, "roles[0]: must be one of"),
        (["users", "add", "ann", "--role", "ADMIN"], {"MUSTER_NEW_PASSWORD": "planted"}, 1, "8 to 1024 characters"),
        (["users", "add", "a", "--role", "ADMIN", "--new-password-file", "missing"], {}, 2, "missing"),
        (["users", "remove", "nobody"], {}, 1, "There is no user 'nobody'."),
        (["users", "remove", "admin"], {}, 1, "SYSTEM_MANAGER"),
        (["users", "list"], {"MUSTER_PASSWORD": "planted"}, 1, "wrong name or password"),
        (["tokens", "revoke", "nothing"], {}, 1, "no such token"),
        (["audit", "list", "--since", "yesterday"], {}, 2, "--since must be how long ago"),
        (["audit", "list", "--result", "GOOD"], {}, 1, "must be some of SUCCESSFUL, REFUSED, FAILED, UNFINISHED"),
        (["tokens", "create", "t", "--permission", "ROOT"], {}, 1, "permissions[0]"),
    ],
)
def test_what_can_not_be_done_is_said(
    url: str, arguments: list[str], variables: dict[str, str], code: int, words: str
) -> None:
    found = run(url, *arguments, **variables)
    assert (found.returncode, found.stdout) == (code, "")
    assert words in found.stderr
    assert "planted" not in found.stderr
    assert "Traceback" not in found.stderr


def test_a_webhook_is_made_tried_disabled_rotated_and_removed(url: str) -> None:
    receiver = Receiver()
    try:
        made = json.loads(done(url, "webhooks", "add", receiver.url, "--event", "task.ended", "--json"))
        id = str(made["id"])
        assert done(url, "webhooks", "test", id) == "DELIVERED: HTTP status 204\n"
        [got] = receiver.said("test")
        assert documented_verify()(made["secret"], got.headers, got.body)
        listed = done(url, "webhooks", "list")
        assert receiver.url in listed
        assert made["secret"] not in listed
        assert got.id in done(url, "webhooks", "deliveries", id)
        done(url, "webhooks", "disable", id)
        failed = run(url, "webhooks", "redeliver", id, got.id)
        assert (failed.returncode, "disabled" in failed.stderr) == (1, True), failed.stderr
        done(url, "webhooks", "enable", id)
        assert json.loads(done(url, "webhooks", "redeliver", id, got.id, "--json"))["status"] == "DELIVERED"
        rotated = run(url, "webhooks", "rotate", id, "--overlap", "2h")
        assert "Older secrets sign, too, until " in rotated.stderr
        done(url, "webhooks", "test", id)
        again = receiver.said("test")[-1]
        for secret in (made["secret"], rotated.stdout.strip()):
            assert documented_verify()(secret, again.headers, again.body)
        assert "must be a duration" in run(url, "webhooks", "rotate", id, "--overlap", "2 hours").stderr
        done(url, "webhooks", "remove", id)
        assert json.loads(done(url, "webhooks", "list", "--json")) == []
    finally:
        receiver.stop()
