"""The list of tasks, as it changes."""

import re
import time
from collections.abc import Callable

from playwright.sync_api import Page, Response, expect

from tests.stack import RunningStack


def row_of(page: Page, task: int) -> str:
    """The row of a task as a selector."""
    return f"tr:has(a[href='/console/tasks/{task}'])"


def test_a_task_appears_and_gets_to_its_end_without_a_reload(stack: RunningStack, page: Page) -> None:
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    task = stack.restart([1, 2])["id"]
    row = page.locator(row_of(page, task))
    expect(row).to_contain_text("Batch restart OCP agent")
    expect(row).to_contain_text(f"#{task} · admin · 2 hosts")
    row.get_by_role("link").focus()
    expect(row.locator(".badge")).to_have_text("✓Successful", timeout=40_000)
    bar = row.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuetext", "14 of 14 subtasks done")
    expect(row).to_contain_text("100 %")
    # The row is the same all the while.
    expect(row.get_by_role("link")).to_be_focused()
    row.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"/console/tasks/{task}$"))
    page.go_back()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_what_has_not_changed_is_not_sent_again(stack: RunningStack, page: Page) -> None:
    stack.follow(stack.restart([3])["id"])
    page.reload()

    def is_unchanged(response: Response) -> bool:
        return "/tasks/instances?" in response.url and response.status == 304

    with page.expect_response(is_unchanged) as found:
        pass
    assert "view=summary" in found.value.url


def test_filters_stand_in_the_address_and_find_a_host_by_its_name(
    stack: RunningStack, open_page: Callable[..., Page]
) -> None:
    task = stack.restart([4])["id"]
    stack.follow(task)
    name = stack.http.get("/compute/hosts/4").json()["data"]["name"]
    page = open_page("/console/tasks")
    page.get_by_label("Host’s id or name").fill(name)
    expect(page).to_have_url(re.compile(f"host={name}"))
    expect(page.locator(row_of(page, task))).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(
        stack.http.get("/tasks/instances?hostId=4").json()["data"]["page"]["totalElements"]
    )
    page.get_by_role("button", name="Failed").click()
    expect(page.get_by_role("heading", name="No task fits")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="No task fits")).to_be_visible()
    expect(page.get_by_label("Host’s id or name")).to_have_value(name)
    page.get_by_role("button", name="Failed").click()
    expect(page.locator(row_of(page, task))).to_be_visible()
    page.get_by_label("Host’s id or name").fill("no-such-host")
    expect(page.get_by_role("alert")).to_contain_text("No host has the name or address “no-such-host”.")


def test_who_may_see_no_hosts_names_one_by_its_id(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    user = ("tasks-only", "only the tasks")
    made = stack.http.post("/iam/users", json={"name": user[0], "password": user[1], "roles": ["TASK_VIEWER"]})
    assert made.status_code == 200, made.text
    page = open_page("/console/tasks", user=user)
    page.get_by_label("Host’s id", exact=True).fill("host-001")
    expect(page.get_by_role("alert")).to_contain_text("type its id")
    page.get_by_label("Host’s id", exact=True).fill("999999")
    expect(page.get_by_role("heading", name="No task fits")).to_be_visible()


def test_the_oldest_come_first_where_that_is_wanted(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    for _ in range(2):
        stack.restart([5])
    page = open_page("/console/tasks?host=5")
    ids = stack.http.get("/tasks/instances?hostId=5").json()["data"]["contents"]
    newest, oldest = f"/console/tasks/{ids[-1]['id']}", f"/console/tasks/{ids[0]['id']}"
    expect(page.locator("tbody tr").first.get_by_role("link")).to_have_attribute("href", newest)
    page.get_by_role("button", name="Task", exact=True).click()
    expect(page.locator("tbody tr").first.get_by_role("link")).to_have_attribute("href", oldest)
    expect(page).to_have_url(re.compile("sort=id%2Casc"))


def test_a_browser_whose_clock_is_wrong_tells_right_how_long_it_takes(stack: RunningStack, page: Page) -> None:
    page.clock.set_system_time(time.time() + 3600)
    page.reload()
    task = stack.restart([6])["id"]
    row = page.locator(row_of(page, task))
    expect(row.locator(".badge")).to_have_text("▶Running")
    expect(row.locator(".took")).to_have_text(re.compile(r"^\d+(\.\d)? s$"))
    stack.follow(task)
