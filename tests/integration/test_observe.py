"""What whoever watches a real Muster sees: one trace through all processes, metrics, health, dashboard, alerts."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from config.settings import MetricsSettings
from dag.trace import begin
from tests.openssh import OpenSshHosts
from tests.stack import RunningStack
from tests.wait import until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/muster.json").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"][0]["rules"]
SCRAPES = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
# What Prometheus adds to each series, and what it makes of scrapes and alerts.
ADDED = {"job", "instance", "le"}
OTHERS = {"up", "ALERTS"}
PARTS = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_count", "_sum"}}


class Seen:
    """The metrics of all processes: the type of each family, and the labels of each sample that there is."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.types: dict[str, str] = {}
        self.labels: dict[str, set[str]] = {}
        self.values: dict[str, float] = {}
        for url in urls.values():
            for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", trust_env=False).text):
                self.types |= {family.name + part: family.type for part in PARTS[family.type]}
                for sample in family.samples:
                    self.labels.setdefault(sample.name, set()).update(sample.labels)
                    self.values[sample.name] = self.values.get(sample.name, 0) + sample.value


@pytest.fixture(scope="module")
def seen(stack: RunningStack, host_ids: list[int]) -> Seen:
    """What is told after a task that succeeded, one whose host nobody reaches, and a refused call."""
    assert stack.follow(stack.restart(host_ids[:4])["id"])["status"] == "SUCCESSFUL"
    [gone] = stack.enrol(
        [
            {
                "address": "127.0.0.1",
                "name": "gone",
                "ssh_port": 1,
                "user": "x",
                "profile": "ocp_agentctl",
                "variables": {"home": "/x"},
            }
        ]
    )
    assert stack.follow(stack.restart([gone])["id"])["status"] == "FAILED"
    assert stack.http.delete(f"/compute/hosts/{gone}").status_code == 200
    assert httpx.get(f"{stack.ready['api']}/tasks/instances", trust_env=False).status_code == 401
    return Seen(stack.ready["metrics"])


def lines(stack: RunningStack, trace_id: str) -> dict[str, list[dict[str, Any]]]:
    """The lines of each log that have the trace id, by the name of the log."""
    found = {}
    for log in (stack.data / "log").glob("*.log"):
        texts = [text for text in log.read_text().splitlines() if trace_id in text]
        found[log.stem] = [json.loads(text) for text in texts]
    return found


def test_one_trace_id_leads_from_the_call_to_each_step(stack: RunningStack, host_ids: list[int]) -> None:
    trace = begin()
    answer = stack.http.post(
        "/compute/hosts/batchRestartAgents", json={"hostIds": host_ids[:3]}, headers={"traceparent": trace.parent}
    ).json()
    assert answer["traceId"] == trace.trace_id[16:]
    task = stack.follow(answer["data"]["id"])
    steps = [node for node in task["subtasks"] if node["name"] != "Wait node"]
    for step in steps:
        head, second, *_ = stack.log(task, step).splitlines()
        assert re.fullmatch(r"#{12}\{EXECUTE\}\{[-0-9T:.+]{29}\}#{12}", head)
        assert second.startswith(f"trace={trace.trace_id} worker=")
    told = lines(stack, trace.trace_id)
    assert [(line["event"], line["route"]) for line in told["api"]] == [("call", "/compute/hosts/batchRestartAgents")]
    # What a worker tells of each step: that it came, and that it succeeded.
    events = [line["event"] for name in ("worker-1", "worker-2") for line in told[name]]
    names = [re.search(r"\[(\d+)-1\] (received|succeeded)", event) for event in events]
    assert sorted((int(name[1]), name[2]) for name in names if name) == sorted(
        (step["id"], what) for step in steps for what in ("received", "succeeded")
    )


def test_a_look_at_a_host_has_the_trace_of_the_call_that_asked(stack: RunningStack, host_ids: list[int]) -> None:
    trace = begin()
    answer = stack.http.get(f"/compute/hosts/{host_ids[5]}/agent", headers={"traceparent": trace.parent})
    assert answer.status_code == 200, answer.text

    def told() -> list[str]:
        found = lines(stack, trace.trace_id)
        return [line["event"] for name in ("worker-1", "worker-2") for line in found[name]]

    until(lambda: len(told()) == 2)
    assert all(event.startswith(f"Task agent.look[look-{host_ids[5]}-") for event in told())


