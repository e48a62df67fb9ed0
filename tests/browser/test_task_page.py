"""A task's page on a real stack with real agents: watched, failed, read, mended, retried, rolled back."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.lone import HEAD, Played
from tests.stack import RunningStack, Task, children_of, nodes
from tests.wait import until

OpenPage = Callable[..., Page]
SEVERE = ("serious", "critical")
STOP, START = 1, 5
VIEWER = ("looker", "correct horse battery")


class Faults:
    """Agents of the demo's hosts that misbehave."""

    def __init__(self, stack: RunningStack) -> None:
        self._fleet = stack.data / "fleet"
        self._set: list[Path] = []

    def set(self, number: int, fault: str = "refuse-start") -> None:
        file = self._fleet / f"host-{number:03d}/ocp_agent/conf/faults/{fault}"
        file.write_text("")
        self._set.append(file)

    def mend(self) -> None:
        for file in self._set:
            file.unlink(missing_ok=True)
        self._set.clear()


@pytest.fixture
def faults(stack: RunningStack) -> Iterator[Faults]:
    found = Faults(stack)
    yield found
    found.mend()


@pytest.fixture(scope="module")
def viewer(stack: RunningStack) -> tuple[str, str]:
    body = {"name": VIEWER[0], "password": VIEWER[1], "roles": ["VIEWER"]}
    answer = stack.http.post("/iam/users", json=body)
    assert answer.status_code == 200, answer.text
    return VIEWER


@pytest.fixture(scope="module")
def idle_task(stack: RunningStack) -> int:
    """A task that stays RUNNING: no worker is in its hosts' zone."""
    hosts = [{"innerIpAddress": f"10.9.9.{n}", "name": f"far-{n:03d}"} for n in range(1, 71)]
    body = {"hostBasicDataList": hosts, "sshPort": 22, "zone": "nowhere"}
    answer = stack.http.post("/compute/hosts/batchCreate", json=body)
    assert answer.status_code == 200, answer.text
    return int(stack.restart([host["id"] for host in answer.json()["data"]["contents"]])["id"])


@pytest.fixture(scope="module")
def done_task(stack: RunningStack) -> Task:
    """A restart of two hosts that has succeeded."""
    return stack.follow(stack.restart([1, 2])["id"])


def failed_task(stack: RunningStack, faults: Faults, host: int, *others: int) -> int:
    """A task that has failed on the one host, whose agent is still to be mended."""
    faults.set(host)
    task = stack.follow(stack.restart([host, *others])["id"])
    assert task["status"] == "FAILED"
    return int(task["id"])


def path_of(task: int) -> str:
    return f"/console/tasks/{task}"


