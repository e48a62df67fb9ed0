"""The task operations over the real store on fakeredis: shapes, filters, states that refuse, logs, the diagnosis."""

import json
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api.app import create_app
from api.user import Permission, UserStore
from config.settings import ApiSettings, Settings
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Host
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from dag.store import Store
from dag.task import Definition, Stage

MANAGER, VIEWER, STRANGER = ("manager", "correct horse"), ("viewer", "battery staple"), ("hosts", "hosts only")
BRIEF = {"id", "name", "creator", "status", "startTime", "finishTime", "subtasks", "subtaskCount"}
BRIEF_NODE = {"id", "name", "description", "status", "operation"}
LOG = "############{EXECUTE}{2021-09-03T14:20:26.243+08:00}############\nsaid something\n"
ONE_WAY = Definition("one_way", "One way", (Stage("Only forwards", "C", 1, 60, "x", prohibit_rollback=True),))


class Api:
    """The app with three users and three hosts, and hands that play schedulers and workers."""

    def __init__(self) -> None:
        self.redis = fakeredis.FakeRedis(decode_responses=True)
        self.store, users = Store(self.redis), UserStore(self.redis)
        users.add(*MANAGER, [Permission.TASK_MANAGER, Permission.HOST_MANAGER])
        users.add(*VIEWER, [Permission.TASK_VIEWER])
        users.add(*STRANGER, [Permission.HOST_MANAGER])
        registry = HostRegistry(self.redis)
        registry.create([Host(0, f"10.0.0.{n}") for n in range(1, 4)])
        settings = Settings(api=ApiSettings(server_name="here"))
        self.client: FlaskClient = create_app(self.store, registry, users, settings).test_client()
        self.hand = HandOut(self.store, retention_seconds=60)
        self.leases = Leases(self.store, lease_seconds=10, retention_seconds=60)

    def call(self, method: str, path: str, auth: tuple[str, str] | None = MANAGER, **kwargs: Any) -> TestResponse:
        return self.client.open(path, method=method, auth=auth, buffered=True, **kwargs)

    def data(self, method: str, path: str) -> Any:
        answer = self.call(method, path)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.data).get("data")

    def submit(self, hosts: list[int], definition: Definition = BATCH_RESTART) -> int:
        return self.store.submit(definition, hosts, creator=MANAGER[0], executor="e", trace_id="t")

    def begin(self, task: int, offset: int) -> Run:
        info = self.hand.info(task)
        assert info is not None
        [(_offset, attempt)] = self.hand.ready_nodes(task, offset, 1, begin_within_ms=1000)
        index = offset % len(info.host_ids)
        run = Run(task, offset, attempt, info.host_ids[index], index)
        assert self.leases.begin(run, "worker")
        return run

    def fail(self, task: int, *offsets: int, log: str = LOG) -> int:
        """Let these nodes fail, and return the id of the first."""
        for offset in offsets:
            assert self.leases.fail(self.begin(task, offset), Report(log))
        return self.store.load(task).nodes[offsets[0]].id


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()
    yield found
    found.redis.close()


def refused(answer: TestResponse, status: int, code: int) -> dict[str, Any]:
    body = json.loads(answer.data)
    assert (answer.status_code, body["status"], body["error"]["code"]) == (status, status, code)
    assert body["successful"] is False
    found: dict[str, Any] = body["error"]
    return found


