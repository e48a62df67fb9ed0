"""A task at a glance: its grid of stages and hosts, one subtask with its host, its failures with their reasons."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from werkzeug.test import TestResponse

from dag import host_name
from dag.change import order_of
from dag.definition.batch_restart import BATCH_RESTART
from dag.definition.restart import RESTART
from dag.host import Host
from dag.host_name import HostNames, names_version
from dag.lease import Report
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.state import NodeStatus
from dag.store import Store
from tests.effort import calls_of
from tests.iam import Iam
from tests.unit.test_api_task import LOG, Api, refused
from tests.unit.test_api_view import get, large

MOST_BYTES = 300_000


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()
    yield found
    found.redis.close()


def grid_of(api: Api, task: int, prefix: str = "") -> Any:
    return api.data("GET", f"{prefix}/tasks/instances/{task}/grid")


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_a_grid_shows_each_subtask_of_the_detail(api: Api, prefix: str) -> None:
    task = api.submit([3, 1])
    api.fail(task, 0)
    api.begin(task, 1)
    found, nodes = grid_of(api, task, prefix), api.data("GET", f"/tasks/{task}")["subtasks"]
    letters = {status.letter: status.value for status in NodeStatus}
    shown = [
        (stage["firstId"] + at, stage["seriesId"], stage["name"], letters[letter])
        for stage in found["stages"]
        for at, letter in enumerate(stage["statuses"])
    ]
    assert shown == [(node["id"], node["seriesId"], node["name"], node["status"]) for node in nodes]
    assert found["stages"][0]["statuses"] == "FX"
    assert [stage["waitNode"] for stage in found["stages"]] == [False, True] * 4 + [False]
    assert found["hosts"] == {"ids": [3, 1], "names": ["10.0.0.3", "10.0.0.1"]}


def test_a_grid_goes_on_with_the_events_behind_it(api: Api) -> None:
    task = api.submit([1, 2])
    before = grid_of(api, task)["eventId"]
    api.begin(task, 0)
    after = grid_of(api, task)["eventId"]
    assert order_of(after) > order_of(before)
    path = f"/tasks/instances/{task}/events?lastEventId={before}"
    with api.client.open(path, auth=("manager", "correct horse")) as answer:
        text = next(chunk for chunk in map(bytes.decode, answer.iter_encoded()) if "data: " in chunk)
    fields = {name: value for name, _, value in (line.partition(": ") for line in text.strip().split("\n"))}
    assert (fields["event"], fields["id"]) == ("changes", after)
    assert [change["status"] for change in json.loads(fields["data"])["changes"]] == ["RUNNING"]


def test_what_waits_for_its_hosts_is_pending_in_a_grid(api: Api) -> None:
    task, other = api.submit([1, 2]), api.submit([2])
    api.fail(task, 0, 1)
    info = api.hand.info(task)
    assert info
    api.hand.release(info)
    Operations(api.store).retry(task)
    assert "W" in str(api.redis.get(api.store.keys.status(task)))
    assert grid_of(api, task)["stages"][0]["statuses"] == "PP"
    assert grid_of(api, other)["stages"][0]["statuses"] in ("R", "P")


def test_a_host_that_was_forgotten_has_no_name_and_the_answer_another_tag(api: Api) -> None:
    task = api.submit([1, 2])
    api.fail(task, 0, 1)
    info = api.hand.info(task)
    assert info
    api.hand.release(info)
    node = api.store.load(task).nodes[1].id
    paths = [f"/tasks/instances/{task}/grid", f"/tasks/instances/{task}/subtasks/{node}"]
    tags = {path: get(api, path).headers["ETag"] for path in paths}
    for path, tag in tags.items():
        assert get(api, path, If_None_Match=tag).status_code == 304
    HostRegistry(api.redis).delete([2])
    for path, tag in tags.items():
        assert get(api, path, If_None_Match=tag).status_code == 200
    assert grid_of(api, task)["hosts"] == {"ids": [1, 2], "names": ["10.0.0.1", ""]}
    found = api.data("GET", paths[1])
    assert (found["hostId"], found["hostName"]) == (2, "")


def test_names_have_another_version_whenever_they_are_others(redis: Redis) -> None:
    store, registry = Store(redis), HostRegistry(redis)
    enrolled: list[int] = []
    seen = {names_version(store): tuple(enrolled)}
    # Up and down, and past each number of hosts more than once.
    for step in "++-+--+++-+-+--":
        if step == "+":
            [host] = registry.create([Host(0, f"10.0.0.{len(seen)}.{len(enrolled)}.{sum(enrolled)}")])
            enrolled.append(host.id)
        else:
            registry.delete([enrolled.pop(len(enrolled) // 2)])
        assert seen.setdefault(names_version(store), tuple(enrolled)) == tuple(enrolled)
    assert len(seen) > 8


def test_names_are_read_in_the_order_of_the_ids(redis: Redis) -> None:
    hosts = HostRegistry(redis).create([Host(0, f"10.0.{n // 250}.{n % 250}", name=f"web-{n}") for n in range(2100)])
    ids = [host.id for host in hosts][::-1]
    names = HostNames(Store(redis))
    wanted = [f"web-{n}" for n in reversed(range(2100))] + [""]
    # The first reads them, the second remembers.
    assert names.read([*ids, 4711]) == names.read([*ids, 4711]) == wanted
    assert names.read([]) == []


def test_names_are_remembered_until_a_host_is_enrolled_or_forgotten(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, names = HostRegistry(redis), HostNames(Store(redis))
    made = [host.id for host in registry.create([Host(0, f"10.0.0.{n}", name=f"web-{n}") for n in range(3)])]
    reads: list[int] = []
    load = host_name._load
    monkeypatch.setattr(host_name, "_load", lambda store, ids: [reads.append(len(ids)), load(store, ids)][1])

    def read(*ids: int) -> list[str]:
        return names.read(ids)

    assert read(made[0], made[1]) == ["web-0", "web-1"]
    assert read(made[1], made[2], 99) == ["web-1", "web-2", ""]
    assert read(*made) == ["web-0", "web-1", "web-2"]
    assert reads == [2, 2, 0]
    registry.delete([made[1]])
    assert read(*made) == ["web-0", "", "web-2"]
    [last] = registry.create([Host(0, "10.0.0.9")])
    assert read(made[1], last.id) == ["", "10.0.0.9"]


def test_one_subtask_is_as_in_the_detail_with_its_host_and_reason(api: Api) -> None:
    task = api.submit([2, 1])
    failed = api.fail(task, 0, log=LOG + "the disk is full\n")
    shown = {node["id"]: node for node in api.data("GET", f"/tasks/{task}")["subtasks"]}

    def extras(node: int) -> dict[str, Any]:
        found: dict[str, Any] = api.data("GET", f"/api/v2/tasks/instances/{task}/subtasks/{node}")
        assert {name: found.pop(name) for name in shown[node]} == shown[node]
        return found

    where = {"hostId": 2, "hostName": "10.0.0.2", "attempt": 1}
    assert extras(failed) == {**where, "messageId": f"{failed}-1", "reason": "the disk is full"}
    # A Wait node, and one that has not begun.
    nowhere = {"hostId": None, "hostName": None, "attempt": 1}
    assert extras(failed + 2) == {**nowhere, "messageId": None, "reason": ""}
    assert extras(failed + 3) == {**where, "messageId": None, "reason": ""}
    refused(api.call("GET", f"/tasks/instances/{task}/subtasks/{failed + 99}"), 404, 10002)
    refused(api.call("GET", f"/tasks/instances/4711/subtasks/{failed}"), 404, 20000)


def test_an_attempt_is_the_message_that_flower_shows(api: Api) -> None:
    task = api.submit([1])
    node = api.fail(task, 0)
    path = f"/tasks/instances/{task}/subtasks/{node}"
    info = api.hand.info(task)
    assert info
    api.hand.release(info)
    Operations(api.store).retry_node(task, node)
    assert (api.data("GET", path)["attempt"], api.data("GET", path)["messageId"]) == (1, None)
    api.begin(task, 0)
    assert (api.data("GET", path)["attempt"], api.data("GET", path)["messageId"]) == (2, f"{node}-2")


def test_a_task_on_one_host_has_a_grid_of_one_row(api: Api) -> None:
    found = grid_of(api, api.submit([2], RESTART))
    assert {stage["statuses"] for stage in found["stages"][1:]} == {"P"}
    assert not any(stage["waitNode"] for stage in found["stages"])
    assert found["hosts"]["ids"] == [2]


def test_failures_come_page_by_page_with_the_last_lines_of_their_logs(api: Api) -> None:
    task = large(api, 45)
    for offset in range(0, 45, 2):
        api.fail(task, offset, log=f"{LOG}fault {offset}\n")
    path = f"/tasks/instances/{task}/failures"
    pages = [api.data("GET", f"/api/v2{path}?size=10&page={number}") for number in (1, 2, 3, 4)]
    assert [page["page"]["totalElements"] for page in pages] == [23] * 4
    found = [failure for page in pages for failure in page["contents"]]
    assert [failure["reason"] for failure in found] == [f"fault {offset}" for offset in range(0, 45, 2)]
    assert [failure["parallelIdx"] for failure in found] == list(range(0, 45, 2))
    assert api.data("GET", f"{path}?size=2000")["contents"] == found
    assert api.data("GET", f"/tasks/{task}?view=summary")["summary"]["failed"] == found[:20]
    tag = get(api, path).headers["ETag"]
    assert get(api, path, If_None_Match=tag).status_code == 304
    assert get(api, f"{path}?size=5").headers["ETag"] != tag
    refused(api.call("GET", f"{path}?size=0"), 400, 10001)
    refused(api.call("GET", "/tasks/instances/4711/failures"), 404, 20000)


def test_a_grid_of_ten_thousand_hosts_is_small_and_little_work(valkey_url: str) -> None:
    redis = Redis.from_url(valkey_url, decode_responses=True)
    redis.flushall()
    iam, hosts = Iam(redis), 10_000
    enrolled = HostRegistry(redis).create(
        [Host(0, f"10.1.{n // 250}.{n % 250}", name=f"host-{n:05d}") for n in range(hosts)]
    )
    task = Store(redis).submit(
        BATCH_RESTART, [host.id for host in enrolled], creator="admin", executor="e", trace_id="t"
    )
    answers: list[TestResponse] = []
    calls = calls_of(lambda: answers.append(iam.call("GET", f"/tasks/instances/{task}/grid")))
    [answer] = answers
    assert answer.status_code == 200
    assert len(answer.data) <= MOST_BYTES
    assert sum(len(stage["statuses"]) for stage in answer.get_json()["data"]["stages"]) == 50_004
    # That checks the answer against its schema here, too; without, some calls a stage.
    assert calls < 5_000_000, calls
    assert api_subtask(iam, task)["hostName"] == "host-00000"
    redis.close()


def api_subtask(iam: Iam, task: int) -> Any:
    node = Store(iam.redis).read(task).graph.base
    return iam.data("GET", f"/tasks/instances/{task}/subtasks/{node}")


def test_a_reason_is_the_last_line_of_the_last_run(api: Api) -> None:
    task = api.submit([1])
    node = api.fail(task, 0, log=f"{LOG}first fault\n")
    info = api.hand.info(task)
    assert info
    api.hand.release(info)
    Operations(api.store).retry_node(task, node)
    path = f"/tasks/instances/{task}/subtasks/{node}"
    assert api.leases.fail(api.begin(task, 0), Report(f"{LOG}second fault\n"))
    assert api.data("GET", path)["reason"] == "second fault"
    assert api.data("GET", f"/tasks/instances/{task}/failures")["contents"][0]["reason"] == "second fault"
