"""`?dryRun=true`: the whole plan and what is known of its hosts; nothing is written."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.audit import KEY as AUDIT
from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Agent, AgentStatus, Host
from dag.inquiry import Inquiries, Look, SeenProcess
from dag.registry import HostRegistry
from dag.roster import Roster, Worker
from dag.store import Store
from tests.effort import calls_of
from tests.iam import Iam, bearer, error_of

RESTART = "/compute/hosts/batchRestartAgents"
CALLS = [
    ("/compute/hosts/batchRestartAgents", {"hostIds": [2]}),
    ("/api/v2/compute/hosts/batchStopAgents", {"hostids": [2]}),
    ("/api/v2/compute/hosts/2/agent/restart", None),
    ("/compute/hosts/2/agent/stop", None),
]
SAMPLE = json.loads((Path(__file__).parents[1] / "contract/batch-restart-response.json").read_text())["data"]
COUNTERS = ("{iam}:rate", "{iam}:attempts", "{iam}:wait")


def dump(redis: Any) -> dict[str, Any]:
    """All keys with all that is in them, besides the counters of who called how often, and streams without entries."""
    read = {
        "string": redis.get,
        "hash": redis.hgetall,
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        "set": redis.smembers,
        "list": lambda key: redis.lrange(key, 0, -1),
        "stream": redis.xrange,
    }
    keys = [key for key in redis.scan_iter() if not key.startswith(COUNTERS)]
    return {key: found for key in keys if (found := read[redis.type(key)](key))}


@pytest.fixture
def fleet(iam: Iam) -> Iam:
    """Hosts 1 to 5: one is locked, one is unreachable, one is of a far zone, one has a strange profile."""
    registry, store = HostRegistry(iam.redis), Store(iam.redis)
    registry.create([Host(0, "b"), Host(0, "c"), Host(0, "d", zone="far"), Host(0, "e", profile="strange")])
    Roster(store).beat(Worker("w", "default", frozenset(), profiles=frozenset({"ocp_agentctl"})))
    agents = {
        2: Agent(AgentStatus.STARTED, "4.2", seen_at=1_600_000_000_000),
        3: Agent(AgentStatus.STOPPED, seen_at=1_600_000_000_000, unreachable="c port 22: no answer"),
    }
    for host, agent in agents.items():
        store.redis.hset(store.keys.agents, str(host), json.dumps(agent.__dict__))
    return iam


def submit(iam: Iam, *hosts: int) -> int:
    return Store(iam.redis).submit(BATCH_RESTART, hosts, creator="c", executor="e", trace_id="t")


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_a_dry_run_writes_nothing_and_shows_what_the_call_itself_would(fleet: Iam, path: str, body: Any) -> None:
    fleet.data("GET", "/iam/me")
    before = dump(fleet.redis)
    plan = fleet.data("POST", f"{path}?dryRun=true", body)
    assert dump(fleet.redis) == before
    task = fleet.data("POST", f"{path}?dryRun=false", body)
    assert plan["dryRun"] is True
    free = {"id", "startTime", "status", "subtasks"}
    assert {name: plan[name] for name in task.keys() - free} == {name: task[name] for name in task.keys() - free}
    assert [plan[name] for name in ("id", "startTime", "status")] == [None] * 3
    places = {node["id"]: [node["seriesId"], node["parallelIdx"]] for node in task["subtasks"]}
    assert plan["subtasks"] == [
        {**node, "id": None, **{edges: [places[i] for i in node[edges]] for edges in ("upstreams", "downstreams")}}
        for node in task["subtasks"]
    ]
    assert plan["subtaskCount"] == len(task["subtasks"]) == sum(stage["subtaskCount"] for stage in plan["stages"])
    assert [host["id"] for host in plan["hosts"]] == [2]


def test_a_plan_can_be_had_without_its_subtasks(fleet: Iam) -> None:
    path, body = f"{RESTART}?dryRun=true", {"hostIds": [1, 2]}
    whole = fleet.data("POST", path, body)
    for query in ("view=summary", "fields=name,context"):
        small = fleet.data("POST", f"{path}&{query}", body)
        assert "subtasks" not in small
        assert small == {name: whole[name] for name in small}
        assert {"name", "stages", "hosts", "findings", "subtaskCount"} <= small.keys()


def test_the_stages_stand_in_the_order_in_which_they_run(fleet: Iam) -> None:
    stages = fleet.data("POST", f"{RESTART}?dryRun=true", {"hostIds": [1, 2]})["stages"]
    shown = [(stage["seriesId"], stage["timeout"], stage["subtaskCount"], stage["waitNode"]) for stage in stages]
    wait = [(series, 30, 1, True) for series in (0, 4, 7, 3)]
    steps = [(2, 60, 2, False), (8, 60, 2, False), (1, 600, 2, False), (5, 600, 2, False), (6, 60, 2, False)]
    assert shown == [step for pair in zip(steps, [*wait, None], strict=True) for step in pair if step]
    by_series = {node["seriesId"]: node for node in SAMPLE["subtasks"]}
    for stage in stages:
        sample = by_series[stage["seriesId"]]
        assert {stage["className"], stage["name"]} == {sample["className"], sample["name"]}


def test_each_host_tells_what_is_known_of_it(fleet: Iam) -> None:
    holder = submit(fleet, 2)
    submit(fleet, 2, 4)
    plan = fleet.data("POST", f"{RESTART}?dryRun=true", {"hostIds": [5, 4, 3, 2, 1]})
    strange, far, down, locked, new = plan["hosts"]
    assert locked == {
        "id": 2,
        "name": "b",
        "innerIpAddress": "b",
        "sshPort": 22,
        "profile": "ocp_agentctl",
        "zone": "default",
        "status": "ONLINE",
        "unreachable": "",
        "agentStatus": "STARTED",
        "agentVersion": "4.2",
        "lastSeenTime": locked["lastSeenTime"],
        "lockedBy": {"id": holder, "name": "Batch restart OCP agent"},
        "waitingBefore": 1,
    }
    assert locked["lastSeenTime"].startswith("2020-09-1")
    assert (down["status"], down["unreachable"], down["agentStatus"]) == ("OFFLINE", "c port 22: no answer", "STOPPED")
    assert (new["status"], new["agentStatus"], new["lastSeenTime"]) == ("NEW", "UNKNOWN", None)
    assert (far["lockedBy"], far["waitingBefore"]) == ({"id": holder + 1, "name": "Batch restart OCP agent"}, 0)
    assert (strange["profile"], strange["lockedBy"]) == ("strange", None)
    assert plan["findings"] == {
        "lockedHostIds": [4, 2],
        "unreachableHostIds": [3],
        "stoppedAgentHostIds": [3],
        "neverSeenHostIds": [5, 4, 1],
        "unknownProfileHostIds": [5],
        "zonesWithoutWorker": ["far"],
    }
    first = {node["parallelIdx"]: node["status"] for node in plan["subtasks"] if node["seriesId"] == 2}
    assert first == {0: "READY", 1: "PENDING", 2: "READY", 3: "PENDING", 4: "READY"}


def test_a_host_that_is_on_its_way_to_the_next_counts_as_that_one_s(fleet: Iam) -> None:
    first, second, third = submit(fleet, 2), submit(fleet, 2), submit(fleet, 2)
    store = Store(fleet.redis)
    store.redis.hset(store.keys.holders, "2", "-")
    [host] = fleet.data("POST", f"{RESTART}?dryRun=true", {"hostIds": [2]})["hosts"]
    assert (host["lockedBy"]["id"], host["waitingBefore"]) == (second, 1)
    assert HandOut(store, retention_seconds=60).grant(2)
    [host] = fleet.data("POST", f"{RESTART}?dryRun=true", {"hostIds": [2]})["hosts"]
    assert (host["lockedBy"]["id"], host["waitingBefore"]) == (second, 1)
    assert {first, third} == {second - 1, second + 1}


@pytest.mark.parametrize("query", ["dryRun=yes", "dryRun=", "dryRun=1", "dryRun=true&dryRun=false", "dryrun=true"])
def test_what_may_have_meant_a_dry_run_is_refused_and_not_done(fleet: Iam, query: str) -> None:
    for path, body in CALLS:
        error = error_of(fleet.call("POST", f"{path}?{query}", body), 400, 10001)
        assert error["target"] in ("dryRun", "dryrun")
    assert Store(fleet.redis).redis.zcard(Store(fleet.redis).keys.index) == 0


def test_a_dry_run_refuses_what_the_call_would_refuse_and_claims_no_key(fleet: Iam) -> None:
    path = f"{RESTART}?dryRun=true"
    error = error_of(fleet.call("POST", path, {"hostIds": [1, 98, 99]}), 404, 10002)
    assert [sub["field"] for sub in error["subErrors"]] == ["hostIds[1]", "hostIds[2]"]
    error_of(fleet.call("POST", path, {"hostIds": []}), 400, 10001)
    error_of(fleet.call("POST", path, {"hostIds": [1]}, user="viewer"), 403, 30014)
    before = dump(fleet.redis)
    fleet.data("POST", path, {"hostIds": [1]}, headers={"Idempotency-Key": "k"})
    assert dump(fleet.redis) == before


def test_a_dry_run_on_a_process_looks_and_does_nothing(fleet: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Look(processes=(SeenProcess("ocp_mgragent", True, 7),), main=("ocp_mgragent",), at=1)
    monkeypatch.setattr(Inquiries, "ask", lambda *args, **kwargs: look)
    [process] = fleet.data("GET", "/compute/hosts/2/agent/processes")["contents"]
    before, path = dump(fleet.redis), f"/compute/hosts/2/agent/processes/{process['id']}/restart?dryRun=true"
    plan = fleet.data("POST", path)
    assert (plan["name"], plan["subtaskCount"], plan["hosts"][0]["id"]) == ("Restart OCP agent process", 1, 2)
    assert dump(fleet.redis) == before
    assert error_of(fleet.call("POST", path.replace("true", "maybe")), 400, 10001)["target"] == "dryRun"


def test_a_dry_run_is_not_in_the_audit_log(fleet: Iam) -> None:
    fleet.data("POST", f"{RESTART}?dryRun=true", {"hostIds": [1]})
    fleet.refused(404, 10002, "POST", f"{RESTART}?dryRun=true", {"hostIds": [99]})
    fleet.refused(400, 10001, "POST", f"{RESTART}?dryRun=true", {"hostIds": [1]}, headers={"Idempotency-Key": "?"})
    fleet.refused(404, 10002, "POST", "/compute/hosts/99/agent/processes/1/stop?dryRun=true")
    assert fleet.redis.xlen(AUDIT) == 0
    fleet.data("POST", RESTART, {"hostIds": [1]})
    assert fleet.redis.xlen(AUDIT) == 1
    # A query that a route does not know keeps nobody out of the log.
    fleet.call("DELETE", "/compute/hosts/5?dryRun=true")
    assert fleet.redis.xlen(AUDIT) == 2


def test_a_plan_of_ten_thousand_hosts_takes_bounded_work(valkey_url: str) -> None:
    redis = Redis.from_url(valkey_url, decode_responses=True)
    redis.flushall()
    iam, store = Iam(redis), Store(redis)
    ids = [1, *(host.id for host in HostRegistry(redis).create([Host(0, f"h{n}") for n in range(9_999)]))]
    store.redis.hset(store.keys.holders, mapping=dict.fromkeys(map(str, ids[:5000]), "7"))
    seen = json.dumps(Agent(AgentStatus.STARTED, pids={"a": 1, "b": 2}, seen_at=1).__dict__)
    store.redis.hset(store.keys.agents, mapping=dict.fromkeys(map(str, ids), seen))
    plan = iam.data("POST", f"{RESTART}?dryRun=true", {"hostIds": ids})
    assert (plan["subtaskCount"], len(plan["subtasks"]), len(plan["hosts"])) == (50_004, 50_004, 10_000)
    assert len(plan["findings"]["lockedHostIds"]) == 5000

    def ask(hosts: list[int]) -> int:
        # Not by the tests' own client, whose work on an answer grows with it.
        client, path, answers = FlaskClient(iam.app), f"{RESTART}?dryRun=true", []
        count = calls_of(lambda: answers.append(client.post(path, json={"hostIds": hosts}, headers=headers)))
        assert answers[0].status_code == 200
        return count

    headers = bearer(iam.data("POST", "/iam/tokens", {"name": "t"})["token"])
    # Half of the few are locked, too.
    few, many = ask(ids[4500:5500]), ask(ids)
    # Ten times the hosts are at most ten times the work.
    assert 10_000 < many <= 10 * few, (few, many)
    redis.close()
