"""Rules of the project that a machine can hold."""

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from config.settings import SECTIONS
from workers.profile.profile import builtin_names

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])


def package(requirement: str) -> str:
    return re.split(r"[\[<>=~ ]", requirement)[0]


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]],
    ids=["lint", "format", "types", "layers"],
)
def test_tool_finds_nothing(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_has_its_line_and_no_line_is_left_over() -> None:
    wanted = {package(r) for r in DEPENDENCIES}
    rows = re.findall(
        r"^\| ([a-z][^|(]*?)(?: \((?:tests|bench|otel)\))? \|",
        (ROOT / "docs/dependencies.md").read_text(),
        re.MULTILINE,
    )
    listed = {name.strip() for row in rows for name in row.split(",")} - {"package"}
    assert listed == wanted


def test_every_dependency_has_a_tested_version() -> None:
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = {package(r) for r in DEPENDENCIES}
    assert wanted <= pinned


def test_changelog_opens_with_this_version() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert heading.group(1) == PROJECT["version"]


def test_every_setting_says_its_unit_and_reason() -> None:
    for section in SECTIONS.values():
        for item in fields(section):
            assert item.metadata["unit"], item.name
            assert item.metadata["why"], item.name


def test_every_built_in_profile_is_described() -> None:
    text = (ROOT / "docs/profiles.md").read_text()
    assert [name for name in builtin_names() if f"| `{name}` |" not in text] == []
