"""Hosts on the command line: inventories, single hosts, looks; the API is a real one, without workers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from cli.client import ApiClient
from cli.embedded import HOST, EmbeddedServer
from cli.error import CommandError, UsageError
from cli.inventory import format_of, import_inventory
from cli.port import free_port
from cli.supervisor import Program, Supervisor, muster
from dag.host import Agent, AgentStatus
from dag.key import Keys

CSV = """\
address,name,ssh_port,user,profile,zone,var.home,var.run_as,label.rack
10.0.0.1,web-1,2222,ops,systemd,east,/opt/agent,agent,r1
10.0.0.2,,,,,,,,
"""


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


FORMATS = [
    ("fleet.csv", "csv"),
    ("FLEET.JSON", "json"),
    ("fleet.yml", "yaml"),
    ("fleet.yaml", "yaml"),
    ("fleet.ini", "ini"),
    ("etc/hosts", "ini"),
]


@pytest.mark.parametrize(("name", "form"), FORMATS)
def test_a_name_tells_the_format(name: str, form: str) -> None:
    assert format_of(Path(name)) == form


def test_a_name_that_tells_no_format_asks_for_one() -> None:
    with pytest.raises(UsageError, match=r"fleet\.txt.*--format csv, json, yaml or ini"):
        format_of(Path("fleet.txt"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of a real API, and of its store."""
    path = tmp_path_factory.mktemp("api")
    store = EmbeddedServer(path / "valkey", free_port(HOST), "store-password")
    port = free_port(HOST)
    environment = {
        "MUSTER_REDIS_URL": store.url,
        "MUSTER_API_PORT": str(port),
        "MUSTER_API_ADMIN_PASSWORD": "open sesame",
        "MUSTER_API_LOOK_SECONDS": "0.3",
    }
    supervisor = Supervisor(path, print)
    try:
        supervisor.start(store.program())
        supervisor.wait_for("valkey", store.answers, 10)
        supervisor.start(Program("api", muster("api"), environment))
        supervisor.wait_for("api", lambda: "the API listens" in supervisor.tail("api"), 20)
        yield f"http://{HOST}:{port}", store.url
    finally:
        supervisor.stop()


@pytest.fixture
def url(server: tuple[str, str]) -> str:
    """The URL of the API, with no hosts."""
    api, store = server
    with Redis.from_url(store) as redis:
        redis.delete(*[key for key in redis.keys("{p00}:*")] or ["none"])
    return api


