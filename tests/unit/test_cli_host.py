"""Looking at hosts on the command line, through the API."""

import json
from dataclasses import replace

import fakeredis
import httpx
import pytest

from api.app import create_app
from api.user import Permission, UserStore
from cli.client import ApiClient
from cli.host import check_hosts
from config.settings import Settings
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store

PASSWORD = "correct horse"


def test_a_host_that_nobody_has_time_for_does_not_keep_the_others_from_being_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of three looks at once one may wait, for a worker that is not there; the API turns the others away (503)."""
    redis = fakeredis.FakeRedis(decode_responses=True)
    users, registry, plain = UserStore(redis), HostRegistry(redis), Settings()
    users.add("ann", PASSWORD, [Permission.HOST_VIEWER])
    registry.create([Host(0, f"10.0.0.{number}", name=f"web-{number}") for number in (1, 2, 3)])
    settings = replace(plain, api=replace(plain.api, threads=2, look_seconds=0.5))
    app = create_app(Store(redis), registry, users, settings)
    with ApiClient("http://muster", "ann", PASSWORD, transport=httpx.WSGITransport(app=app)) as client:
        assert not check_hosts(client, [], as_json=True)
    # Before it stand lines of the API's log.
    seen = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["name"] for one in seen] == ["web-1", "web-2", "web-3"]
    assert sum("can't serve now" in one["error"] for one in seen) == 2
