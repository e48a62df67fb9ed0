"""The page to try the API, in a browser: it is there under its policy, and an operation that is tried answers."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.stack import RunningStack


def opened(page: Page, operation: str, group: str) -> Locator:
    """The block of an operation, opened."""
    block = page.locator(f"#operations-{group}-{operation}")
    block.get_by_role("button").first.click()
    expect(block.get_by_role("button", name="Execute")).to_be_visible()
    return block


def executed(block: Locator, *, status: int) -> str:
    """What the operation answers once it is tried."""
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").nth(1)).to_contain_text(str(status))
    return answer.locator(".response-col_description").nth(1).inner_text()


def test_operations_are_tried_as_who_has_signed_in(stack: RunningStack, open_page: Callable[..., Page]) -> None:
    # That nothing breaks the policy and no script has an error, open_page asserts.
    page = open_page("/api/docs")
    expect(page.get_by_role("heading", name=re.compile("^Muster"))).to_be_visible()
    listing = opened(page, "listHosts", "hosts")
    # With nothing filled in that would filter: whoever tries it sees the fleet.
    assert "host-001" in executed(listing, status=200)
    # A change needs the session's token, which the page sends.
    plan = opened(page, "batchRestartAgents", "agents")
    plan.locator("tr[data-param-name=dryRun] select").select_option("true")
    plan.locator("textarea").fill('{"hostIds": [1]}')
    assert '"dryRun": true' in executed(plan, status=200)
    plan.locator("textarea").fill('{"hostIds": [4711]}')
    assert "4711" in executed(plan, status=404)
