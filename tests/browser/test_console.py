"""What holds for all pages: everybody can use them, the policy is in force, and an outage is survived."""

import os
import re
import signal
from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.stack import RunningStack

OpenPage = Callable[..., Page]
SEVERE = ("serious", "critical")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def sign_in_page(page: Page) -> None:
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def tasks_page(page: Page) -> None:
    expect(page.locator("tbody tr").first).to_be_visible()


def hosts_page(page: Page) -> None:
    page.get_by_role("checkbox", name="Select host-001").check()


def plan_dialog(page: Page) -> None:
    hosts_page(page)
    # "Restart agents …"; on a phone "Restart …".
    page.get_by_role("button", name=re.compile("^Restart.*…")).click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Restart agents")).to_be_enabled()


def add_dialog(page: Page) -> None:
    page.get_by_role("button", name="Add hosts").click()


def import_dialog(page: Page) -> None:
    page.get_by_role("button", name="Import").click()


def host_dialog(page: Page) -> None:
    expect(page.get_by_role("dialog").locator("tbody tr")).to_have_count(4)


# Where each state of a page is, and how one gets into it.
STATES = {
    "sign in": ("/console/", sign_in_page),
    "tasks": ("/console/tasks", tasks_page),
    "hosts": ("/console/hosts", hosts_page),
    "plan": ("/console/hosts", plan_dialog),
    "add": ("/console/hosts", add_dialog),
    "import": ("/console/hosts", import_dialog),
    "host": ("/console/hosts/1", host_dialog),
}


@pytest.fixture
def one_task(stack: RunningStack) -> None:
    """A task that has ended, so that the list has one."""
    if not stack.http.get("/tasks/instances").json()["data"]["contents"]:
        stack.follow(stack.restart([1])["id"])


def open_state(open_page: OpenPage, name: str, **how: object) -> Page:
    path, enter = STATES[name]
    page = open_page(path, **({"user": None} if name == "sign in" else {}), **how)
    enter(page)
    return page


@pytest.mark.usefixtures("one_task")
@pytest.mark.parametrize("name", STATES)
def test_axe_finds_nothing_serious_in_light_and_dark(open_page: OpenPage, name: str) -> None:
    page = open_state(open_page, name)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        found = Axe().run(page).response["violations"]
        severe = [one for one in found if one["impact"] in SEVERE]
        assert [(theme, one["id"], [node["html"] for node in one["nodes"]]) for one in severe] == []


@pytest.mark.usefixtures("one_task")
@pytest.mark.parametrize("name", STATES)
def test_nothing_is_wider_than_a_narrow_phone(open_page: OpenPage, name: str) -> None:
    page = open_state(open_page, name, size=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    for part in page.locator("dialog, dialog .table-frame").all():
        assert part.evaluate("(it) => it.scrollWidth <= it.clientWidth")


def test_a_script_that_does_not_come_from_here_is_not_run(open_page: OpenPage) -> None:
    """The policy is in force: the other tests then show that the console needs nothing that it forbids."""
    page = open_page("/console/hosts", is_faultless=False)
    page.evaluate(
        """() => new Promise((resolve) => {
             document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
             const script = document.createElement("script");
             script.textContent = "window.isRun = true";
             document.body.append(script);
           }).then((directive) => { window.violated = directive; })"""
    )
    assert page.evaluate("[window.violated, window.isRun]") == ["script-src-elem", None]


def test_a_theme_is_chosen_and_kept(page: Page) -> None:
    def ground() -> str:
        found: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return found

    light = ground()
    toggle = page.get_by_role("button", name=re.compile("^Theme"))
    expect(toggle).to_have_accessible_name("Theme: as the system")
    toggle.click()
    assert ground() == light
    toggle.click()
    expect(toggle).to_have_accessible_name("Theme: dark")
    dark = ground()
    assert dark != light
    page.reload()
    expect(toggle).to_have_accessible_name("Theme: dark")
    assert ground() == dark


def test_hosts_are_restarted_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page("/console/hosts")
    box = page.get_by_role("checkbox", name="Select host-002")
    expect(box).to_be_visible()
    focused = page.locator(":focus")

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            label = focused.evaluate("(it) => it.getAttribute('aria-label') ?? it.textContent")
            if label == name:
                return
        pytest.fail(f"{name} can't be reached")

    page.keyboard.press("Tab")
    tab_to("Select host-002")
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    page.keyboard.press("Shift+Tab")
    for _ in range(20):
        if focused.evaluate("(it) => it.textContent") == "Restart agents …":
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Restart agents")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert focused.evaluate("(it) => it.textContent") == "Restart agents …"


def test_a_path_that_is_none_says_so(open_page: OpenPage) -> None:
    page = open_page("/console/no/such/page")
    expect(page.get_by_text("There is nothing at /console/no/such/page.")).to_be_visible()


def test_where_flower_and_the_api_are(stack: RunningStack, page: Page) -> None:
    expect(page.get_by_role("link", name="Flower")).to_have_attribute("href", stack.ready["flower"])
    expect(page.get_by_role("link", name="API")).to_have_attribute("href", "/api/docs")


def test_while_redis_is_away_a_banner_says_so_and_goes_once_it_is_back(stack: RunningStack, page: Page) -> None:
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    [valkey] = [pid for pid, args in stack.children().items() if "valkey-server" in args]
    banner = page.get_by_text("Muster’s store does not answer.")
    # Else it would be started again at once.
    os.kill(stack.process.pid, signal.SIGSTOP)
    try:
        os.kill(valkey, signal.SIGKILL)
        expect(banner).to_be_visible()
    finally:
        os.kill(stack.process.pid, signal.SIGCONT)
    expect(banner).to_be_hidden(timeout=30_000)
    # The session has outlived it.
    page.reload()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_on_the_page_of_the_api_the_session_may_change_something(open_page: OpenPage) -> None:
    page = open_page("/api/docs#/users/changeMyPassword", size=WIDE)
    operation = page.locator("#operations-users-changeMyPassword")
    with page.expect_response("**/iam/me/password") as found:
        operation.get_by_role("button", name="Execute").click()
    # The example's password is not the user's: the call got through, and that is what is wrong with it.
    assert found.value.status == 400
    assert found.value.json()["error"]["target"] == "currentPassword"
