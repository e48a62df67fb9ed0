"""The hosts over the real registry on fakeredis: enrol, list, forget; what is refused writes nothing."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from dag.definition.batch_restart import BATCH_RESTART
from dag.dispatch import HandOut
from dag.host import Agent, AgentStatus, Host
from dag.inquiry import Inquiries, Look
from dag.lease import Leases, Report, Run
from dag.registry import HostRegistry
from tests.small import ADMIN, CREATE, DELETE, LIMIT, VIEWER, SmallApi, refused, small_api


@pytest.fixture
def api() -> Iterator[SmallApi]:
    with small_api() as found:
        yield found


def test_null_in_what_may_be_left_out_is_as_good_as_nothing(api: SmallApi) -> None:
    body = {"hostBasicDataList": [{"innerIpAddress": "10.0.9.9"}], "alias": None, "description": None}
    [host] = json.loads(api.post(CREATE, body).data)["data"]["contents"]
    assert (host["alias"], host["description"]) == ("", "")


def test_hosts_are_enrolled_with_all_they_have(api: SmallApi) -> None:
    body = {
        "hostBasicDataList": [
            {"innerIpAddress": "10.9.0.1"},
            {"innerIpAddress": "2001:DB8:0::1", "sshPort": 2201, "name": "six"},
            {"innerIpAddress": "Db-7.Example.org"},
        ],
        "sshPort": 2200,
        "kind": "DOCKER",
        "idcId": 4,
        "user": "ops",
        "profile": "systemd",
        "zone": "z1",
        "variables": {"home": "/opt/a"},
        "labels": {"team": "x"},
    }
    answer = api.post("/api/v2" + CREATE, body)
    made = json.loads(answer.data)["data"]["contents"]
    assert [(h["innerIpAddress"], h["sshPort"], h["name"]) for h in made] == [
        ("10.9.0.1", 2200, "10.9.0.1"),
        ("2001:db8::1", 2201, "six"),
        ("db-7.example.org", 2200, "db-7.example.org"),
    ]
    assert {(h["user"], h["profile"], h["zone"], h["kind"], h["idcId"], h["status"]) for h in made} == {
        ("ops", "systemd", "z1", "DOCKER", 4, "NEW")
    }
    assert api.registry.get(made[0]["id"]).variables == {"home": "/opt/a"}
    assert json.loads(api.get(f"/compute/hosts/{made[1]['id']}").data)["data"] == made[1]


ONE = [{"innerIpAddress": "10.9.0.1"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "hostBasicDataList"),
        ({"hostBasicDataList": []}, "hostBasicDataList"),
        ({"hostBasicDataList": {}}, "hostBasicDataList"),
        ({"hostBasicDataList": ["10.0.0.1"]}, "hostBasicDataList[0]"),
        ({"hostBasicDataList": [{}]}, "hostBasicDataList[0].innerIpAddress"),
        ({"hostBasicDataList": [{"innerIpAddress": "10.0.0.999"}]}, "hostBasicDataList[0].innerIpAddress"),
        ({"hostBasicDataList": [{"innerIpAddress": "-oProxy=x"}]}, "hostBasicDataList[0].innerIpAddress"),
        ({"hostBasicDataList": [{"innerIpAddress": "fe80::1%eth0\nroot"}]}, "hostBasicDataList[0].innerIpAddress"),
        ({"hostBasicDataList": [{"innerIpAddress": "fe80::1%$(x)"}]}, "hostBasicDataList[0].innerIpAddress"),
        # The first host's, in another spelling.
        ({"hostBasicDataList": [{"innerIpAddress": "::ffff:10.0.0.1"}]}, "hostBasicDataList[0].innerIpAddress"),
        ({"hostBasicDataList": [{"innerIpAddress": 7}]}, "hostBasicDataList[0].innerIpAddress"),
        ({"hostBasicDataList": ONE * 2}, "hostBasicDataList[1].innerIpAddress"),
        ({"hostBasicDataList": ONE * (LIMIT + 1)}, "hostBasicDataList"),
        ({"hostBasicDataList": [{"innerIpAddress": "a", "port": 1}]}, "hostBasicDataList[0].port"),
        ({"hostBasicDataList": [*ONE, {"innerIpAddress": "10.0.0.1"}]}, "hostBasicDataList[1].innerIpAddress"),
        ({"hostBasicDataList": ONE, "sshPort": 0}, "sshPort"),
        ({"hostBasicDataList": ONE, "sshPort": 65536}, "sshPort"),
        ({"hostBasicDataList": ONE, "sshPort": "22"}, "sshPort"),
        ({"hostBasicDataList": ONE, "idcId": -1}, "idcId"),
        ({"hostBasicDataList": ONE, "profile": "../x"}, "profile"),
        ({"hostBasicDataList": ONE, "profile": "x\n"}, "profile"),
        ({"hostBasicDataList": ONE, "zone": "a b"}, "zone"),
        ({"hostBasicDataList": ONE, "user": "-l"}, "user"),
        ({"hostBasicDataList": ONE, "alias": "a\nb"}, "alias"),
        ({"hostBasicDataList": ONE, "variables": {"a": 1}}, "variables.a"),
        ({"hostBasicDataList": ONE, "variables": {"a b": "c"}}, "variables.a b"),
        ({"hostBasicDataList": ONE, "variables": []}, "variables"),
        ({"hostBasicDataList": ONE, "password": "x"}, "password"),
    ],
)
def test_a_host_that_makes_no_sense_is_refused(api: SmallApi, body: Any, field: str) -> None:
    before = api.dump()
    found = refused(api.post(CREATE, body), 400, 10001)
    assert field in {sub["field"] for sub in found["subErrors"]}
    assert api.dump() == before


def test_all_that_are_enrolled_already_are_named(api: SmallApi) -> None:
    entries = [{"innerIpAddress": f"10.0.0.{n}"} for n in (2, 9, 3)]
    found = refused(api.post(CREATE, {"hostBasicDataList": entries}), 400, 10001)
    assert [(sub["field"], sub["rejectedValue"], sub["message"]) for sub in found["subErrors"]] == [
        ("hostBasicDataList[0].innerIpAddress", "10.0.0.2", "is enrolled already, as host 2 at port 22"),
        ("hostBasicDataList[2].innerIpAddress", "10.0.0.3", "is enrolled already, as host 3 at port 22"),
    ]


def test_a_link_local_address_names_its_interface(api: SmallApi) -> None:
    found = json.loads(api.post(CREATE, {"hostBasicDataList": [{"innerIpAddress": "FE80::1%eth0.7"}]}).data)
    assert found["data"]["contents"][0]["innerIpAddress"] == "fe80::1%eth0.7"


def test_hosts_are_forgotten_all_or_none(api: SmallApi) -> None:
    api.store.submit(BATCH_RESTART, [3], creator="admin", executor="x", trace_id="t")
    before = api.dump()
    found = refused(api.post(DELETE, {"hostIdList": [1, 9]}), 404, 10002)
    assert found["subErrors"][0]["field"] == "hostIdList[1]"
    assert refused(api.post(DELETE, {"hostIdList": [1, 3]}), 409, 40000)["subErrors"][0]["rejectedValue"] == 3
    for bad in ([], [1, 1], ["1"], 1):
        assert refused(api.post(DELETE, {"hostIdList": bad}), 400, 10001)["target"] == "hostIdList"
    assert api.dump() == before
    assert "data" not in json.loads(api.post(DELETE, {"hostIdList": [1, 2]}).data)
    refused(api.get("/compute/hosts/1"), 404, 10002)


@pytest.mark.parametrize(
    ("query", "ids", "total"),
    [
        ("", [1, 2, 3], 3),
        ("?page=1&size=2", [1, 2], 3),
        ("?page=2&size=2", [3], 3),
        ("?page=9&size=2000", [], 3),
        ("?sort=id,desc&size=1", [3], 3),
        ("?sort=name,desc&size=2", [3, 2], 3),
        ("?sort=innerIpAddress&page=2&size=2", [3], 3),
        ("?keyword=WEB-2", [2], 1),
        ("?status=NEW,ONLINE", [1, 2, 3], 3),
        ("?status=ONLINE&status=OFFLINE", [], 0),
    ],
)
def test_pages(api: SmallApi, query: str, ids: list[int], total: int) -> None:
    data = json.loads(api.get("/compute/hosts" + query).data)["data"]
    assert [host["id"] for host in data["contents"]] == ids
    size = data["page"]["size"]
    assert data["page"] | {"totalElements": total, "totalPages": -(-total // size)} == data["page"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("label=rack=r1", [4, 5]),
        ("label=rack=r1&label=tier=db", [5]),
        ("label=rack=r1&label=rack=r1", [4, 5]),
        ("label=tier=", [6]),
        ("label=rack=r", []),
        ("label=rack=r1&keyword=10.7.0.2", [5]),
    ],
)
def test_hosts_are_listed_by_all_of_the_labels(api: SmallApi, query: str, ids: list[int]) -> None:
    labels = [{"rack": "r1"}, {"rack": "r1", "tier": "db"}, {"rack": "r2", "tier": ""}]
    api.registry.create([Host(0, f"10.7.0.{n}", labels=each) for n, each in enumerate(labels, 1)])
    data = json.loads(api.get(f"/compute/hosts?{query}").data)["data"]
    assert ([host["id"] for host in data["contents"]], data["page"]["totalElements"]) == (ids, len(ids))


NONSENSE = """page=0 page=-1 page=x page=1.0 page=1_0 page=%D9%A1 page= page=99999999999 page=1&page=2 size=0
size=2001 sort=user sort=id,up sort=name,id status=GONE status=GONE&status=NEW keyword=%00 colour=red
label=rack label==r1 label=rack=r1&label=rack=r2"""


def test_a_number_that_does_not_fit_is_told_why(api: SmallApi) -> None:
    told = {
        "page=1&page=1": "must be given once",
        "sort=id&sort=id": "must be given once",
        "page=-1": "must be positive",
        "size=" + "9" * 25: "must be at most 2000",
        "page=1.0": "must be an integer",
    }
    for query, fault in told.items():
        assert refused(api.get(f"/compute/hosts?{query}"), 400, 10001)["subErrors"][0]["message"] == fault


@pytest.mark.parametrize("query", NONSENSE.split())
def test_a_page_that_makes_no_sense_is_refused(api: SmallApi, query: str) -> None:
    found = refused(api.get(f"/compute/hosts?{query}"), 400, 10001)
    assert found["target"] == query.split("=")[0]


def test_what_may_be_a_password_is_not_echoed(api: SmallApi) -> None:
    body = {"hostBasicDataList": ONE, "variables": {"key": "hunter2\n"}, "password": "hunter2"}
    with capture_logs() as lines:
        answer = api.post(CREATE, body)
    refused(answer, 400, 10001)
    assert "hunter2" not in answer.text + str(lines)


def test_a_name_forges_no_line_of_the_log(api: SmallApi) -> None:
    with capture_logs() as lines:
        refused(api.post(CREATE, {"x\nforged": 1}), 400, 10001)
    assert [line["event"] for line in lines] == ["call refused", "call"]
    assert "\n" not in lines[0]["reason"] + lines[0]["target"]


def test_a_host_is_forgotten_by_its_path_unless_a_task_uses_it(api: SmallApi) -> None:
    api.store.submit(BATCH_RESTART, [3], creator="admin", executor="x", trace_id="t")
    before = api.dump()
    found = refused(api.client.delete("/compute/hosts/3", auth=ADMIN), 409, 40000)
    assert found["subErrors"] == [
        {"object": "request", "field": "hostId", "rejectedValue": 3, "message": "Task 1 holds host 3 or waits for it."}
    ]
    refused(api.client.delete("/compute/hosts/9", auth=ADMIN), 404, 10002)
    refused(api.client.delete("/compute/hosts/1", auth=VIEWER), 403, 30014)
    assert api.dump() == before
    assert api.client.delete("/api/v2/compute/hosts/1", auth=ADMIN).status_code == 200
    refused(api.get("/compute/hosts/1"), 404, 10002)


def test_the_status_of_hosts_follows_what_was_seen(api: SmallApi) -> None:
    seen = {"1": Agent(AgentStatus.STARTED, seen_at=1), "2": Agent(AgentStatus.UNKNOWN, unreachable="no answer")}
    for host, agent in seen.items():
        api.redis.hset(api.store.keys.agents, host, json.dumps(asdict(agent)))
    wanted = ["ONLINE", "OFFLINE", "NEW"]
    assert [h["status"] for h in json.loads(api.get("/compute/hosts").data)["data"]["contents"]] == wanted
    assert [json.loads(api.get(f"/compute/hosts/{n}").data)["data"]["status"] for n in (1, 2, 3)] == wanted
    for status, ids in (("ONLINE", [1]), ("OFFLINE,NEW", [2, 3]), ("DELETING", [])):
        data = json.loads(api.get(f"/compute/hosts?status={status}").data)["data"]
        assert [host["id"] for host in data["contents"]] == ids


def test_a_host_tells_what_a_step_or_a_look_saw_last_of_its_agent(api: SmallApi) -> None:
    seen = {
        "1": Agent(AgentStatus.STARTED, "4.3.1", {"a": 7}, seen_at=1_600_000_000_000, task_id=7),
        "2": Agent(
            AgentStatus.STOPPED, seen_at=1_600_000_000_000, unreachable="no answer", missed_at=1_600_000_009_000
        ),
    }
    for host, agent in seen.items():
        api.redis.hset(api.store.keys.agents, host, json.dumps(asdict(agent)))
    names = ("agentStatus", "agentVersion", "lastSeenTime", "lastTaskId", "unreachable", "unreachableTime")
    listed = json.loads(api.get("/compute/hosts").data)["data"]["contents"]
    then = "2020-09-13T12:26:{}.000+00:00"
    assert [tuple(host[name] for name in names) for host in listed] == [
        ("STARTED", "4.3.1", then.format(40), 7, "", None),
        ("STOPPED", "", then.format(40), 0, "no answer", then.format(49)),
        ("UNKNOWN", "", None, 0, "", None),
    ]
    assert [json.loads(api.get(f"/compute/hosts/{n}").data)["data"] for n in (1, 2, 3)] == listed
    for status, ids in (("STARTED", [1]), ("STOPPED,UNKNOWN", [2, 3]), ("RESTARTING", [])):
        data = json.loads(api.get(f"/compute/hosts?agentStatus={status}").data)["data"]
        assert [host["id"] for host in data["contents"]] == ids
    refused(api.get("/compute/hosts?agentStatus=GONE"), 400, 10001)


def list_unless(api: SmallApi, tag: str, query: str = "") -> TestResponse:
    return api.client.get(f"/compute/hosts{query}", auth=ADMIN, headers={"If-None-Match": tag})


def test_a_list_of_hosts_is_not_sent_again_until_it_would_show_another_thing(api: SmallApi) -> None:
    tags = [api.get(f"/compute/hosts{query}").headers["ETag"] for query in ("", "?status=NEW", "?page=2", "?size=2")]
    assert len(set(tags)) == len(tags)

    def is_new() -> bool:
        answer = list_unless(api, tags[-1])
        assert answer.status_code in (200, 304)
        assert answer.status_code == 200 or answer.data == b""
        tags.append(answer.headers["ETag"])
        return answer.status_code == 200

    tags.append(tags[0])
    assert not is_new()
    task = api.store.submit(BATCH_RESTART, [1], creator="admin", executor="x", trace_id="t")
    [(offset, attempt)] = HandOut(api.store, retention_seconds=60).ready_nodes(task, 0, 1, begin_within_ms=1000)
    leases, run = Leases(api.store, lease_seconds=60, retention_seconds=60), Run(task, offset, attempt, 1, 0)
    assert leases.begin(run, "worker")
    assert not is_new()
    assert leases.complete(run, Report(agent=Agent(AgentStatus.RESTARTING, seen_at=1)))
    assert is_new()
    inquiries = Inquiries(api.store)
    inquiries.answer(2, 1, Look(), Agent(AgentStatus.STARTED, seen_at=2), keep_seconds=1)
    assert is_new()
    # Host 1 is held by the task: what a look sees there counts for nothing.
    inquiries.answer(1, 1, Look(), Agent(AgentStatus.STOPPED, seen_at=3), keep_seconds=1)
    assert not is_new()
    api.registry.delete([3])
    assert is_new()
    api.registry.create([Host(0, "10.0.0.3")])
    assert is_new()
    assert not is_new()


IMPORT = "/compute/hosts/import"


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_an_inventory_is_imported_but_for_what_is_enrolled(api: SmallApi, prefix: str) -> None:
    content = "[web]\n10.0.0.2\nnew[1:2] ansible_port=2222 http_port=80\n"
    body = {"format": "ini", "content": content, "zone": "east"}
    before = api.dump()
    dry = json.loads(api.post(prefix + IMPORT, {**body, "dryRun": True}).data)["data"]
    assert [(host["id"], host["name"]) for host in dry["contents"]] == [(None, "new1"), (None, "new2")]
    assert api.dump() == before
    done = json.loads(api.post(prefix + IMPORT, body).data)["data"]
    assert [(host["id"], host["sshPort"], host["zone"]) for host in done["contents"]] == [
        (4, 2222, "east"),
        (5, 2222, "east"),
    ]
    assert done["skipped"] == [{"id": 2, "innerIpAddress": "10.0.0.2", "sshPort": 22, "name": "10.0.0.2"}]
    assert done["ignoredVariables"] == ["http_port"]
    assert json.loads(api.get("/compute/hosts/4").data)["data"] == done["contents"][0]
    again = json.loads(api.post(prefix + IMPORT, body).data)["data"]
    assert (again["contents"], len(again["skipped"])) == ([], 3)


def test_an_import_is_all_or_nothing_and_names_every_fault(api: SmallApi) -> None:
    before = api.dump()
    content = "address,ssh_port,var.key\na,22,\nb,0,\nc,22,hunter2\x01\n"
    answer = api.post(IMPORT, {"format": "csv", "content": content})
    found = refused(answer, 400, 10001)
    assert [(sub["field"], sub["message"], sub["rejectedValue"]) for sub in found["subErrors"]] == [
        ("line 3, ssh_port", "must be positive", 0),
        ("line 4, variables.key", "must have at most 1024 characters and no control characters", None),
    ]
    assert (found["target"], "hunter2" in answer.text) == ("content", False)
    assert found["message"] == "Illegal argument content: line 3, ssh_port: must be positive (2 faults)"
    many = refused(api.post(IMPORT, {"format": "ini", "content": f"n[1:{LIMIT + 1}]"}), 400, 10001)
    assert f"names {LIMIT + 1} hosts; one import may name at most {LIMIT}" in many["message"]
    assert api.dump() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": "a"}, "format"),
        ({"format": "ini"}, "content"),
        ({"format": "xml", "content": "a"}, "format"),
        ({"format": "ini", "content": ["a"]}, "content"),
        ({"format": "ini", "content": "a", "zone": "a b"}, "zone"),
        ({"format": "ini", "content": "a", "dryRun": "yes"}, "dryRun"),
        ({"format": "ini", "content": "a", "file": "x"}, "file"),
    ],
)
def test_an_import_that_makes_no_sense_names_its_field(api: SmallApi, body: dict[str, Any], field: str) -> None:
    before = api.dump()
    assert field in {sub["field"] for sub in refused(api.post(IMPORT, body), 400, 10001)["subErrors"]}
    refused(api.post(IMPORT, body, auth=VIEWER), 403, 30014)
    assert api.dump() == before


def test_a_host_that_somebody_else_enrols_meanwhile_is_skipped(api: SmallApi, monkeypatch: pytest.MonkeyPatch) -> None:
    known, calls = HostRegistry.known, list[int]()

    def late(self: HostRegistry, places: Any) -> dict[tuple[str, int], int]:
        found = known(self, places)
        if not calls:
            api.registry.create([Host(0, "b")])
        calls.append(1)
        return found

    monkeypatch.setattr(HostRegistry, "known", late)
    done = json.loads(api.post(IMPORT, {"format": "ini", "content": "a\nb\n"}).data)["data"]
    assert [host["name"] for host in done["contents"]] == ["a"]
    assert [host["name"] for host in done["skipped"]] == ["b"]
    assert len(calls) == 2