def run(
    url: str, *arguments: str, cwd: Path, password: str = "open sesame", command: str = "import"
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "hosts", command, "--api", url, *arguments],
        cwd=cwd,
        env={**clean, "MUSTER_PASSWORD": password} if password else clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_import_enrols_what_is_missing(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.csv", CSV)
    first = run(url, "fleet.csv", "--zone", "north", cwd=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    rows = [line.split() for line in first.stdout.splitlines()]
    assert rows[0] == ["name", "id"]
    assert {row[0] for row in rows[1:]} == {"web-1", "10.0.0.2"}
    with ApiClient(url, "admin", "open sesame") as client:
        hosts = {host["name"]: host for host in client.hosts()}
    assert {name: str(host["id"]) for name, host in hosts.items()} == {row[0]: row[1] for row in rows[1:]}
    assert (hosts["web-1"]["zone"], hosts["10.0.0.2"]["zone"]) == ("east", "north")
    assert (hosts["web-1"]["sshPort"], hosts["web-1"]["labels"]) == (2222, {"rack": "r1"})
    write(tmp_path / "more.csv", CSV + "10.0.0.3,db-1,,,,,,,\n")
    second = run(url, "more.csv", "--json", cwd=tmp_path)
    told = json.loads(second.stdout)
    assert list(told["enrolled"]) == ["db-1"]
    assert told["skipped"] == ["web-1", "10.0.0.2"]
    third = run(url, "more.csv", cwd=tmp_path)
    assert third.returncode == 0
    assert "skipped: web-1, 10.0.0.2, db-1" in third.stderr


def test_nothing_is_enrolled_when_a_line_is_bad(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.csv", "address,ssh_port\n10.0.0.1,22\n10.0.0.2,0\n")
    done = run(url, "fleet.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "fleet.csv, line 3, ssh_port: must be positive" in done.stderr
    whole = run(url, "fleet.csv", "--format", "yaml", cwd=tmp_path)
    assert "muster: fleet.csv: must be a list of hosts" in whole.stderr
    assert "Traceback" not in done.stderr
    with ApiClient(url, "admin", "open sesame") as client:
        assert list(client.hosts()) == []


def test_a_dry_run_enrols_nothing(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.csv", CSV)
    done = run(url, "fleet.csv", "--dry-run", "--json", cwd=tmp_path)
    wanted = {"would_enrol": ["web-1", "10.0.0.2"], "skipped": [], "ignored_variables": []}
    assert json.loads(done.stdout) == wanted
    with ApiClient(url, "admin", "open sesame") as client:
        assert list(client.hosts()) == []


def test_the_password_may_be_in_a_file(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.csv", CSV)
    write(tmp_path / "pw", "open sesame\n")
    assert run(url, "fleet.csv", "--password-file", "pw", cwd=tmp_path, password="").returncode == 0
    missing = run(url, "fleet.csv", "--password-file", "none", cwd=tmp_path, password="")
    assert (missing.returncode, "none can't be read" in missing.stderr) == (2, True)


def test_a_password_is_needed_and_must_be_right(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.csv", CSV)
    without = run(url, "fleet.csv", cwd=tmp_path, password="")
    assert (without.returncode, "--password-file" in without.stderr) == (2, True)
    wrong = run(url, "fleet.csv", cwd=tmp_path, password="guess")
    assert (wrong.returncode, "refuses user 'admin'" in wrong.stderr) == (1, True)
    assert "guess" not in wrong.stderr


def test_an_api_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = f"http://{HOST}:{free_port(HOST)}"
    write(tmp_path / "fleet.csv", CSV)
    done = run(url, "fleet.csv", cwd=tmp_path)
    assert (done.returncode, f"No API answers at {url}" in done.stderr) == (1, True)
    wrong = run("localhost:8480", "fleet.csv", cwd=tmp_path)
    assert (wrong.returncode, "--api must be a URL" in wrong.stderr) == (2, True)


def test_an_ansible_inventory_is_imported_whatever_it_is_called(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.txt", "[web]\nweb[1:2] ansible_host=10.1.0.1 ansible_port=22 http_port=80\n")
    refused = run(url, "fleet.txt", cwd=tmp_path)
    assert (refused.returncode, "--format" in refused.stderr) == (2, True)
    doubled = run(url, "fleet.txt", "--format", "ini", cwd=tmp_path)
    assert doubled.returncode == 2
    assert "fleet.txt, line 2, address: 10.1.0.1 port 22 is named before, at line 2" in doubled.stderr
    write(tmp_path / "hosts", "[web]\nweb[1:2] http_port=80\n")
    done = run(url, "hosts", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "say nothing to Muster: http_port" in done.stderr
    with ApiClient(url, "admin", "open sesame") as client:
        labels = {host["name"]: host["labels"] for host in client.hosts()}
    assert labels == {"web1": {"web": "true"}, "web2": {"web": "true"}}


def test_a_file_that_can_not_be_read(url: str, tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with ApiClient(url, "admin", "open sesame") as client:
        for name in ("missing.json", "binary.csv"):
            with pytest.raises(UsageError, match=f"{name} can't be read"):
                import_inventory(client, tmp_path / name)


def test_all_pages_of_hosts_are_read(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.LARGEST_PAGE", 2)
    path = write(tmp_path / "fleet.json", [{"address": f"10.1.0.{at}"} for at in range(1, 6)])
    with ApiClient(f"{url}/api/v2/", "admin", "open sesame") as client:
        assert len(import_inventory(client, path)["contents"]) == 5
        assert [host["innerIpAddress"] for host in client.hosts()] == [f"10.1.0.{at}" for at in range(1, 6)]
        assert len(import_inventory(client, path)["skipped"]) == 5


def test_what_the_api_refuses_is_passed_on(url: str) -> None:
    with ApiClient(url, "admin", "open sesame") as client, pytest.raises(CommandError, match=r"sshPort.*at most"):
        client.enrol({"hostBasicDataList": [{"innerIpAddress": "a", "sshPort": 70000}]})


def hosts(url: str, command: str, *arguments: str, cwd: Path) -> Any:
    """What a command prints as JSON."""
    done = run(url, *arguments, "--json", cwd=cwd, command=command)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_hosts_are_added_listed_and_removed(url: str, tmp_path: Path) -> None:
    options = ["--name", "web-1", "--ssh-port", "2222", "--ssh-user", "ops", "--profile", "systemd", "--zone", "east"]
    more = ["--var", "home=/opt/a=b", "--label", "rack=r1", "--credential", "7"]
    first = hosts(url, "add", "10.2.0.1", *options, *more, cwd=tmp_path)
    assert {name: first[name] for name in ("name", "sshPort", "user", "profile", "zone", "labels", "credentialId")} == {
        "name": "web-1",
        "sshPort": 2222,
        "user": "ops",
        "profile": "systemd",
        "zone": "east",
        "labels": {"rack": "r1"},
        "credentialId": 7,
    }
    second = run(url, "10.2.0.2", cwd=tmp_path, command="add")
    assert (second.returncode, second.stdout) == (0, f"Host {first['id'] + 1}: 10.2.0.2\n")
    again = run(url, "10.2.0.2", cwd=tmp_path, command="add")
    assert (again.returncode, "enrolled already" in again.stderr) == (1, True)
    assert [host["name"] for host in hosts(url, "list", "--sort", "name,desc", cwd=tmp_path)] == ["web-1", "10.2.0.2"]
    assert [host["id"] for host in hosts(url, "list", "--keyword", "WEB", cwd=tmp_path)] == [first["id"]]
    assert hosts(url, "list", "--status", "OFFLINE", cwd=tmp_path) == []
    table = run(url, cwd=tmp_path, command="list").stdout.splitlines()
    assert table[0].split() == ["id", "name", "address", "port", "status", "agent", "zone", "profile"]
    assert len(table) == 3
    unknown = run(url, "web-1", "db-9", cwd=tmp_path, command="remove")
    assert (unknown.returncode, unknown.stderr) == (2, "muster: db-9 is no host.\n")
    assert hosts(url, "remove", "web-1", "10.2.0.2", cwd=tmp_path) == {"removed": [first["id"], first["id"] + 1]}
    assert hosts(url, "list", cwd=tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["10.0.0.999"], "innerIpAddress: must be an IPv4 or IPv6 address"),
        (["a", "--var", "home"], "--var must be NAME=VALUE, not 'home'"),
        (["a", "--ssh-port", "0"], "sshPort: must be positive"),
        (["a", "--zone", "a b"], "zone: must match"),
    ],
)
def test_a_host_that_makes_no_sense_is_not_added(url: str, tmp_path: Path, arguments: list[str], fault: str) -> None:
    done = run(url, *arguments, cwd=tmp_path, command="add")
    assert done.returncode in (1, 2)
    assert fault in done.stderr
    assert hosts(url, "list", cwd=tmp_path) == []


def test_a_check_tells_what_was_last_seen_and_fails_where_nobody_looks(
    url: str, server: tuple[str, str], tmp_path: Path
) -> None:
    for number in (1, 2):
        hosts(url, "add", f"10.3.0.{number}", "--name", f"db-{number}", cwd=tmp_path)
    first, second = hosts(url, "list", cwd=tmp_path)
    agent = Agent(AgentStatus.STARTED, "4.2", {"ocp_agentd": 7}, seen_at=1_600_000_000_000)
    with Redis.from_url(server[1]) as redis:
        redis.hset(Keys().agents, str(first["id"]), json.dumps(asdict(agent)))
    done = run(url, cwd=tmp_path, command="check")
    assert done.returncode == 1
    rows = done.stdout.splitlines()
    assert rows[1].split()[:6] == [str(first["id"]), "db-1", "STARTED", "4.2", "ocp_agentd", "7"]
    assert "2020-09-1" in rows[1]
    assert "not seen" in rows[2]
    assert "No worker of zone default has looked at host" in rows[2]
    told = run(url, "db-2", str(second["id"]), "--json", cwd=tmp_path, command="check")
    assert (told.returncode, [one["id"] for one in json.loads(told.stdout)]) == (1, [second["id"]])
