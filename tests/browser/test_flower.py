"""Flower in a browser, as a part of Muster: signed in, its pages read, and the way to the console and back walked."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect
from redis import Redis

from dag.definition.batch_restart import BATCH_RESTART
from dag.shard import shards
from dag.task import Scope
from deploy.fleet.fleet import address_of
from tests.browser.conftest import HOSTS, WAIT_MS, WIDE, sign_in
from tests.stack import RunningStack, Task
from tests.wait import until

PLANTED = "planted-token-4711"
PHONE = {"width": 390, "height": 844}
SHARDS = shards("default", 32)
ACTIONS = {stage.action for stage in BATCH_RESTART.stages if stage.scope is Scope.HOST}
OpenFlower = Callable[..., Page]


@pytest.fixture(scope="module")
def done(stack: RunningStack) -> Task:
    """A restart of two hosts that has succeeded."""
    return stack.follow(stack.restart([1, 2])["id"])


@pytest.fixture(scope="module")
def failed(stack: RunningStack) -> Iterator[tuple[Task, int]]:
    """A restart of a host at which nobody answers, and whose agent is started with a secret; and the host's id."""
    variables = {"start": f"agent --token {PLANTED}", "stop": ":", "process": "/opt/agent"}
    host = {"name": "away", "address": "127.0.0.1", "ssh_port": 9, "user": "nobody", "profile": "custom"}
    [id] = stack.enrol([{**host, "variables": variables}])
    yield stack.follow(stack.restart([id])["id"]), id
    assert stack.http.delete(f"/compute/hosts/{id}").status_code == 200


@pytest.fixture
def open_flower(stack: RunningStack, browser: Browser) -> Iterator[OpenFlower]:
    """Opens a page of Flower in a window that has signed in to both: `open_flower("/tasks", size=PHONE)`.

    At the test's end none may have had an error.
    """
    opened: list[tuple[BrowserContext, list[str]]] = []

    def open_it(path: str, *, size: dict[str, int] = WIDE) -> Page:
        ready = stack.ready
        context = browser.new_context(
            base_url=ready["api"],
            viewport={"width": size["width"], "height": size["height"]},
            http_credentials={"username": ready["user"], "password": ready["password"], "origin": ready["flower"]},
        )
        context.set_default_timeout(WAIT_MS)
        faults: list[str] = []
        opened.append((context, faults))
        sign_in(context, ready["user"], ready["password"])
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page = context.new_page()
        page.goto(f"{ready['flower']}{path}")
        return page

    yield open_it
    for context, faults in opened:
        context.close()
        assert faults == []


def rows(page: Page, search: str) -> dict[str, dict[str, str]]:
    """What the list of tasks shows of those that are searched for: by UUID the text of each column."""

    def is_found(response: Response) -> bool:
        return response.url.endswith("/tasks/datatable") and search in unquote_plus(response.request.post_data or "")

    with page.expect_response(is_found) as answer:
        page.get_by_role("searchbox").fill(search)
    wanted = {row["uuid"] for row in answer.value.json()["data"]}
    return until(lambda: found if (found := shown_rows(page)).keys() == wanted else {})


def shown_rows(page: Page) -> dict[str, dict[str, str]]:
    names = page.locator(".dataTables_scrollHead th").evaluate_all("(all) => all.map((it) => it.dataset.column)")
    cells = page.locator("#tasks-table tbody tr").evaluate_all(
        "(all) => all.map((row) => [...row.cells].map((cell) => cell.innerText.replaceAll('\\n', '').trim()))"
    )
    found = [dict(zip(names, row, strict=False)) for row in cells]
    return {row.get("uuid", ""): row for row in found}


def runs_of(task: Task) -> dict[str, Task]:
    """The nodes that a worker has begun, by the UUID of their first run in Flower."""
    return {f"{node['id']}-1": node for node in task["subtasks"] if node["executor"]}


@pytest.mark.parametrize("password", ["wrong", " "])
def test_nothing_is_shown_without_the_password(stack: RunningStack, browser: Browser, password: str) -> None:
    context = browser.new_context(http_credentials={"username": stack.ready["user"], "password": password})
    page = context.new_page()
    for path in ("/", "/workers", "/tasks", "/broker", "/task/1-1", "/metrics"):
        answer = page.goto(f"{stack.ready['flower']}{path}")
        assert answer is not None
        assert (answer.status, page.inner_text("body")) == (401, "Access denied"), path
    context.close()


def test_the_page_of_the_workers_shows_each_and_what_it_did(open_flower: OpenFlower, done: Task) -> None:
    page = open_flower("/")
    workers = page.locator("#workers-table tbody tr")
    expect(workers).to_have_count(2)
    for at in range(2):
        expect(workers.nth(at)).to_contain_text(re.compile(r"default-\d+@.+Online"))
    expect(page.locator("#workers-online")).to_have_text("2")
    # One of the two ran each of the steps, and has a page of its own.
    executors = sorted({node["executor"] for node in runs_of(done).values()})
    page.get_by_role("link", name=f"Worker {executors[0]}").first.click()
    expect(page.get_by_role("heading", name=executors[0])).to_be_visible()
    page.get_by_role("tab", name="Tasks").click()
    expect(page.get_by_role("row", name=re.compile(r"^agent\.prepare \d+$"))).to_be_visible()


