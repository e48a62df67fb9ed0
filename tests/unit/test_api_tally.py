"""The list of tasks as summaries: the same counts as each task's own summary, and cheap."""

from collections.abc import Iterator
from typing import Any

import pytest

from dag.host import Host
from dag.operation import Operations
from dag.registry import HostRegistry
from tests.unit.test_api_task import Api, refused

PATH = "/tasks/instances"


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()
    yield found
    found.redis.close()


def listed(api: Api) -> dict[int, dict[str, Any]]:
    return {one["id"]: one for one in api.data("GET", f"{PATH}?view=summary")["contents"]}


def test_each_task_is_counted_as_its_own_summary_counts_it(api: Api) -> None:
    running, undone, waiting = api.submit([1]), api.submit([2]), api.submit([1, 3])
    api.begin(running, 0)
    api.fail(undone, 0)
    Operations(api.store).roll_back(undone)
    found = listed(api)
    assert found.keys() == {running, undone, waiting}
    for task, shown in found.items():
        own = api.data("GET", f"{PATH}/{task}?view=summary")
        summary = own["summary"]
        assert (shown["statuses"], shown["progress"]) == (summary["statuses"], summary["progress"])
        names = ("id", "name", "creator", "status", "operation", "startTime", "finishTime")
        assert [shown[name] for name in names] == [own[name] for name in names]
    assert [found[task]["hostCount"] for task in (running, undone, waiting)] == [1, 1, 2]
    assert [found[task]["subtaskCount"] for task in (running, undone, waiting)] == [9, 9, 14]
    assert found[undone]["operation"] == "ROLLBACK"


def test_filters_and_pages_are_those_of_the_list(api: Api) -> None:
    tasks = [api.submit([host]) for host in (1, 2, 3)]
    answer = api.data("GET", f"{PATH}?view=summary&sort=id,desc&size=2&page=1")
    assert [one["id"] for one in answer["contents"]] == tasks[:0:-1]
    assert answer["page"] == {"totalElements": 3, "totalPages": 2, "number": 1, "size": 2}
    assert api.data("GET", f"{PATH}?view=summary&hostId=2")["contents"][0]["id"] == tasks[1]
    assert api.data("GET", f"{PATH}?view=summary&status=FAILED")["contents"] == []


def test_a_summary_has_a_tag_of_its_own_that_ends_with_any_change(api: Api) -> None:
    task = api.submit([1])
    path = f"{PATH}?view=summary"
    first = api.call("GET", path)
    tag = first.headers["ETag"]
    assert api.call("GET", PATH).headers["ETag"] != tag
    assert api.call("GET", path, headers={"If-None-Match": tag}).status_code == 304
    api.begin(task, 0)
    assert api.call("GET", path, headers={"If-None-Match": tag}).status_code == 200


def test_a_list_of_large_tasks_has_none_of_their_subtasks(api: Api) -> None:
    hosts = [h.id for h in HostRegistry(api.redis).create([Host(0, f"10.2.{n // 250}.{n % 250}") for n in range(1000)])]
    tasks = [api.submit(hosts) for _ in range(5)]
    answer = api.call("GET", f"{PATH}?view=summary")
    assert len(answer.data) < 5000
    assert {task: one["subtaskCount"] for task, one in listed(api).items()} == dict.fromkeys(tasks, 5004)


def test_another_view_is_refused(api: Api) -> None:
    refused(api.call("GET", f"{PATH}?view=whole"), 400, 10001)