def test_counters_count_what_happened(seen: Seen) -> None:
    for name in (
        "muster_messages_published_total",
        "muster_node_seconds_count",
        "muster_node_queue_seconds_count",
        "muster_ssh_connections_opened_total",
        "muster_ssh_connections_reused_total",
        "muster_ssh_connections_failed_total",
        "muster_remote_command_seconds_count",
        "muster_http_requests_total",
    ):
        assert seen.values[name] > 0, name
    assert seen.values["muster_build_info"] == 4
    assert (seen.values["muster_workers"], seen.values["muster_store_up"], seen.values["muster_broker_up"]) == (2, 1, 1)


def test_a_worker_tells_of_what_it_has_never_done(stack: RunningStack) -> None:
    text = httpx.get(f"{stack.ready['metrics']['worker-1']}/metrics", trust_env=False).text
    assert 'muster_node_seconds_count{action="process.stop",outcome="failed"} 0.0\n' in text


def test_no_metric_names_a_host_a_task_or_a_secret(stack: RunningStack, seen: Seen, host_ids: list[int]) -> None:
    allowed = {"action", "method", "outcome", "part", "python", "reason", "result", "route", "shard", "state"}
    assert set().union(*seen.labels.values()) <= allowed | {"status", "version", "zone", "le"}
    for url in stack.ready["metrics"].values():
        text = httpx.get(f"{url}/metrics", trust_env=False).text
        assert [
            secret for secret in (stack.ready["password"], "127.78.0.", os.uname().nodename) if secret in text
        ] == []


def test_the_table_of_the_docs_has_each_metric_with_its_type_and_labels(seen: Seen) -> None:
    rows = re.findall(
        r"^\| `(muster_\w+)` \| (\w+) \| ([^|]*)\|", (ROOT / "docs/observing.md").read_text(), re.MULTILINE
    )
    shown = {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    real = {
        name: kind
        for name, kind in seen.types.items()
        if name.startswith("muster_") and not re.search("_(bucket|sum)$", name)
    }
    real = {name.removesuffix("_count") if kind == "histogram" else name: kind for name, kind in real.items()}
    assert {name: kind for name, (kind, _labels) in shown.items()} == real
    for name, (kind, labels) in shown.items():
        sample = f"{name}_count" if kind == "histogram" else name
        assert sample not in seen.labels or seen.labels[sample] == labels, name


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in RULES)


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_dashboard_and_alerts_name_what_there_is(seen: Seen, expression: str) -> None:
    names = re.findall(r"\b((?:muster|process)_\w+)", re.sub(r'"[^"]*"|(?:by|without) \([^)]*\)', "", expression))
    assert names or OTHERS & set(re.findall(r"\w+", expression))
    for name in names:
        assert name in seen.types, f"{name} is told by no process"
    known = set().union(ADDED, *(seen.labels.get(name, set()) for name in names))
    if any(name in seen.labels for name in names):
        used = re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression)
        used += [word for group in re.findall(r"by \(([^)]*)\)", expression) for word in re.findall(r"\w+", group)]
        assert set(used) <= known, expression


def test_the_sample_scrapes_where_processes_tell_by_themselves() -> None:
    plain = MetricsSettings()
    targets = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in SCRAPES}
    assert targets == {
        "muster-api": f"{plain.host}:{plain.api_port}",
        "muster-scheduler": f"{plain.host}:{plain.scheduler_port}",
        "muster-worker": f"{plain.host}:{plain.worker_port}",
    }
    assert all(re.fullmatch("Muster[A-Z]\\w+", rule["alert"]) for rule in RULES)
    described = (ROOT / "docs/observing.md").read_text()
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in described] == []


