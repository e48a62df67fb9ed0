"""Inventories: what is read, what is refused, and what the API is asked; the API is a real one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from cli.client import ApiClient
from cli.embedded import HOST, EmbeddedServer
from cli.error import CommandError, UsageError
from cli.inventory import HOSTS_A_CALL, Entry, calls, enrol, read_inventory
from cli.port import free_port
from cli.supervisor import Program, Supervisor, muster

CSV = """\
address,name,ssh_port,user,profile,zone,var.home,var.run_as,label.rack
10.0.0.1,web-1,2222,ops,systemd,east,/opt/agent,agent,r1
10.0.0.2,,,,,,,,
"""


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_csv(tmp_path: Path) -> None:
    full, bare = read_inventory(write(tmp_path / "fleet.csv", CSV))
    assert full == Entry(
        where=f"{tmp_path}/fleet.csv, line 2",
        address="10.0.0.1",
        name="web-1",
        ssh_port=2222,
        user="ops",
        profile="systemd",
        zone="east",
        variables={"home": "/opt/agent", "run_as": "agent"},
        labels={"rack": "r1"},
    )
    assert bare == Entry(where=f"{tmp_path}/fleet.csv, line 3", address="10.0.0.2")


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "fleet.csv"
    path.write_bytes('\ufeffaddress, name\r\n10.0.0.1,"a, b"\r\n'.encode())
    (entry,) = read_inventory(path)
    assert (entry.address, entry.name) == ("10.0.0.1", "a, b")


def test_json_as_the_demo_fleet_writes_it(tmp_path: Path) -> None:
    row = {
        "name": "host-001",
        "address": "127.77.0.1",
        "ssh_port": 4022,
        "user": "admin",
        "profile": "ocp_agentctl",
        "variables": {"home": "/srv/agent"},
    }
    (entry,) = read_inventory(write(tmp_path / "inventory.json", [row]))
    assert {name: getattr(entry, name) for name in row} == row


def test_defaults_fill_what_a_host_does_not_name(tmp_path: Path) -> None:
    path = write(tmp_path / "i.json", [{"address": "a", "zone": "east"}, {"address": "b", "user": ""}])
    entries = read_inventory(path, {"zone": "west", "user": "ops", "profile": ""})
    assert [(entry.zone, entry.user, entry.profile) for entry in entries] == [("east", "ops", ""), ("west", "ops", "")]


def test_an_address_is_known_by_its_canonical_spelling(tmp_path: Path) -> None:
    path = write(tmp_path / "i.json", [{"address": "2001:DB8:0::1"}, {"address": "Web.Example"}])
    assert [entry.address for entry in read_inventory(path)] == ["2001:db8::1", "web.example"]


BAD_JSON = [
    ([{"name": "x"}], "entry 1: address is required"),
    ([{"address": "a"}, {"address": "10.0.0.300"}], "entry 2: address must be an IPv4 or IPv6 address"),
    ([{"address": "a", "ssh_port": 0}], "entry 1: ssh_port must be positive"),
    ([{"address": "a", "ssh_port": "22"}], "entry 1: ssh_port must be an integer"),
    ([{"address": "a", "ssh_port": 65536}], "entry 1: ssh_port must be at most 65535"),
    ([{"address": "a", "user": "a b"}], "entry 1: user must match"),
    ([{"address": "a", "profile": "../etc"}], "entry 1: profile must match"),
    ([{"address": "a", "variables": {"home": 1}}], "entry 1: variables.home must be a string"),
    ([{"address": "a", "variables": ["home"]}], "entry 1: variables must be an object"),
    ([{"address": "a", "colour": "red"}], "entry 1: there is no field 'colour'"),
    ([{"address": "a"}, {"address": "A"}], "entry 2: names the same address and ssh_port as"),
    (["a"], "entry 1: must be an object"),
    ({"address": "a"}, "must be a JSON list"),
    ([], "names no hosts"),
    ("{", "is no JSON"),
]


@pytest.mark.parametrize(("content", "fault"), BAD_JSON)
def test_bad_json(content: object, fault: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_inventory(write(tmp_path / "fleet.json", content))
    assert str(caught.value).startswith(str(tmp_path / "fleet.json"))
    assert fault in str(caught.value)


BAD_CSV = [
    ("address,name\n10.0.0.1,a\n10.0.0.2\n", "line 3: has another number of columns"),
    ("address,name\n10.0.0.1,a,b\n", "line 2: has another number of columns"),
    ("address,ssh_port\n10.0.0.1,ssh\n", "line 2: ssh_port must be a number from 1 to 65535, not 'ssh'"),
    ("address,ssh_port\n10.0.0.1,99999\n", "line 2: ssh_port must be at most 65535"),
    ("address,home\n10.0.0.1,/opt\n", "line 2: there is no field 'home'"),
    ("name\nweb\n", "line 2: address is required"),
    ('address\n"10.0.0.1\n', "unexpected end of data"),
    ("address\n", "names no hosts"),
]


@pytest.mark.parametrize(("content", "fault"), BAD_CSV)
def test_bad_csv(content: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_inventory(write(tmp_path / "fleet.csv", content))
    assert fault in str(caught.value)


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_inventory(tmp_path / "missing.json")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="can't be read"):
        read_inventory(tmp_path / "binary.csv")


def test_hosts_with_the_same_common_fields_share_a_call() -> None:
    entries = [
        Entry("1", "a", name="x", zone="east"),
        Entry("2", "b", zone="west", variables={"home": "/b"}),
        Entry("3", "c", ssh_port=2222, zone="east"),
    ]
    assert list(calls(entries)) == [
        {
            "hostBasicDataList": [
                {"innerIpAddress": "a", "sshPort": 22, "name": "x"},
                {"innerIpAddress": "c", "sshPort": 2222},
            ],
            "zone": "east",
        },
        {"hostBasicDataList": [{"innerIpAddress": "b", "sshPort": 22}], "zone": "west", "variables": {"home": "/b"}},
    ]


def test_a_call_is_never_too_large() -> None:
    entries = [Entry(str(at), f"host-{at}") for at in range(2 * HOSTS_A_CALL + 1)]
    bodies = list(calls(entries))
    assert [len(body["hostBasicDataList"]) for body in bodies] == [HOSTS_A_CALL, HOSTS_A_CALL, 1]


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


def run(url: str, *arguments: str, cwd: Path, password: str = "open sesame") -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "hosts", "import", "--api", url, *arguments],
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
    assert "fleet.csv, line 3: ssh_port must be positive" in done.stderr
    assert "Traceback" not in done.stderr
    with ApiClient(url, "admin", "open sesame") as client:
        assert list(client.hosts()) == []


def test_a_dry_run_enrols_nothing(url: str, tmp_path: Path) -> None:
    write(tmp_path / "fleet.csv", CSV)
    done = run(url, "fleet.csv", "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"would_enrol": ["web-1", "10.0.0.2"], "skipped": []}
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


def test_all_pages_of_hosts_are_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.LARGEST_PAGE", 2)
    entries = [Entry(str(at), f"10.1.0.{at}") for at in range(1, 6)]
    with ApiClient(f"{url}/api/v2/", "admin", "open sesame") as client:
        assert len(enrol(client, entries).created) == 5
        assert [host["innerIpAddress"] for host in client.hosts()] == [entry.address for entry in entries]
        assert enrol(client, entries).created == {}


def test_what_the_api_refuses_is_passed_on(url: str) -> None:
    with ApiClient(url, "admin", "open sesame") as client, pytest.raises(CommandError, match=r"sshPort.*at most"):
        client.enrol({"hostBasicDataList": [{"innerIpAddress": "a", "sshPort": 70000}]})
