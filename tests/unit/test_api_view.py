"""What an answer shows of a task: a summary, some fields, some subtasks; compressed, and not again what one has."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from backports import zstd
from werkzeug.test import TestResponse

from api.view import SUBTASKS_A_PART
from config.settings import ApiSettings
from dag.host import Host
from dag.lease import Report
from dag.operation import Operations
from dag.registry import HostRegistry
from dag.store import Store
from dag.summary import LONGEST_REASON, MOST_FAILURES
from tests.unit.test_api_task import LOG, MANAGER, Api, refused

RESTART = "/compute/hosts/batchRestartAgents"
COUNTS = {"PENDING": 0, "READY": 0, "RUNNING": 0, "CANCELING": 0, "FAILED": 0, "SUCCESSFUL": 0}


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()
    yield found
    found.redis.close()


def get(api: Api, path: str, **headers: str) -> TestResponse:
    return api.call("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})


def large(api: Api, hosts: int) -> int:
    """A task on so many hosts."""
    found = HostRegistry(api.redis).create([Host(0, f"10.1.{n // 250}.{n % 250}") for n in range(hosts)])
    return api.submit([host.id for host in found])


@pytest.mark.parametrize("path", ["/tasks/instances/{}", "/tasks/{}", "/api/v2/tasks/instances/{}"])
def test_a_summary_counts_by_stage_and_status_and_says_why_the_first_failed(api: Api, path: str) -> None:
    task = api.submit([1, 2])
    failed = api.fail(task, 0, log=LOG + "the disk is full\n")
    api.begin(task, 1)
    path = path.format(task)
    whole, found = api.data("GET", path), api.data("GET", f"{path}?view=summary")
    summary = found.pop("summary")
    assert found == {name: value for name, value in whole.items() if name != "subtasks"}
    assert summary["statuses"] == {**COUNTS, "PENDING": 12, "RUNNING": 1, "FAILED": 1}
    assert [stage["total"] for stage in summary["stages"]] == [2, 1, 2, 1, 2, 1, 2, 1, 2]
    first = summary["stages"][0]
    assert (first["seriesId"], first["name"]) == (2, "Prepare restart OCP agent")
    assert first["statuses"] == {**COUNTS, "RUNNING": 1, "FAILED": 1}
    place = {"id": failed, "name": first["name"], "seriesId": 2, "parallelIdx": 0, "hostId": 1}
    assert summary["failed"] == [{**place, "reason": "the disk is full"}]
    progress = summary["progress"]
    assert (progress["done"], progress["total"], progress["secondsLeft"]) == (0, 14, None)
    assert summary["changeTime"] >= found["startTime"]


def test_progress_counts_what_is_done_and_in_a_rollback_what_is_undone(api: Api) -> None:
    task = api.submit([1])
    for offset in (0, 2, 4):
        assert api.leases.complete(api.begin(task, offset), Report())
    progress = api.data("GET", f"/tasks/{task}?view=summary&fields=summary")["summary"]["progress"]
    assert (progress["done"], progress["total"]) == (6, 9)
    assert progress["secondsLeft"] == pytest.approx(progress["seconds"] / 2, abs=0.01)
    api.leases.fail(api.begin(task, 6), Report(LOG))
    Operations(api.store).roll_back(task)
    progress = api.data("GET", f"/tasks/{task}?view=summary&fields=summary")["summary"]["progress"]
    assert progress["done"] == str(api.redis.get(api.store.keys.status(task))).count("P")


def test_a_summary_names_twenty_failures_at_most_and_the_ends_of_their_logs(api: Api) -> None:
    task = large(api, MOST_FAILURES + 3)
    for offset in range(MOST_FAILURES + 3):
        api.fail(task, offset, log="x" * LONGEST_REASON + "ü" * LONGEST_REASON)
    found = api.data("GET", f"/tasks/{task}?view=summary")["summary"]
    assert (found["statuses"]["FAILED"], len(found["failed"])) == (MOST_FAILURES + 3, MOST_FAILURES)
    assert {failure["reason"] for failure in found["failed"]} == {"ü" * (LONGEST_REASON // 2)}


def test_a_summary_reads_neither_records_nor_hosts_nor_logs_of_a_task_without_failures(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = api.submit([1])
    for name in ("load", "read_whole", "read_nodes"):
        monkeypatch.setattr(api.store, name, None)
    assert api.call("GET", f"/tasks/{task}?view=summary").status_code == 200
    assert api.data("GET", f"/tasks/{task}?fields=id,status") == {"id": task, "status": "RUNNING"}


def test_fields_choose_among_those_of_the_answer(api: Api) -> None:
    task = api.submit([1])
    path = f"/tasks/instances/{task}"
    whole = api.data("GET", path)
    for name, value in whole.items():
        assert api.data("GET", f"{path}?fields={name}") == {name: value}
    assert api.data("GET", f"{path}?fields=status,%20subtasks&fields=id") == {
        name: whole[name] for name in ("id", "status", "subtasks")
    }
    assert set(api.data("GET", f"{path}?fields=")) == set(whole)
    # Only a task on a single host has one.
    assert api.data("GET", f"{path}?fields=hostId") == {}
    assert set(api.data("GET", f"{path}?view=summary&fields=summary,id")) == {"summary", "id"}


@pytest.mark.parametrize(
    ("query", "field", "named"),
    [
        ("fields=id,colour", "fields", "'colour' is none of createTime, creator"),
        ("fields=context", "fields", "'context'"),
        ("fields=summary", "fields", "'summary'"),
        ("view=summary&fields=subtasks", "fields", "'subtasks'"),
        ("fields=" + 300 * "x", "fields", "xxx...'"),
        ("view=all", "view", "must be summary"),
        ("view=summary&view=summary", "view", "must be given once"),
    ],
)
def test_a_view_that_there_is_not_is_refused_by_name(api: Api, query: str, field: str, named: str) -> None:
    path = f"/tasks/instances/{api.submit([1])}?{query}"
    found = refused(api.call("GET", path), 400, 10001)
    assert [sub["field"] for sub in found["subErrors"]] == [field]
    assert named in found["message"]


def test_a_submission_with_a_wrong_view_submits_nothing(api: Api) -> None:
    for path in (RESTART, "/compute/hosts/1/agent/stop"):
        body: dict[str, Any] = {"json": {"hostIds": [1]}} if path == RESTART else {}
        refused(api.call("POST", f"{path}?fields=createTime", **body), 400, 10001)
        refused(api.call("POST", f"{path}?view=x", **body), 400, 10001)
    assert api.data("GET", "/tasks/instances")["page"]["totalElements"] == 0


def test_each_call_that_answers_with_a_task_has_the_same_views(api: Api) -> None:
    def post(path: str, **more: Any) -> dict[str, Any]:
        answer = api.call("POST", path, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()["data"]
        return found

    task = post(f"{RESTART}?view=summary", json={"hostIds": [1, 2]})
    assert task["summary"]["statuses"] == {**COUNTS, "READY": 2, "PENDING": 12}
    assert task == api.data("GET", f"/tasks/{task['id']}?view=summary")
    assert post(f"{RESTART}?fields=id,context", json={"hostIds": [1]})["context"]["listMap"] == {"host_ids": ["1"]}
    for path in ("batchStopAgents", "1/agent/restart", "1/agent/stop"):
        body: dict[str, Any] = {"json": {"hostIds": [1]}} if path == "batchStopAgents" else {}
        assert set(post(f"/compute/hosts/{path}?fields=id,status", **body)) == {"id", "status"}
    failed = api.submit([3])
    api.fail(failed, 0)
    path = f"/tasks/instances/{failed}"
    assert post(f"{path}/retry?view=summary&fields=summary")["summary"]["statuses"]["READY"] == 1
    api.fail(failed, 0)
    assert post(f"{path}/rollback?fields=operation") == {"operation": "ROLLBACK"}


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_subtasks_come_page_by_page_and_by_status_and_stage(api: Api, prefix: str) -> None:
    task = api.submit([1, 2, 3])
    api.fail(task, 0, 2)
    path = f"{prefix}/tasks/instances/{task}"
    whole = api.data("GET", path)["subtasks"]

    def page(query: str) -> tuple[list[Any], int]:
        found = api.data("GET", f"{path}/subtasks?{query}")
        return found["contents"], found["page"]["totalElements"]

    assert page("size=4&page=2") == (whole[4:8], 19)
    assert page("status=FAILED") == ([whole[0], whole[2]], 2)
    assert page("status=FAILED&size=1&page=2") == ([whole[2]], 2)
    assert page("status=FAILED,READY&seriesId=2") == (whole[:3], 3)
    assert page("seriesId=2&status=SUCCESSFUL") == ([], 0)
    assert page("seriesId=77") == ([], 0)
    assert page("status=PENDING&size=2000")[1] == 16
    refused(api.call("GET", f"{path}/subtasks?status=DONE"), 400, 10001)
    refused(api.call("GET", f"{path}/subtasks?colour=red"), 400, 10001)
    refused(api.call("GET", f"{prefix}/tasks/instances/4711/subtasks"), 404, 20000)


def test_a_node_that_does_not_fit_any_more_is_left_out_of_its_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    task = api.submit([1, 2])
    api.fail(task, 0)
    read = Store.read

    def late(store: Store, task_id: int) -> Any:
        found = read(store, task_id)
        api.fail(task, 1)
        Operations(api.store).retry_node(task, api.store.load(task).nodes[0].id)
        monkeypatch.undo()
        return found

    monkeypatch.setattr(Store, "read", late)
    assert api.data("GET", f"/tasks/instances/{task}/subtasks?status=FAILED")["contents"] == []


def test_a_large_task_is_sent_in_parts_and_is_the_same(api: Api) -> None:
    task = large(api, SUBTASKS_A_PART // 2)
    answer = api.call("GET", f"/tasks/{task}")
    body = answer.get_json()
    assert answer.headers.get("Content-Length") is None
    assert {"duration", "server", "status", "successful", "timestamp", "traceId", "data"} == set(body)
    nodes = api.store.load(task).nodes
    assert [(n["id"], n["status"], n["upstreams"]) for n in body["data"]["subtasks"]] == [
        (node.id, node.status, list(node.upstreams)) for node in nodes
    ]
    assert api.data("GET", f"/tasks/{task}?fields=subtasks") == {"subtasks": body["data"]["subtasks"]}


def test_each_part_of_a_large_task_has_the_time_of_a_whole_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr("api.view.extend_time", given.append)
    assert api.call("GET", f"/tasks/{large(api, 300)}").status_code == 200
    parts = -(-(300 * 5 + 4) // SUBTASKS_A_PART)
    assert given == [ApiSettings().request_timeout_seconds] * (parts + 2)


@pytest.mark.parametrize("hosts", [3, 200])
def test_answers_are_compressed_for_those_who_take_it(api: Api, hosts: int) -> None:
    path = f"/tasks/{large(api, hosts)}"
    plain = get(api, path)
    assert "Content-Encoding" not in plain.headers
    for coding, unpack in (("gzip", gzip.decompress), ("zstd", zstd.decompress)):
        packed = get(api, path, Accept_Encoding=coding)
        assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == (coding, "Accept-Encoding")
        assert json.loads(unpack(packed.data))["data"] == plain.get_json()["data"]
        assert len(packed.data) < len(plain.data) / 4
    assert "Content-Encoding" not in get(api, path, Accept_Encoding="br").headers
    assert "Content-Encoding" not in get(api, f"{path}?fields=id", Accept_Encoding="gzip").headers


POLLED = ["/tasks/{}", "/tasks/{}?view=summary", "/tasks/{}?fields=id", "/tasks/instances/{}/subtasks"]
POLLED += ["/tasks/instances"]


@pytest.mark.parametrize("path", POLLED)
def test_what_the_caller_has_is_not_sent_again(api: Api, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = api.submit([1])
    path = path.format(task)
    first = get(api, path)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    with monkeypatch.context() as patch:
        for name in ("load", "read", "read_whole", "read_nodes", "_read"):
            patch.setattr(api.store, name, None)
        patch.setattr("api.resource.tasks.load_briefs", None)
        for known in (tag, f'"other", {tag}', "*"):
            again = get(api, path, If_None_Match=known)
            assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
            assert (again.headers["Cache-Control"], again.headers["Vary"]) == ("private, no-cache", "Accept-Encoding")
    assert get(api, path, If_None_Match='W/"other"').status_code == 200
    api.begin(task, 0)
    changed = get(api, path, If_None_Match=tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_each_view_and_page_has_a_tag_of_its_own(api: Api) -> None:
    task = api.submit([1])
    queries = ["", "?view=summary", "?fields=id", "?fields=id,status", "?view=summary&fields=id"]
    pages = ["", "?size=1", "?size=1&page=2", "?status=FAILED", "?seriesId=2"]
    paths = [f"/tasks/{task}{q}" for q in queries] + [f"/tasks/instances/{task}/subtasks{q}" for q in pages]
    assert len({get(api, path).headers["ETag"] for path in paths}) == len(paths)
    assert get(api, f"/tasks/{task}?fields=status,id").headers["ETag"] == get(api, paths[3]).headers["ETag"]


def test_a_tag_is_of_the_creator_too_and_of_one_task_only(api: Api) -> None:
    task = api.submit([1])
    tag = get(api, f"/tasks/{task}").headers["ETag"]
    assert get(api, f"/tasks/{api.submit([1])}").headers["ETag"] != tag
    answer = api.call("GET", f"/tasks/{task}", ("viewer", "battery staple"), headers={"If-None-Match": tag})
    assert answer.status_code == 304
    api.redis.hdel("{iam}:users", MANAGER[0])
    answer = api.call("GET", f"/tasks/{task}", ("viewer", "battery staple"), headers={"If-None-Match": tag})
    assert (answer.status_code, answer.get_json()["data"]["creator"]) == (200, {"id": 0, "name": "manager"})


def test_what_has_no_tag_is_kept_by_nobody(api: Api) -> None:
    task = api.submit([1])
    for path in ("/tasks/4711", "/compute/hosts/1", f"/tasks/instances/{task}/subtasks?status=x"):
        assert get(api, path).headers["Cache-Control"] == "no-store"
    assert api.call("POST", RESTART, json={"hostIds": [1]}).headers["Cache-Control"] == "no-store"
