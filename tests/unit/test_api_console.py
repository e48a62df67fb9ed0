"""The console's files: whole, from this server alone, under a strict policy, and kept while they hold."""

import re
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.console.bundle import FOLDER, bundle
from api.user import UserStore
from config.settings import Settings
from dag.registry import HostRegistry
from dag.store import Store

PAGES = ("/", "/console", "/console/", "/console/tasks", "/console/tasks/7/subtasks/9", "/console/no/such")
SCRIPTS = sorted(FOLDER.rglob("*.js"))


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    redis = fakeredis.FakeRedis(decode_responses=True)
    yield create_app(Store(redis), HostRegistry(redis), UserStore(redis), Settings()).test_client()
    redis.close()


@pytest.mark.parametrize("path", PAGES)
def test_every_path_of_the_console_is_its_page_under_a_strict_policy(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/html", bundle().index)
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "public, no-cache"


def test_the_page_has_no_script_and_no_style_of_its_own(client: FlaskClient) -> None:
    text = client.get("/").text
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:|https?://", text)


def test_all_that_the_page_names_is_served_for_ever_under_its_path(client: FlaskClient) -> None:
    named = re.findall(r'(?:src|href)="(/[^"]+)"', client.get("/").text)
    assert len(named) > 20
    assert {name.split("/", 4)[4] for name in named} == bundle().files.keys()
    for name in named:
        answer = client.get(name)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_of_another_release_is_asked_for_again(client: FlaskClient) -> None:
    first = client.get("/console/static/of-before/main.js")
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = client.get("/console/static/of-before/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")


@pytest.mark.parametrize("name", ["index.html", "../bundle.py", "..%2fbundle.py", "no.js", "tasks", ""])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/console/static/{bundle().release}/{name}")
    assert answer.data == bundle().index or answer.status_code == 404


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_script_makes_markup_or_code_of_text(script: Path) -> None:
    text = script.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://(?!www\.w3\.org/2000/svg)",
        text,
    )
    assert not re.search(r'setAttribute\("(?:style|on)', text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_every_module_that_a_script_imports_is_there(script: Path) -> None:
    for name in re.findall(r'from "([^"]+)"', script.read_text()):
        assert (script.parent / name).resolve().is_file(), name


def test_a_long_script_is_sent_compressed(client: FlaskClient) -> None:
    name = f"/console/static/{bundle().release}/style.css"
    answer = client.get(name, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.data) < len(bundle().files["style.css"]) / 2
    again = client.get(name, headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
