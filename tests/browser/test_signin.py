"""Signing in and out, and coming back to where one was."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.stack import RunningStack


def test_whoever_is_not_known_signs_in_and_gets_where_he_wanted_to(
    stack: RunningStack, open_page: Callable[..., Page]
) -> None:
    page = open_page("/console/hosts", user=None)
    page.get_by_label("Name").fill(stack.ready["user"])
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong.")
    page.get_by_label("Password").fill(stack.ready["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hosts")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("fetch('/iam/me', {headers: {'X-Muster-Console': 'user'}}).then((it) => it.status)") == 401


def test_a_first_visit_leaves_no_error_in_the_browser(open_page: Callable[..., Page]) -> None:
    page = open_page("/api/docs", user=None)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto("/console/tasks")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert errors == []


def test_a_task_that_was_asked_for_before_signing_in_is_there_afterwards(
    stack: RunningStack, open_page: Callable[..., Page]
) -> None:
    task = stack.follow(stack.restart([2])["id"])["id"]
    page = open_page(f"/console/tasks/{task}", user=None)
    page.get_by_label("Name").fill(stack.ready["user"])
    page.get_by_label("Password").fill(stack.ready["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_text("Done on the host.")).to_be_visible()


def test_a_session_that_ends_meanwhile_is_begun_anew_on_the_same_page(stack: RunningStack, page: Page) -> None:
    page.goto("/console/tasks?status=RUNNING")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    for key in stack.redis.scan_iter("{iam}:session:*"):
        stack.redis.delete(key)
    # The list finds out by itself.
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("Name").fill(stack.ready["user"])
    page.get_by_label("Password").fill(stack.ready["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Running")).to_have_attribute("aria-pressed", "true")


def test_who_has_signed_in_anew_in_another_tab_can_go_on_in_this_one(stack: RunningStack, page: Page) -> None:
    page.goto("/console/hosts")
    page.get_by_role("checkbox", name="Select host-001").check()
    sign_in(page.context, stack.ready["user"], stack.ready["password"])
    page.get_by_role("button", name="Restart agents …").click()
    expect(page.get_by_role("dialog")).to_contain_text("This makes one task of 9 subtasks")


def test_nothing_is_done_in_the_name_of_another_user_who_has_signed_in_in_another_tab(
    stack: RunningStack, page: Page
) -> None:
    other = ("besides", "another password")
    made = stack.http.post("/iam/users", json={"name": other[0], "password": other[1], "roles": ["OPERATOR"]})
    assert made.status_code == 200, made.text
    page.goto("/console/hosts")
    page.get_by_role("checkbox", name="Select host-001").check()
    sign_in(page.context, *other)
    page.get_by_role("button", name="Restart agents …").click()
    expect(page.get_by_role("banner")).to_contain_text("besides")
    expect(page.get_by_text("besides has signed in in another tab, and goes on in this one.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("None selected")).to_be_visible()


def test_a_tab_that_is_come_back_to_knows_who_has_signed_in_meanwhile(stack: RunningStack, page: Page) -> None:
    other_tab = page.context.new_page()
    other_tab.goto("/console/hosts")
    other_tab.get_by_role("button", name="Sign out").click()
    expect(other_tab.get_by_role("heading", name="Sign in")).to_be_visible()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page.context, stack.ready["user"], stack.ready["password"])
    other_tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(other_tab.get_by_role("heading", name="Tasks")).to_be_visible()