@pytest.mark.parametrize(
    "command",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml"), ("check", "config", "prometheus.yml")],
    ids=" ".join,
)
def test_promtool_takes_rules_and_configuration(command: tuple[str, ...]) -> None:
    path = f"{os.environ['PATH']}:{ROOT / '.cache/packages/usr/bin'}"
    promtool = shutil.which("promtool", path=path)
    if promtool is None:
        assert not os.environ.get("CI"), "promtool is missing: sh deploy/install-packages.sh promtool"
        pytest.skip("promtool is missing: sh deploy/install-packages.sh promtool")
    done = subprocess.run(
        [promtool, *command], cwd=DEPLOY / "prometheus", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Collector(ThreadingHTTPServer):
    """An OpenTelemetry collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Taker)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, trace_id: str) -> dict[str, list[tuple[str, Any]]]:
        """The spans of a trace by name, each with the service that sent it."""
        found: dict[str, list[tuple[str, Any]]] = {}
        for service, span in self.spans:
            if span.trace_id.hex() == trace_id:
                found.setdefault(span.name, []).append((service, span))
        return found


class _Taker(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            self.server.spans += [(names["service.name"], span) for span in spans]
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture(scope="module")
def traced(
    collector: Collector, openssh: OpenSshHosts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """A Muster of one worker that sends its spans."""
    variables = {
        "MUSTER_OTEL_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "MUSTER_SSH_KEY_FILE": str(openssh.key_path),
        "MUSTER_SSH_KNOWN_HOSTS": str(openssh.known_hosts_path),
    }
    running = RunningStack(tmp_path_factory.mktemp("traced") / "data", ["--workers", "1"], variables).start()
    yield running
    running.stop()


def test_a_collector_gets_the_spans_from_the_call_to_the_host(
    traced: RunningStack, collector: Collector, openssh: OpenSshHosts
) -> None:
    host_ids = traced.enrol(openssh.inventory()[:2])
    caller = replace(begin(), is_sampled=True)
    answer = traced.http.post(
        "/compute/hosts/batchRestartAgents", json={"hostIds": host_ids}, headers={"traceparent": caller.parent}
    ).json()
    task = traced.follow(answer["data"]["id"])
    steps = [node for node in task["subtasks"] if node["name"] != "Wait node"]
    found = until(lambda: len((spans := collector.of(caller.trace_id)).get("run", ())) == len(steps) and spans)
    assert isinstance(found, dict)
    [(api, call)] = found["POST /compute/hosts/batchRestartAgents"]
    [(_, submit)] = found["submit"]
    assert (api, call.parent_span_id.hex(), submit.parent_span_id) == ("muster-api", caller.span_id, call.span_id)
    actions = {"agent.prepare", "proxy.restart", "agent.stop", "agent.start", "agent.finish"}
    attempts = {span.span_id: span for name in actions for _service, span in found[name]}
    assert {service for name in actions for service, _span in found[name]} == {"muster-worker"}
    assert {span.parent_span_id for span in attempts.values()} == {call.span_id}
    pairs = [pair for attempt in attempts.values() for pair in attempt.attributes if pair.key == "muster.subtask"]
    assert sorted(pair.value.int_value for pair in pairs) == sorted(step["id"] for step in steps)
    told = [pair for attempt in attempts.values() for pair in attempt.attributes if pair.key == "muster.answer"]
    assert {pair.value.string_value for pair in told} == {"succeeded"}
    runs = {span.span_id: span for _service, span in found["run"]}
    assert {span.parent_span_id for span in runs.values()} == set(attempts)
    assert {span.parent_span_id for _service, span in found["queue"]} == set(attempts)
    for _service, ssh in found["ssh"]:
        run = runs[ssh.parent_span_id]
        attempt = attempts[run.parent_span_id]
        assert call.start_time_unix_nano < attempt.start_time_unix_nano <= run.start_time_unix_nano
        assert run.start_time_unix_nano < ssh.start_time_unix_nano < ssh.end_time_unix_nano < run.end_time_unix_nano
    assert len(found["ssh"]) == len(steps)


def test_a_trace_that_its_caller_does_not_record_is_sent_to_nobody(traced: RunningStack, collector: Collector) -> None:
    silent, told = begin(), replace(begin(), is_sampled=True)
    for trace in (silent, told):
        assert traced.http.get("/tasks/instances", headers={"traceparent": trace.parent}).status_code == 200
    until(lambda: collector.of(told.trace_id))
    assert collector.of(silent.trace_id) == {}


def test_health_says_what_is_wrong_while_redis_is_away(traced: RunningStack) -> None:
    """Valkey is stopped (SIGSTOP): nothing is ready, all live, and metrics come in time all the same."""
    urls: dict[str, str] = traced.ready["metrics"]
    [valkey] = [pid for pid, args in traced.children().items() if "valkey-server" in args]

    def told(path: str) -> dict[str, tuple[int, dict[str, Any]]]:
        answers = {name: httpx.get(url + path, trust_env=False, timeout=9) for name, url in urls.items()}
        return {name: (answer.status_code, answer.json()["checks"]) for name, answer in answers.items()}

    assert sorted(urls) == ["api", "scheduler", "worker-1"]
    assert all(status == 200 for status, _checks in told("/readyz").values())
    os.kill(valkey, signal.SIGSTOP)
    try:
        for status, checks in told("/readyz").values():
            assert status == 503
            assert checks["redis"].startswith(("Redis can't be reached", "No answer within 2 s"))
        assert all(status == 200 for status, _checks in told("/healthz").values())
        assert Seen({"scheduler": urls["scheduler"]}).values["muster_store_up"] == 0
    finally:
        os.kill(valkey, signal.SIGCONT)
    until(lambda: all(status == 200 for status, _checks in told("/readyz").values()))
