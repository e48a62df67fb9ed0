"""The answer of batchRestartAgents against the sample response of the published document, field for field."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from api.app import create_app
from api.user import UserStore
from config.settings import Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store

SAMPLE = json.loads((Path(__file__).parent / "batch-restart-response.json").read_text())
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")
HOST_SERIES, WAIT_SERIES = [2, 8, 1, 5, 6], [0, 4, 7, 3]
Submit = Callable[..., dict[str, Any]]
Key = tuple[int, int]


@pytest.fixture
def submit() -> Iterator[Submit]:
    redis = fakeredis.FakeRedis(decode_responses=True)
    store, registry, users = Store(redis), HostRegistry(redis), UserStore(redis)
    users.ensure_admin("admin", "secret")
    registry.create([Host(0, f"10.0.{n // 250}.{n % 250}") for n in range(1, 61)])
    client = create_app(store, registry, users, Settings()).test_client()

    def call(hosts: list[int], path: str = "/compute/hosts/batchRestartAgents", field: str = "hostids") -> Any:
        answer = client.post(path, json={field: hosts}, auth=("admin", "secret"))
        assert answer.status_code == 200
        return json.loads(answer.data)

    yield call
    redis.close()


def keyed(task: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """The subtasks by (seriesId, parallelIdx), their edges in the same words, without ids."""
    places = {node["id"]: (node["seriesId"], node["parallelIdx"]) for node in task["subtasks"]}
    assert len(places) == len(task["subtasks"])
    return {
        places[node["id"]]: {
            **{name: value for name, value in node.items() if name != "id"},
            "upstreams": sorted(places[other] for other in node["upstreams"]),
            "downstreams": sorted(places[other] for other in node["downstreams"]),
        }
        for node in task["subtasks"]
    }


@pytest.mark.parametrize("path", ["/compute/hosts/batchRestartAgents", "/api/v2/compute/hosts/batchRestartAgents"])
@pytest.mark.parametrize("field", ["hostIds", "hostids"])
def test_one_host_is_answered_as_the_sample_shows(submit: Submit, path: str, field: str) -> None:
    answer = submit([2], path, field)
    assert list(answer["data"]) == list(SAMPLE["data"])
    assert keyed(answer["data"]) == keyed(SAMPLE["data"])
    assert [list(node) for node in answer["data"]["subtasks"]] == [list(node) for node in SAMPLE["data"]["subtasks"]]
    free = {"id", "startTime", "executor", "subtasks"}
    for name in SAMPLE["data"].keys() - free:
        assert answer["data"][name] == SAMPLE["data"][name]
    assert answer.keys() == SAMPLE.keys()
    assert (answer["status"], answer["successful"]) == (SAMPLE["status"], SAMPLE["successful"])


def test_what_differs_from_the_sample_has_its_form(submit: Submit) -> None:
    answer = submit([2])
    assert TIME.fullmatch(answer["timestamp"])
    assert TIME.fullmatch(answer["data"]["startTime"])
    assert re.fullmatch(r"[0-9a-f]{16}", answer["traceId"])
    assert type(answer["duration"]) is int
    assert answer["server"]
    assert answer["data"]["executor"]
    assert all(type(node["id"]) is int for node in answer["data"]["subtasks"])


@pytest.mark.parametrize("count", [1, 2, 3, 20, 60])
def test_many_hosts_have_the_same_stages(submit: Submit, count: int) -> None:
    task = submit(list(range(1, count + 1)))["data"]
    nodes = keyed(task)
    assert len(nodes) == 5 * count + 4
    assert set(nodes) == {(s, i) for s in HOST_SERIES for i in range(count)} | {(s, -1) for s in WAIT_SERIES}
    assert task["context"]["listMap"]["host_ids"] == [str(host) for host in range(1, count + 1)]
    sample = keyed(SAMPLE["data"])
    for (series, index), node in nodes.items():
        one = sample[series, min(index, 0)]
        for name in one.keys() - {"upstreams", "downstreams", "parallelIdx"}:
            assert node[name] == one[name]
        for edges in ("upstreams", "downstreams"):
            wanted = [(s, i) for s, first in one[edges] for i in ([-1] if first < 0 else range(count))]
            assert node[edges] == sorted(wanted)


def test_edges_are_the_same_from_both_ends(submit: Submit) -> None:
    nodes = keyed(submit([5, 3, 9])["data"])
    down = {(place, other) for place, node in nodes.items() for other in node["downstreams"]}
    up = {(other, place) for place, node in nodes.items() for other in node["upstreams"]}
    assert down == up