def test_the_list_of_tasks_shows_each_action_on_its_host_and_what_became_of_it(
    open_flower: OpenFlower, done: Task, failed: tuple[Task, int]
) -> None:
    page = open_flower("/tasks")
    page.get_by_label("Tasks per page").select_option("100")
    shown = rows(page, f"kwargs:\"'task': {done['id']},\"")
    runs = runs_of(done)
    assert shown.keys() == runs.keys()
    for uuid, row in shown.items():
        assert row["state"] == "SUCCESS", row
        node, host = runs[uuid], runs[uuid]["parallelIdx"] + 1
        assert row["args"] == f"('{node['name']}', '{address_of(host)}')"
        assert row["kwargs"] == f"{{'task': {done['id']}, 'host': {host}}}"
        assert (row["worker"], row["routing_key"] in SHARDS) == (node["executor"], True)
    assert {row["name"] for row in shown.values()} == ACTIONS
    task, host = failed
    [(uuid, row)] = rows(page, f"kwargs:\"'task': {task['id']},\"").items()
    [node] = runs_of(task).values()
    assert (row["name"], row["state"]) == ("agent.prepare", "FAILURE")
    assert row["args"] == "('Prepare restart OCP agent', '127.0.0.1')"
    assert row["kwargs"] == f"{{'task': {task['id']}, 'host': {host}}}"
    assert row["exception"] == "127.0.0.1 port 9 can't be reached: Connection refused."
    assert row["worker"] == node["executor"]
    page.get_by_role("button", name="Failed").click()
    expect(page.locator(f"[id='{uuid}']")).to_be_visible()


def test_the_page_of_the_broker_shows_how_much_waits(stack: RunningStack, open_flower: OpenFlower) -> None:
    workers = [pid for pid, words in stack.children().items() if words.endswith("muster worker")]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        task = stack.restart(range(1, HOSTS + 1))
        # What is missing is on its way into the two workers.
        waiting = until(lambda: found if sum((found := lengths(stack)).values()) >= HOSTS // 2 else {})
        page = open_flower("/broker")
        assert shown_lengths(page) == waiting
        # On a phone the length is the column beside the name.
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        assert shown_lengths(page) == waiting
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert stack.follow(task["id"])["status"] == "SUCCESSFUL"
    # Each is empty, and one worker's again.
    until(lambda: page.reload() and shown_consumers(page) == dict.fromkeys(SHARDS, 1))
    assert shown_lengths(page) == dict.fromkeys(SHARDS, 0)


def lengths(stack: RunningStack) -> dict[str, int]:
    """What stands in the queues, asked of the broker itself."""
    with Redis.from_url(f"{stack.ready['redis'].rpartition('/')[0]}/1", decode_responses=True) as broker:
        return {queue: int(broker.llen(queue)) for queue in SHARDS}


def shown_lengths(page: Page) -> dict[str, int]:
    """The queues of the page, and the number in the first column after the name that can be seen."""
    cells = page.locator("#queue-table tbody tr").evaluate_all(
        "(all) => all.map((row) => [...row.cells].filter((it) => it.offsetWidth).map((it) => it.innerText.trim()))"
    )
    return {name: int(first) for name, first, *_more in cells if name in SHARDS}


def shown_consumers(page: Page) -> dict[str, int]:
    cells = page.locator("#queue-table tbody tr").evaluate_all(
        "(all) => all.map((row) => [row.cells[0].innerText.trim(), row.cells[4].innerText.trim()])"
    )
    return {name: int(consumers) for name, consumers in cells if name in SHARDS}


def test_a_row_leads_to_its_step_in_the_console_and_the_step_to_its_row(
    stack: RunningStack, open_flower: OpenFlower, failed: tuple[Task, int]
) -> None:
    task, _host = failed
    [(uuid, node)] = runs_of(task).items()
    page = open_flower("/tasks?state=FAILURE")
    page.get_by_role("link", name=uuid).click()
    expect(page).to_have_url(f"{stack.ready['flower']}/task/{uuid}")
    expect(page.locator(".badge")).to_have_text("FAILURE")
    path = f"/console/tasks/{task['id']}/subtasks/{node['id']}"
    page.get_by_role("link", name=path).click()
    expect(page).to_have_url(f"{stack.ready['api']}{path}")
    panel = page.get_by_role("complementary", name="Step")
    expect(panel).to_contain_text("127.0.0.1 port 9 can't be reached")
    with page.expect_popup() as opened:
        panel.get_by_role("link", name="In Flower").click()
    row = opened.value
    expect(row).to_have_url(f"{stack.ready['flower']}/task/{uuid}")
    expect(row.get_by_text("127.0.0.1 port 9 can't be reached")).to_be_visible()
    row.get_by_role("link", name=path).click()
    expect(row.get_by_role("complementary", name="Step")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_fits_and_shows_no_secret(
    stack: RunningStack, open_flower: OpenFlower, failed: tuple[Task, int], size: dict[str, int]
) -> None:
    state = json.loads((stack.data / "state.json").read_text())
    secrets = [PLANTED, stack.ready["password"], state["redis_password"], state["secret_key"]]
    [(uuid, node)] = runs_of(failed[0]).items()
    page = open_flower("/", size=size)
    for path in ("/", "/tasks", "/broker", f"/task/{uuid}", f"/worker/{node['executor']}"):
        page.goto(f"{stack.ready['flower']}{path}", wait_until="networkidle" if path == "/tasks" else "load")
        assert [secret for secret in secrets if secret in page.content()] == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