ROUTES = [
    ("GET", "/tasks/instances", False),
    ("GET", "/tasks/instances/creators", False),
    ("GET", "/tasks/instances/{task}", False),
    ("GET", "/tasks/{task}", False),
    ("GET", "/tasks/instances/{task}/subtasks/{node}/log", False),
    ("POST", "/tasks/instances/{task}/downloadDiagnosis", False),
    ("POST", "/tasks/instances/{task}/retry", True),
    ("POST", "/tasks/instances/{task}/rollback", True),
    ("POST", "/tasks/instances/{task}/subtasks/{node}/retry", True),
    ("POST", "/tasks/instances/{task}/subtasks/{node}/skip", True),
    ("POST", "/tasks/instances/{task}/subtasks/{node}/cancel", True),
]


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
@pytest.mark.parametrize(("method", "path", "changes"), ROUTES)
def test_who_may_call(api: Api, prefix: str, method: str, path: str, changes: bool) -> None:
    task = api.submit([1])
    node = api.fail(task, 0)
    path = prefix + path.format(task=task, node=node)
    refused(api.call(method, path, None), 401, 30000)
    refused(api.call(method, path, STRANGER), 403, 30014)
    if changes:
        refused(api.call(method, path, VIEWER), 403, 30014)
    else:
        assert api.call(method, path, VIEWER).status_code == 200
    if path.endswith("cancel"):
        refused(api.call(method, path), 400, 20003)
    else:
        assert api.call(method, path).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_a_list_has_the_contract_s_shape(api: Api, prefix: str) -> None:
    first, second = api.submit([1, 2]), api.submit([3])
    api.fail(second, 0)
    found = api.data("GET", f"{prefix}/tasks/instances")
    assert found["page"] == {"totalElements": 2, "totalPages": 1, "number": 1, "size": 10}
    one, two = found["contents"]
    assert (set(one), set(one["subtasks"][0])) == (BRIEF, BRIEF_NODE)
    assert (one["id"], one["status"], one["finishTime"], one["subtaskCount"]) == (first, "RUNNING", None, 14)
    assert one["creator"] == {"id": 1, "name": "manager"}
    assert [(n["id"], n["name"], n["status"]) for n in one["subtasks"]] == [
        (node.id, node.stage.name, node.status) for node in api.store.load(first).nodes
    ]
    assert (two["id"], two["status"]) == (second, "FAILED")
    assert two["finishTime"] >= two["startTime"]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("", [0, 1, 2]),
        ("sort=id,desc", [2, 1, 0]),
        ("sort=startTime,desc&size=2", [2, 1]),
        ("size=2&page=2", [2]),
        ("page=3", []),
        ("status=FAILED", [1]),
        ("status=FAILED,RUNNING&hostId=1", [0]),
        ("status=FAILED&status=RUNNING", [0, 1, 2]),
        ("status=", [0, 1, 2]),
        ("hostId=3", [2]),
        ("hostId=77", []),
        ("name=one%20way", [2]),
        ("keyword=RESTART", [0, 1]),
        ("keyword=way&name=way", [2]),
        ("type=MANUAL", [0, 1, 2]),
        ("type=SCHEDULED,MANUAL", [0, 1, 2]),
        ("type=SYS_SCHEDULED", []),
    ],
)
def test_filters_sort_and_pages(api: Api, query: str, places: list[int]) -> None:
    tasks = [api.submit([1]), api.submit([2]), api.submit([3], ONE_WAY)]
    api.fail(tasks[1], 0)
    found = api.data("GET", f"/tasks/instances?{query}")
    assert [task["id"] for task in found["contents"]] == [tasks[place] for place in places]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=ENDED", "status"),
        ("type=manual", "type"),
        ("hostId=x", "hostId"),
        ("hostId=0", "hostId"),
        ("size=2001", "size"),
        ("page=0", "page"),
        ("sort=name,asc", "sort"),
        ("sort=id,down", "sort"),
        ("keyword=a&name=b", "name"),
        ("keyword=%00", "keyword"),
        ("colour=red", "colour"),
    ],
)
def test_a_wrong_query_names_its_field(api: Api, query: str, field: str) -> None:
    found = refused(api.call("GET", f"/tasks/instances?{query}"), 400, 10001)
    assert [sub["field"] for sub in found["subErrors"]] == [field]
    assert found["subErrors"][0]["object"] == "TaskPage"


def test_creators_have_their_ids(api: Api) -> None:
    assert api.data("GET", "/tasks/instances/creators") == {"contents": []}
    for _ in range(2):
        api.submit([1])
    api.store.submit(BATCH_RESTART, [2], creator="gone", executor="e", trace_id="t")
    found = api.data("GET", "/tasks/instances/creators")
    assert found == {"contents": [{"id": 0, "name": "gone"}, {"id": 1, "name": "manager"}]}


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_a_retry_answers_with_the_task_after_it(api: Api, prefix: str) -> None:
    task = api.submit([1, 2])
    api.fail(task, 0, 1)
    path = f"{prefix}/tasks/instances/{task}"
    with capture_logs() as lines:
        found = api.data("POST", f"{path}/retry")
    assert found == api.data("GET", path)
    assert (found["status"], found["operation"], found["finishTime"]) == ("RUNNING", "RETRY", None)
    assert [(n["status"], n["operation"], n["runTime"]) for n in found["subtasks"][:2]] == [("READY", "RETRY", 2)] * 2
    [line] = [line for line in lines if line["event"] == "task retried"]
    assert (line["task"], line["user"]) == (task, "manager")
    assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
    error = refused(api.call("POST", f"{path}/retry"), 400, 20003)
    assert (error["target"], error["message"]) == (
        "taskId",
        f"Task {task} can't be retried: it is RUNNING, and only a FAILED one can.",
    )


