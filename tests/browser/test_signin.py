"""Signing in and out, and coming back to where one was."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

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
