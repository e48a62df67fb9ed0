"""The page to try the API: whole, from this server alone, and under a strict policy."""

import re
from collections.abc import Iterator

import fakeredis
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.resource.page import FILES, OURS
from api.user import UserStore
from config.settings import Settings
from dag.registry import HostRegistry
from dag.store import Store


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    redis = fakeredis.FakeRedis(decode_responses=True)
    yield create_app(Store(redis), HostRegistry(redis), UserStore(redis), Settings()).test_client()
    redis.close()


def test_the_page_runs_scripts_of_this_server_only(client: FlaskClient) -> None:
    answer = client.get("/api/docs")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'", "'self'", "'self'")
    assert policy["frame-ancestors"] == "'none'"
    # What the policy would forbid is not there.
    assert not re.search(r"<script(?![^>]* src=)|<style|\son[a-z]+=|javascript:|https?://", answer.text)
    assert not re.search(r"https?://|eval\(|innerHTML", (OURS / "start.js").read_text())


def test_all_that_the_page_names_is_served_and_nothing_else(client: FlaskClient) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', client.get("/api/docs").text)
    assert {name.removeprefix("docs/") for name in named if name.startswith("docs/")} == FILES.keys()
    for name in named:
        # As a browser resolves them: relative to /api/docs.
        answer = client.get(f"/api/{name}")
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/api/docs/index.html").status_code == 404
    assert client.get("/api/docs/..%2fapp.py").status_code == 404


def test_the_script_reads_the_document_of_this_server(client: FlaskClient) -> None:
    found = re.search(r'url: "([^"]+)"', client.get("/api/docs/start.js").text)
    assert found is not None
    assert client.get(f"/api/{found[1]}").get_json()["openapi"] == "3.1.0"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_browser_has_is_not_sent_again(client: FlaskClient, name: str) -> None:
    first = client.get(f"/api/docs/{name}")
    again = client.get(f"/api/docs/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
