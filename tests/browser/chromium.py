"""Debian's Chromium, driven by Playwright: where it is, and the options that it is started with."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def path_of_chromium() -> str:
    """The path of the browser; AssertionError where there is none: these tests are never skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "No Chromium is installed: sh deploy/install-packages.sh chromium"
    return found


def options() -> list[str]:
    """Chromium's sandbox refuses root."""
    return [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