def test_a_rollback_answers_with_the_task_after_it(api: Api) -> None:
    task = api.submit([1])
    api.fail(task, 0)
    found = api.data("POST", f"/tasks/instances/{task}/rollback")
    assert (found["status"], found["operation"]) == ("RUNNING", "ROLLBACK")
    assert (found["subtasks"][0]["status"], found["subtasks"][0]["operation"]) == ("READY", "ROLLBACK")
    refused(api.call("POST", f"/tasks/instances/{task}/rollback"), 400, 20003)


def test_a_rollback_that_is_prohibited_says_why(api: Api) -> None:
    task = api.submit([1], ONE_WAY)
    api.fail(task, 0)
    error = refused(api.call("POST", f"/tasks/instances/{task}/rollback"), 400, 20004)
    assert "step 'Only forwards' can't be undone" in error["message"]


def test_one_subtask_is_retried_and_answered_with(api: Api) -> None:
    task = api.submit([1, 2])
    node = api.fail(task, 0, 1)
    found = api.data("POST", f"/tasks/instances/{task}/subtasks/{node}/retry")
    detail = api.data("GET", f"/tasks/instances/{task}")
    assert found == detail["subtasks"][0]
    assert (found["id"], found["status"], found["operation"], found["runTime"]) == (node, "READY", "RETRY", 2)
    assert detail["subtasks"][1]["status"] == "FAILED"
    error = refused(api.call("POST", f"/tasks/instances/{task}/subtasks/{node}/retry"), 400, 20003)
    assert (error["target"], "it is READY" in error["message"]) == ("subtaskId", True)


def test_a_skip_has_no_data(api: Api) -> None:
    task = api.submit([1, 2])
    node = api.fail(task, 0)
    assert api.data("POST", f"/tasks/instances/{task}/subtasks/{node}/skip") is None
    found = api.data("GET", f"/tasks/{task}")["subtasks"][0]
    assert (found["status"], found["operation"]) == ("SUCCESSFUL", "SKIP")
    assert "skipped by manager" in api.data("GET", f"/tasks/instances/{task}/subtasks/{node}/log")["log"]
    error = refused(api.call("POST", f"/tasks/instances/{task}/subtasks/{node}/skip"), 400, 20003)
    assert "it is SUCCESSFUL" in error["message"]


def test_a_cancel_has_no_data(api: Api) -> None:
    task = api.submit([1])
    run = api.begin(task, 0)
    node = api.store.load(task).nodes[0].id
    path = f"/tasks/instances/{task}/subtasks/{node}"
    assert api.data("POST", f"{path}/cancel") is None
    assert "it is CANCELING" in refused(api.call("POST", f"{path}/cancel"), 400, 20003)["message"]
    assert api.leases.fail(run, Report(LOG))
    assert api.data("GET", f"{path}/log") == {"log": f"{LOG}cancelled by manager\n"}
    assert api.data("GET", f"/tasks/{task}")["subtasks"][0]["operation"] == "CANCEL"


@pytest.mark.parametrize(("method", "path", "changes"), ROUTES[2:])
def test_what_is_not_there(api: Api, method: str, path: str, changes: bool) -> None:
    task = api.submit([1])
    node = api.store.load(task).nodes[0].id
    refused(api.call(method, path.format(task=task + 1, node=node)), 404, 20000)
    if "{node}" in path:
        error = refused(api.call(method, path.format(task=task, node=node + 9)), 404, 10002)
        assert error["target"] == "subtaskId"


def test_the_diagnosis_has_the_task_its_subtasks_and_every_log(api: Api) -> None:
    task = api.submit([1, 2])
    nodes = [api.fail(task, 0), api.fail(task, 1, log=LOG + "Ende: ä\n")]
    detail = api.data("GET", f"/tasks/{task}")
    answer = api.call("POST", f"/tasks/instances/{task}/downloadDiagnosis")
    assert answer.content_type == "application/zip"
    assert f"task-{task}-diagnosis.zip" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    archive = zipfile.ZipFile(BytesIO(answer.data))
    logs = [f"logs/Prepare-restart-OCP-agent/host-{host}-subtask-{nodes[host - 1]}.log" for host in (1, 2)]
    assert archive.namelist() == ["task.json", "subtasks.json", *logs]
    assert json.loads(archive.read("subtasks.json")) == detail.pop("subtasks")
    assert json.loads(archive.read("task.json")) == detail
    assert [archive.read(name).decode() for name in logs] == [LOG, LOG + "Ende: ä\n"]
