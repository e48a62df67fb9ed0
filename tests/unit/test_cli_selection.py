"""Which hosts a command means: ids, ranges, names, addresses, labels, a file."""

import io
from pathlib import Path
from typing import Any

import fakeredis
import httpx
import pytest

from cli.client import ApiClient
from cli.error import UsageError
from cli.selection import Selection, find_hosts, read_names
from dag.host import Host
from tests.iam import PASSWORD, Iam

# Ids 2 to 7, behind the host that `Iam` enrols: web-1 at 10.0.0.1.
HOSTS = [
    Host(0, "10.0.1.2", name="web-2", labels={"rack": "r1"}),
    Host(0, "10.0.1.3", name="db-3", labels={"rack": "r1", "tier": "db"}),
    Host(0, "10.0.1.4", name="twin"),
    Host(0, "10.0.1.5", name="twin"),
    Host(0, "10.0.1.6", name="2"),
    Host(0, "10.0.1.7", name="1-2"),
]


@pytest.fixture(scope="module")
def client() -> ApiClient:
    """A client of an API with seven hosts."""
    iam = Iam(fakeredis.FakeRedis(decode_responses=True))
    iam.registry.create(HOSTS)
    return ApiClient("http://muster", "admin", PASSWORD, transport=httpx.WSGITransport(app=iam.app))


def ids(hosts: list[dict[str, Any]]) -> list[int]:
    return [host["id"] for host in hosts]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["1,3"], [1, 3]),
        (["3,1", "3"], [3, 1]),
        (["4-6, 1"], [4, 5, 6, 1]),
        (["5-99"], [5, 6, 7]),
        (["6-6"], [6]),
        (["web-1,10.0.1.3"], [1, 3]),
        (["2"], [2]),
    ],
)
def test_hosts_are_named_by_id_range_name_and_address(client: ApiClient, names: list[str], wanted: list[int]) -> None:
    assert ids(Selection(names).hosts(client)) == wanted


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("99", "99 is no host"),
        ("web-9", "web-9 is no host"),
        ("50-60", "50-60 is no host: none with such an id is enrolled"),
        ("6-4", "6-4 is a range whose end comes before its beginning"),
        ("twin", "twin is hosts 4, 5: name one by its id"),
        ("1-2", "1-2 is a range of ids, and a host is called so, too"),
    ],
)
def test_what_stands_for_no_host_or_for_several_is_refused(client: ApiClient, name: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        find_hosts(client, ["1", name])


@pytest.mark.parametrize(
    ("labels", "wanted"), [({"rack": "r1"}, [2, 3]), ({"rack": "r1", "tier": "db"}, [3]), ({"a b": "c&d"}, None)]
)
def test_a_host_has_all_labels_that_are_asked_for(
    client: ApiClient, labels: dict[str, str], wanted: list[int] | None
) -> None:
    if wanted:
        assert ids(Selection(labels=labels).hosts(client)) == wanted
        return
    with pytest.raises(UsageError, match="No host has these labels"):
        Selection(labels=labels).hosts(client)


def test_all_are_those_that_are_enrolled(client: ApiClient) -> None:
    assert ids(Selection(everything=True).hosts(client)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_file_names_hosts_with_comments(client: ApiClient, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("\ufeff# the web\nweb-1, web-2  # two\n\n4-5\n10.0.1.3\n")
    assert ids(Selection(file=file).hosts(client)) == [1, 2, 4, 5, 3]


def test_a_file_may_be_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("web-1\n3\n"))
    assert read_names(Path("-")) == ["web-1", "3"]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(["1"], everything=True),
        Selection(labels={"rack": "r1"}, everything=True),
        Selection(["1"], file=Path("hosts")),
    ],
)
def test_hosts_are_said_in_one_way_only(client: ApiClient, selection: Selection) -> None:
    with pytest.raises(UsageError, match="one of --hosts, --all, --label and --file"):
        selection.hosts(client)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"# nothing\n"])
def test_a_file_that_names_nothing_is_refused(client: ApiClient, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "hosts").write_bytes(content)
    fault = "No host is named" if content == b"# nothing\n" else "hosts can't be read"
    with pytest.raises(UsageError, match=fault):
        Selection(file=tmp_path / "hosts").hosts(client)
