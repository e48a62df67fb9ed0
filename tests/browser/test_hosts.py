"""The list of hosts: find, select, restart, add, import, forget."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.stack import RunningStack

# More than a page has.
SPARE = 60
# So often the list is asked for again.
EVERY_MS = 5000
# As a browser does with a tab that is not in front.
HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def spare(stack: RunningStack) -> Iterator[str]:
    """A label of hosts that nobody has ever met; those of them that are left are forgotten after the test."""
    hosts = [{"innerIpAddress": f"10.99.0.{number}", "name": f"spare-{number:02}"} for number in range(1, SPARE + 1)]
    body = {"hostBasicDataList": hosts, "labels": {"test": "spare"}}
    assert stack.http.post("/compute/hosts/batchCreate", json=body).status_code == 200
    yield "test=spare"
    left = hosts_with(stack, label="test=spare")
    if left:
        stack.http.post("/compute/hosts/batchDelete", json={"hostIdList": left})


def hosts_with(stack: RunningStack, **filters: str) -> list[int]:
    """The ids of the hosts that fit."""
    found = stack.http.get("/compute/hosts", params={"size": 2000, **filters}).json()["data"]["contents"]
    return [host["id"] for host in found]


def test_hosts_are_selected_and_restarted_with_the_plan_shown_first(
    stack: RunningStack, open_page: Callable[..., Page]
) -> None:
    page = open_page("/console/hosts")
    before = stack.http.get("/tasks/instances").json()["data"]["page"]["totalElements"]
    page.get_by_role("checkbox", name="Select host-006").check()
    page.get_by_role("checkbox", name="Select host-008").click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.get_by_role("button", name="Restart agents …").click()
    dialog = page.get_by_role("dialog", name="Restart agents on 3 hosts")
    expect(dialog).to_contain_text("makes one task of 19 subtasks in 5 steps")
    expect(dialog).to_contain_text("Prepare restart OCP agent")
    assert stack.http.get("/tasks/instances").json()["data"]["page"]["totalElements"] == before

    def is_start(request: Request) -> bool:
        return request.method == "POST" and "batchRestartAgents" in request.url and "dryRun" not in request.url

    with page.expect_request(is_start) as started:
        dialog.get_by_role("button", name="Restart agents").click()
    assert re.fullmatch("[0-9a-f]{32}", started.value.headers["idempotency-key"])
    expect(page).to_have_url(re.compile(r"/console/tasks/\d+$"))
    task = stack.follow(int(page.url.rpartition("/")[2]))
    assert task["status"] == "SUCCESSFUL"
    assert len(task["subtasks"]) == 19


def test_an_answer_that_gets_lost_makes_no_second_task(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    page = open_page("/console/hosts")
    page.get_by_role("checkbox", name="Select host-005").check()
    page.get_by_role("button", name="Restart agents …").click()
    before = stack.http.get("/tasks/instances").json()["data"]["page"]["totalElements"]
    made: list[int] = []

    def lose(route: Route) -> None:
        answer = route.fetch()
        made.append(answer.json()["data"]["id"])
        route.abort("connectionreset")

    page.route(re.compile(r"batchRestartAgents\?view=summary$"), lose, times=1)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Restart agents").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Muster does not answer.")
    dialog.get_by_role("button", name="Try again").click()
    expect(page).to_have_url(re.compile(r"/console/tasks/\d+$"))
    assert page.url.endswith(f"/console/tasks/{made[0]}")
    assert stack.http.get("/tasks/instances").json()["data"]["page"]["totalElements"] == before + 1
    stack.follow(made[0])


def test_the_plan_tells_what_may_stand_in_the_way(
    stack: RunningStack, open_page: Callable[..., Page], spare: str
) -> None:
    page = open_page(f"/console/hosts?label={spare}")
    page.get_by_role("checkbox", name="Select spare-01").check()
    page.get_by_role("button", name="Stop agents …").click()
    dialog = page.get_by_role("dialog", name="Stop agents on 1 host")
    expect(dialog).to_contain_text("Never met so far: nobody knows whether they answer: 1 host")
    expect(dialog).to_contain_text("spare-01")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_all_that_fit_are_selected_and_forgotten_once_that_is_confirmed(
    stack: RunningStack, open_page: Callable[..., Page], spare: str
) -> None:
    page = open_page(f"/console/hosts?label={spare}")
    expect(page.get_by_text("1–50 of 60")).to_be_visible()
    page.get_by_role("checkbox", name="Select all hosts of this page").check()
    expect(page.get_by_text("50 selected")).to_be_visible()
    page.get_by_role("button", name="Select all 60").click()
    expect(page.get_by_text("60 selected")).to_be_visible()
    page.get_by_role("button", name="Forget …").click()
    sure = page.get_by_role("alertdialog", name="Forget these 60 hosts?")
    sure.get_by_role("button", name="Cancel").click()
    assert len(hosts_with(stack, label=spare)) == SPARE
    page.get_by_role("button", name="Forget …").click()
    sure.get_by_role("button", name="Forget").click()
    expect(page.get_by_text("60 hosts are forgotten.")).to_be_visible()
    expect(page.get_by_role("heading", name="No host fits")).to_be_visible()
    assert hosts_with(stack, label=spare) == []


def test_hosts_are_added_once_what_is_wrong_is_put_right(stack: RunningStack, page: Page) -> None:
    page.get_by_role("link", name="Hosts", exact=True).click()
    page.get_by_role("button", name="Add hosts").click()
    dialog = page.get_by_role("dialog", name="Add hosts")
    dialog.get_by_label("Addresses").fill("10.98.0.1 added-1\n10.98.0.300")
    dialog.get_by_label("Labels").fill('test=added\nowner=team "a" b')
    dialog.get_by_label("Agent’s profile").fill("no/profile")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_label("Agent’s profile")).to_have_attribute("aria-invalid", "true")
    expect(dialog).to_contain_text("Line 2")
    # Lines are counted as they stand there, and each fault says which other line it means.
    dialog.get_by_label("Agent’s profile").fill("")
    dialog.get_by_label("Addresses").fill("\n10.98.0.1 added-1\n\n10.98.0.1")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Line 4: names the same address and port as line 2")
    dialog.get_by_label("Addresses").fill("10.98.0.1 added-1")
    dialog.get_by_label("Agent’s profile").fill("")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("added-1 is enrolled.")).to_be_visible()
    page.get_by_role("button", name="test=added").first.click()
    expect(page.locator("tbody tr")).to_have_count(1)
    # A label with blanks is found as well, pressed or typed.
    page.get_by_role("button", name='owner=team "a" b').first.click()
    expect(page.get_by_label("Label: name=value")).to_have_value('"owner=team ""a"" b"')
    page.get_by_label("Label: name=value").fill('test=added owner="team ""a"" b"')
    expect(page).to_have_url(re.compile("label=test%3Dadded"))
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Label: name=value").fill("")
    expect(page.get_by_role("link", name="host-001")).to_be_visible()
    [added] = hosts_with(stack, label="test=added")
    stack.http.delete(f"/compute/hosts/{added}")


def test_an_inventory_is_tried_first_and_each_bad_row_is_shown(
    stack: RunningStack, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    inventory = tmp_path / "fleet.csv"
    inventory.write_text("address,name,ssh_port,label.test\n10.97.0.1,one,22,file\n10.97.0.2,two,port,file\n")
    page = open_page("/console/hosts")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog", name="Import hosts")
    dialog.get_by_label("Inventory file").set_input_files(inventory)
    dialog.get_by_role("button", name="Check").click()
    bad = dialog.locator("tbody tr")
    expect(bad).to_have_count(1)
    expect(bad).to_contain_text("line 3")
    expect(bad).to_contain_text("port")
    # Mended, the same file is chosen again.
    inventory.write_text(inventory.read_text().replace("two,port", "two,22"))
    with page.expect_file_chooser() as chooser:
        dialog.get_by_label("Inventory file").click()
    expect(dialog.get_by_label("Inventory file")).to_have_value("")
    chooser.value.set_files(inventory)
    expect(dialog.get_by_label("Inventory", exact=True)).to_have_value(inventory.read_text())
    dialog.get_by_role("button", name="Check").click()
    expect(dialog).to_contain_text("2 new: one, two")
    assert hosts_with(stack, label="test=file") == []
    dialog.get_by_role("button", name="Import 2 hosts").click()
    expect(page.get_by_text("2 hosts are enrolled.")).to_be_visible()
    ids = hosts_with(stack, label="test=file")
    assert len(ids) == 2
    stack.http.post("/compute/hosts/batchDelete", json={"hostIdList": ids})


def test_one_host_tells_what_runs_there_now(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    page = open_page("/console/hosts")
    page.get_by_role("link", name="host-007").click()
    dialog = page.get_by_role("dialog", name="host-007")
    expect(dialog.locator("tbody tr")).to_have_count(4)
    expect(dialog).to_contain_text("ocp_mgragent")
    expect(dialog).to_contain_text("just now")
    expect(page).to_have_url(re.compile("/console/hosts/7$"))
    page.reload()
    expect(dialog).to_contain_text("ocp_monagent")
    dialog.get_by_role("link", name="Tasks on this host").click()
    expect(page).to_have_url(re.compile("/console/tasks.host=7$"))


def test_who_may_only_look_is_offered_nothing_else(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    user = ("lookout", "only looking")
    made = stack.http.post("/iam/users", json={"name": user[0], "password": user[1], "roles": ["HOST_VIEWER"]})
    assert made.status_code == 200, made.text
    page = open_page("/console/", user=user)
    expect(page.get_by_role("heading", name="Hosts")).to_be_visible()
    expect(page.get_by_role("link", name="host-001")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    for name in ("Add hosts", "Import", "Restart agents …"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("link", name="Tasks")).to_have_count(0)
    page.goto("/console/tasks")
    expect(page.get_by_text("needs the permission TASK_VIEWER, which lookout does not have")).to_be_visible()


def test_a_name_is_text_whatever_stands_in_it(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    name = f"<img src=x onerror=document.title=1>{'x' * 80}"
    body = {"hostBasicDataList": [{"innerIpAddress": "10.96.0.1", "name": name}], "labels": {"test": "<b>bold</b>"}}
    [made] = stack.http.post("/compute/hosts/batchCreate", json=body).json()["data"]["contents"]
    page = open_page(f"/console/hosts/{made['id']}?keyword=onerror")
    expect(page.get_by_role("dialog")).to_contain_text(name)
    expect(page.locator("tbody tr").first).to_contain_text(name)
    assert page.locator("img, b").count() == 0
    # Nor does it stand out of a dialog.
    stack.http.get(f"/compute/hosts/{made['id']}/agent")
    page.keyboard.press("Escape")
    page.locator("tbody").get_by_role("checkbox").check()
    page.get_by_role("button", name="Restart agents …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("onerror")).to_be_visible()
    assert dialog.evaluate("(element) => element.scrollWidth - element.clientWidth") == 0
    page.keyboard.press("Escape")
    stack.http.delete(f"/compute/hosts/{made['id']}")


def stop_agents(stack: RunningStack, host: int) -> int:
    answer = stack.http.post("/compute/hosts/batchStopAgents", json={"hostIds": [host]})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["id"])


def is_list(request: Request) -> bool:
    return "/compute/hosts?" in request.url


def test_the_list_shows_each_agent_as_it_was_seen_last_and_keeps_up_by_itself(
    stack: RunningStack, open_page: Callable[..., Page]
) -> None:
    page = open_page("/console/hosts?keyword=host-004")
    page.clock.install()
    page.reload()
    row = page.get_by_role("row").filter(has_text="host-004")
    box = row.get_by_role("checkbox")
    box.check()
    for submit, says in ((lambda: stop_agents(stack, 4), "■Stopped"), (lambda: stack.restart([4])["id"], "✓Running")):
        stack.follow(submit())
        page.clock.fast_forward(EVERY_MS)
        expect(row.locator(".agent-seen .badge")).to_have_text(says)
        seen = stack.http.get("/compute/hosts/4").json()["data"]["lastSeenTime"]
        expect(row.locator(".agent-seen time")).to_have_attribute("datetime", seen)
    # The row is the same all the while.
    expect(box).to_be_focused()
    expect(box).to_be_checked()
    with page.expect_response(lambda answer: is_list(answer.request) and answer.status == 304):
        page.clock.fast_forward(EVERY_MS)
    page.get_by_role("button", name="Stopped").click()
    expect(page).to_have_url(re.compile("agent=STOPPED"))
    expect(page.get_by_role("heading", name="No host fits")).to_be_visible()


def test_a_host_that_could_not_be_reached_says_why_and_when(
    stack: RunningStack, open_page: Callable[..., Page]
) -> None:
    body = {"hostBasicDataList": [{"innerIpAddress": "127.0.0.1", "name": "mute"}], "sshPort": 9}
    [made] = stack.http.post("/compute/hosts/batchCreate", json=body).json()["data"]["contents"]
    stack.http.get(f"/compute/hosts/{made['id']}/agent")
    row = open_page("/console/hosts?keyword=mute").get_by_role("row").filter(has_text="mute")
    expect(row.locator(".status")).to_contain_text("Offline")
    expect(row.locator(".status")).to_contain_text("127.0.0.1 port 9 can't be reached: Connection refused")
    expect(row.locator(".status time")).to_have_count(1)
    expect(row.locator(".agent-seen")).to_have_text("○Not seen")
    stack.http.delete(f"/compute/hosts/{made['id']}")


def test_a_list_that_nobody_sees_asks_for_nothing(open_page: Callable[..., Page]) -> None:
    page = open_page("/console/hosts")
    page.clock.install()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if is_list(request) else None)
    page.reload()
    expect(page.get_by_role("link", name="host-001")).to_be_visible()
    page.clock.run_for(EVERY_MS // 2)
    assert len(asked) == 1
    asked.clear()
    page.evaluate(HIDE, True)
    page.clock.run_for(20 * EVERY_MS)
    with page.expect_request(is_list):
        page.evaluate(HIDE, False)
    assert len(asked) == 1