def test_a_restart_is_watched_to_its_end(stack: RunningStack, open_page: OpenPage) -> None:
    task = stack.restart([1, 2, 3])["id"]
    page = open_page(path_of(task))
    expect(page.get_by_role("heading", name=re.compile("Batch restart OCP agent"))).to_be_visible()
    expect(page.get_by_text("Done on all 3 hosts.")).to_be_visible(timeout=60_000)
    expect(page).to_have_title(f"Successful: Batch restart OCP agent #{task} · Muster")
    # By events alone: the page was loaded once.
    expect(page.get_by_role("button", name="Successful 19", exact=True)).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "19")
    expect(page.get_by_role("link", name="host-002: Start all OCP agent processes: Successful")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Retry|^Roll back"))).to_have_count(0)
    expect(page.get_by_text("Ended", exact=True)).to_be_visible()


def test_hosts_are_selected_and_restarted_and_the_failed_one_is_read_mended_and_retried(
    stack: RunningStack, open_page: OpenPage, faults: Faults
) -> None:
    faults.set(3)
    page = open_page("/console/hosts", user=None)
    page.get_by_label("Name").fill(stack.ready["user"])
    page.get_by_label("Password").fill(stack.ready["password"])
    page.get_by_role("button", name="Sign in").click()
    for name in ("host-002", "host-003"):
        page.get_by_role("checkbox", name=f"Select {name}").check()
    page.get_by_role("button", name="Restart agents …").click()
    page.get_by_role("dialog").get_by_role("button", name="Restart agents").click()
    expect(page).to_have_url(re.compile(r"/console/tasks/\d+$"))
    row = page.get_by_role("row").filter(has_text="host-003")
    expect(row).to_contain_text("refused", timeout=60_000)
    expect(page.get_by_text("1 of 2 hosts failed at")).to_be_visible(timeout=60_000)
    row.get_by_role("link", name="host-003").click()
    panel = page.get_by_role("complementary", name="Step")
    log = panel.get_by_role("log")
    expect(log).to_contain_text("refused by the agent")
    panel.get_by_label("Search the log").fill("refused")
    expect(panel.locator("mark.is-here")).to_have_text("refused")
    with page.expect_download() as download:
        panel.get_by_role("button", name="Download").click()
    assert "refused by the agent" in download.value.path().read_text()
    flower = panel.get_by_role("link", name="In Flower").get_attribute("href")
    assert flower
    assert flower.startswith(f"{stack.ready['flower']}/task/")
    faults.mend()
    page.get_by_role("button", name="Retry failed 1").click()
    expect(page.get_by_text("Done on all 2 hosts.")).to_be_visible(timeout=60_000)
    # The panel has followed it, too: the second run's log is there.
    expect(log).to_contain_text("{RETRY}")
    expect(page.get_by_role("row")).to_have_count(0)
    panel.get_by_role("link", name="Close this step").click()
    expect(panel).to_have_count(0)


def test_a_node_leads_to_its_row_in_flower(stack: RunningStack, open_page: OpenPage, done_task: Task) -> None:
    node = nodes(done_task, START)[0]
    page = open_page(f"{path_of(done_task['id'])}/subtasks/{node['id']}")
    link = page.get_by_role("link", name="In Flower").get_attribute("href")
    answer = stack.http.get(str(link))
    assert answer.status_code == 200, answer.text
    assert node["name"] in answer.text


def test_another_task_is_rolled_back_after_a_question(stack: RunningStack, open_page: OpenPage, faults: Faults) -> None:
    task = failed_task(stack, faults, 4, 5)
    page = open_page(path_of(task))
    page.get_by_role("button", name="Roll back …").click()
    question = page.get_by_role("alertdialog")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    assert stack.task(task)["status"] == "FAILED"
    faults.mend()
    page.get_by_role("button", name="Roll back …").click()
    question.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Rolled back: 2 hosts left as found before.")).to_be_visible(timeout=60_000)


def test_one_step_is_skipped_after_a_question(stack: RunningStack, open_page: OpenPage, faults: Faults) -> None:
    task = failed_task(stack, faults, 6)
    page = open_page(path_of(task))
    page.get_by_role("button", name=re.compile("^Skip")).click()
    faults.mend()
    page.get_by_role("alertdialog").get_by_role("button", name="Skip").click()
    expect(page.get_by_role("row")).to_have_count(0, timeout=60_000)
    stack.follow(task)


def test_a_step_at_work_is_cancelled_after_a_question(stack: RunningStack, open_page: OpenPage, faults: Faults) -> None:
    faults.set(1, "hang-stop")
    task = stack.restart([1])
    page = open_page(f"{path_of(task['id'])}/subtasks/{nodes(task, STOP)[0]['id']}")
    panel = page.get_by_role("complementary", name="Step")
    # What its worker has heard from the host, long before it ends.
    expect(panel.get_by_role("log")).to_contain_text("bin/ocp_agentctl stop")
    expect(panel.get_by_role("heading")).to_contain_text("Running")
    panel.get_by_role("button", name="Cancel …").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel the step").click()
    expect(panel.get_by_role("heading")).to_contain_text("Failed", timeout=30_000)
    expect(panel.get_by_role("log")).to_contain_text("cancelled by admin")
    faults.mend()
    panel.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Done on the host.")).to_be_visible(timeout=60_000)


def test_all_that_runs_is_cancelled_after_a_question(stack: RunningStack, open_page: OpenPage, faults: Faults) -> None:
    for host in (2, 4):
        faults.set(host, "hang-stop")
    task = stack.restart([2, 4])["id"]
    page = open_page(path_of(task))
    until(lambda: [node["status"] for node in nodes(stack.task(task), STOP)] == ["RUNNING"] * 2, 30)
    expect(page.get_by_role("button", name="Running 2", exact=True)).to_be_visible()
    page.get_by_role("button", name="Cancel running …").click()
    question = page.get_by_role("alertdialog", name="Cancel all that runs?")
    expect(question).to_contain_text("(2 steps)")
    question.get_by_role("button", name="Cancel what runs").click()
    expect(page.get_by_text("2 steps are being cancelled.")).to_be_visible()
    expect(page.get_by_text("2 of 2 hosts failed at")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Cancel running …")).to_have_count(0)
    faults.mend()
    page.get_by_role("button", name="Retry failed 2").click()
    expect(page.get_by_text("Done on all 2 hosts.")).to_be_visible(timeout=60_000)


def test_the_log_of_a_step_is_followed_until_somebody_scrolls_up(
    stack: RunningStack, open_page: OpenPage, idle_task: int
) -> None:
    played = Played(stack.store, idle_task)
    node = stack.store.read(idle_task).graph.base + 2
    page = open_page(f"{path_of(idle_task)}/subtasks/{node}")
    panel = page.get_by_role("complementary", name="Step")
    log, follow = panel.get_by_role("log"), panel.get_by_label("Follow")
    expect(log).to_have_text("What the step logs will appear here.")
    [run] = played.begin(2, 1)
    text = f"{HEAD}line 1: <b>ä</b>\n"
    played.log(run, text)
    expect(log).to_have_text(text)
    expect(panel.get_by_role("heading")).to_contain_text("Running")
    text += "".join(f"line {n}\n" for n in range(2, 300))
    played.log(run, text)
    expect(log).to_contain_text("line 299")
    is_at_end = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 8"
    page.wait_for_function(is_at_end, arg=log.element_handle())
    log.hover()
    page.mouse.wheel(0, -600)
    expect(follow).not_to_be_checked()
    place = log.evaluate("log => log.scrollTop")
    text += "line 300\n"
    played.log(run, text)
    expect(log).to_contain_text("line 300")
    assert log.evaluate("log => log.scrollTop") == place
    follow.check()
    page.wait_for_function(is_at_end, arg=log.element_handle())
    text += "exit code 0\n"
    played.end(run, log=text)
    expect(log).to_contain_text("exit code 0")
    expect(panel.get_by_role("heading")).to_contain_text("Successful")
    assert log.inner_text() == text
    page.wait_for_function(is_at_end, arg=log.element_handle())


def test_a_refusal_says_which_state_was_met(stack: RunningStack, open_page: OpenPage, faults: Faults) -> None:
    task = failed_task(stack, faults, 7)
    page = open_page(path_of(task))
    button = page.get_by_role("button", name="Retry failed 1")
    expect(button).to_be_visible()
    faults.mend()
    # Somebody else is quicker.
    assert stack.http.post(f"/tasks/instances/{task}/retry").status_code == 200
    button.click()
    expect(page.locator(".toast")).to_contain_text(f"Task {task} can't be retried: it is RUNNING")
    expect(page.get_by_text("Done on the host.")).to_be_visible(timeout=60_000)


def test_who_may_only_look_has_nothing_to_press(
    stack: RunningStack, open_page: OpenPage, faults: Faults, viewer: tuple[str, str]
) -> None:
    task = failed_task(stack, faults, 8)
    page = open_page(path_of(task), user=viewer)
    expect(page.get_by_role("row").filter(has_text="host-008")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download diagnosis").click()
    assert download.value.suggested_filename == f"task-{task}-diagnosis.zip"
    page.get_by_role("row").filter(has_text="host-008").get_by_role("link").click()
    expect(page.get_by_role("log")).to_contain_text("refused")
    expect(page.get_by_role("button", name=re.compile("^(Retry|Skip|Roll back|Cancel (…|running))"))).to_have_count(0)


def test_the_grid_works_by_keyboard(open_page: OpenPage, done_task: Task) -> None:
    page = open_page(path_of(done_task["id"]))
    card = page.locator(".cell-card")
    grid = page.get_by_role("application")
    grid.focus()
    page.keyboard.press("ArrowDown")
    expect(card).to_contain_text("host-001")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(card).to_contain_text("host-002")
    expect(card).to_contain_text("attempt 1")
    assert card.get_attribute("aria-live") == "polite"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/subtasks/{nodes(done_task, 8)[1]['id']}$"))
    panel = page.get_by_role("complementary", name="Step")
    expect(panel).to_contain_text("host-002")
    expect(panel.get_by_role("heading")).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(grid).to_be_focused()


def test_a_lost_connection_is_told_and_made_again(stack: RunningStack, open_page: OpenPage, idle_task: int) -> None:
    page = open_page(path_of(idle_task))
    expect(page.get_by_text("70 hosts", exact=True)).to_be_visible()
    warning = page.get_by_text("Live updates are interrupted.")
    [api] = [pid for pid, args in stack.children().items() if args.endswith("muster api") and is_arbiter(stack, pid)]
    # Else its supervisor would start another one at once.
    os.kill(stack.process.pid, signal.SIGSTOP)
    try:
        for pid in (*children_of(api), api):
            os.kill(pid, signal.SIGKILL)
        expect(warning).to_be_visible(timeout=30_000)
    finally:
        os.kill(stack.process.pid, signal.SIGCONT)
    expect(warning).to_be_hidden(timeout=30_000)
    # And what happens from now on is told.
    assert Played(stack.store, idle_task).begin(0, 1)
    expect(page.get_by_role("button", name="Running 1", exact=True)).to_be_visible()


def test_a_task_at_which_nobody_works_says_what_it_waits_for(stack: RunningStack, open_page: OpenPage) -> None:
    hosts = [{"innerIpAddress": f"10.9.8.{n}"} for n in (1, 2)]
    body = {"hostBasicDataList": hosts, "zone": "nowhere"}
    ids = [host["id"] for host in stack.http.post("/compute/hosts/batchCreate", json=body).json()["data"]["contents"]]
    first, second = stack.restart(ids)["id"], stack.restart(ids)["id"]
    for task, says in (
        (first, "No worker has taken a step for 1 min"),
        (second, "It waits for hosts that other tasks have"),
    ):
        page = open_page(path_of(task))
        expect(page.get_by_role("button", name="Cancel running …")).to_be_disabled()
        page.clock.install(time=time.time() + 60)
        page.clock.run_for(2000)
        expect(page.locator(".verdict")).to_contain_text(says)


def is_arbiter(stack: RunningStack, pid: int) -> bool:
    """Whether it was started by the stack itself: gunicorn answers in a child of it."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == stack.process.pid


@pytest.fixture(scope="module")
def broken_task(stack: RunningStack) -> int:
    """A task that has failed on one of its two hosts."""
    faults = Faults(stack)
    try:
        return failed_task(stack, faults, 5, 6)
    finally:
        faults.mend()


def test_whoever_goes_back_leaves_the_question_behind(open_page: OpenPage, broken_task: int) -> None:
    page = open_page("/console/tasks")
    page.locator(f"a[href='{path_of(broken_task)}']").click()
    page.get_by_role("button", name="Roll back …").click()
    expect(page.get_by_role("alertdialog", name="Roll this task back?")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    expect(page.get_by_role("alertdialog")).to_have_count(0)


def test_a_task_that_is_forgotten_while_it_is_looked_at_says_so(stack: RunningStack, open_page: OpenPage) -> None:
    [host] = stack.http.post(
        "/compute/hosts/batchCreate", json={"hostBasicDataList": [{"innerIpAddress": "10.9.7.1"}], "zone": "nowhere"}
    ).json()["data"]["contents"]
    task = Played(stack.store, stack.restart([host["id"]])["id"])
    [run] = task.begin(0, 1)
    task.end(run, "the disk is full")
    page = open_page(path_of(task.id))
    expect(page.locator(".verdict")).to_contain_text("1 of 1 host failed")
    page.clock.install()
    page.reload()
    expect(page.locator(".verdict")).to_contain_text("1 of 1 host failed")
    stack.redis.delete(stack.store.keys.task(task.id))
    page.clock.run_for(6000)
    expect(page.get_by_text("Muster has forgotten this task since.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_it(
    stack: RunningStack, open_page: OpenPage, broken_task: int, idle_task: int, theme: str, size: dict[str, int]
) -> None:
    node = nodes(stack.task(broken_task), START)[0]["id"]
    for path in (path_of(broken_task), path_of(idle_task), f"{path_of(broken_task)}/subtasks/{node}"):
        page = open_page(path, theme=theme, size=size)
        if "subtasks" in path:
            expect(page.get_by_role("log")).to_contain_text("refused")
        else:
            expect(page.get_by_role("application")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        found = Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SEVERE] == []
