"""Where a process tells how it is: read over HTTP as Prometheus and a supervisor do."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from config.settings import MetricsSettings
from dag.error import StoreUnavailable
from telemetry.health import Health, answering, turning
from telemetry.listener import Listener, listen
from telemetry.registry import new_registry

WELL = Health({"loop": lambda: ""}, {"redis": lambda: ""})


@contextmanager
def listening(settings: MetricsSettings | None = None, health: Health = WELL) -> Iterator[Listener]:
    found = listen(settings or MetricsSettings(), 0, new_registry("test"), health)
    assert found is not None
    try:
        yield found
    finally:
        found.stop()


def get(listener: Listener, path: str, authorization: str = "") -> httpx.Response:
    headers = {b"Authorization": authorization.encode()} if authorization else {}
    # Twenty checks that are waited for one after the other take 40 s.
    return httpx.get(listener.url + path, headers=headers, trust_env=False, timeout=30)


def test_prometheus_reads_what_a_process_is() -> None:
    with listening() as listener:
        answer = get(listener, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["muster_build_info"].samples[0].labels["part"] == "test"
    assert families["process_resident_memory_bytes"].samples[0].value > 1_000_000
    assert not [name for name in families if name.endswith("_created")]
    assert socket.gethostname() not in answer.text


def test_with_a_token_nobody_reads_metrics_without_it() -> None:
    with listening(MetricsSettings(token="planted-ä")) as listener:
        answers = [
            get(listener, "/metrics"),
            get(listener, "/metrics", "Bearer planted"),
            get(listener, "/metrics", "planted-ä"),
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 401]
        assert "process_" not in answers[0].text
        assert get(listener, "/metrics", "Bearer planted-ä").status_code == 200
        assert get(listener, "/healthz").status_code == 200


def test_each_process_takes_the_next_free_port_and_the_last_any() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first: int = taken.getsockname()[1]
        found = listen(MetricsSettings(), first, CollectorRegistry(), WELL)
        assert found is not None
        assert found.server_address[1] > first
        assert get(found, "/healthz").status_code == 200
        found.stop()


def test_where_nothing_can_or_shall_listen_the_process_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    assert listen(MetricsSettings(host=""), 0, CollectorRegistry(), WELL) is None
    assert caplog.records == []
    assert listen(MetricsSettings(host="192.0.2.1"), 8580, CollectorRegistry(), WELL) is None
    assert "can't be served on 192.0.2.1 port 8580" in caplog.text


def test_health_names_what_is_wrong() -> None:
    def away() -> None:
        raise StoreUnavailable("Redis can't be reached (TimeoutError).")

    health = Health({"loop": turning(lambda: time.monotonic() - 40, "The loop")}, {"redis": answering(away)})
    with listening(health=health) as listener:
        dead, unready, none = (get(listener, path) for path in ("/healthz", "/readyz?x", "/"))
    assert (dead.status_code, unready.status_code, none.status_code) == (503, 503, 404)
    assert dead.json() == {"status": "DOWN", "checks": {"loop": "The loop has not turned for 40 s."}}
    assert unready.json() == {"status": "DOWN", "checks": {"redis": "Redis can't be reached (TimeoutError)."}}
    with listening() as listener:
        assert get(listener, "/readyz").json() == {"status": "UP", "checks": {"redis": "OK"}}


def test_what_hangs_is_told_of_in_time_and_asked_once() -> None:
    hanging = [f"check-{n}" for n in range(20)]
    asked, release, all_asked = [], threading.Event(), threading.Barrier(len(hanging))

    def hang() -> str:
        asked.append(1)
        all_asked.wait(30)
        release.wait(30)
        return ""

    with listening(health=Health({}, {"redis": lambda: "", **dict.fromkeys(hanging, hang)})) as listener:
        told = [get(listener, "/readyz").json()["checks"] for _ in range(2)]
        assert told == [{"redis": "OK", **dict.fromkeys(hanging, "No answer within 2 s.")}] * 2
        assert len(asked) == len(hanging)
        assert not all_asked.broken
        release.set()
        assert get(listener, "/readyz").status_code == 200


def test_a_reader_who_says_nothing_keeps_no_other_out() -> None:
    with listening() as listener, socket.create_connection(("127.0.0.1", listener.server_port)):
        assert get(listener, "/healthz").status_code == 200
