"""One stack with demo hosts and one Chromium for all tests of this folder; a page for each, which has signed in."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.chromium import options, path_of_chromium
from tests.stack import RunningStack

HOSTS = 8
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 780}
WAIT_MS = 30_000

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("console") / "data", ["--hosts", str(HOSTS)]).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path_of_chromium(), args=options())
        yield found
        found.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(stack: RunningStack, browser: Browser) -> Iterator[OpenPage]:
    """Opens a path in a window of its own: `open_page("/console/tasks", user=("ann", "pw"), size=NARROW)`.

    Whoever it is has signed in; user=None: nobody has. At the test's end no window may have had an uncaught error or a
    violation of the Content-Security-Policy, but for those that need not be `is_faultless`.
    """
    opened: list[tuple[BrowserContext, list[str]]] = []
    admin = (stack.ready["user"], stack.ready["password"])

    def open_it(
        path: str,
        *,
        user: tuple[str, str] | None = admin,
        size: dict[str, int] = WIDE,
        theme: str = "light",
        is_faultless: bool = True,
    ) -> Page:
        context = browser.new_context(
            base_url=stack.ready["api"],
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme="dark" if theme == "dark" else "light",
        )
        context.set_default_timeout(WAIT_MS)
        faults: list[str] = []
        opened.append((context, faults))
        if user:
            sign_in(context, *user)
        page = context.new_page()
        if is_faultless:
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda message: _note(message, faults))
        page.goto(path)
        return page

    yield open_it
    for context, faults in opened:
        context.close()
        assert faults == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The console as the administrator sees it, at 1280 × 900."""
    return open_page("/console/")


def sign_in(context: BrowserContext, name: str, password: str) -> None:
    """Give the context the cookie of a new session."""
    answer = context.request.post("/console/session", data={"name": name, "password": password})
    assert answer.ok, answer.text()


def _note(message: ConsoleMessage, faults: list[str]) -> None:
    # Calls that fail (401, 503) are told there, too, and belong to some tests.
    if message.type == "error" and not message.text.startswith("Failed to load resource"):
        faults.append(message.text)
