"""The log of a subtask through the API: the contract's shape, part by part for whoever follows it, unchanged ones."""

from typing import Any

import pytest
from redis import Redis

from dag.dispatch import LOST_LINE
from dag.lease import Report
from tests.iam import Iam
from tests.unit.test_running_log import Bench

HEAD = "############{EXECUTE}{2021-09-03T14:20:26.243+08:00}############\n"


class Api:
    """A subtask that runs, and the route of its log."""

    def __init__(self, redis: Redis) -> None:
        self.bench = Bench(redis)
        # Its host takes the id 3.
        self.iam = Iam(redis)
        self.path = f"/tasks/instances/{self.bench.task}/subtasks/{self.bench.node}/log"

    def log(self, query: str = "", prefix: str = "") -> Any:
        return self.iam.data("GET", f"{prefix}{self.path}{query}", user="viewer")

    def tag(self, query: str = "") -> str:
        return str(self.iam.call("GET", self.path + query).headers["ETag"])

    def status(self, query: str, tag: str) -> int:
        return self.iam.call("GET", self.path + query, headers={"If-None-Match": tag}).status_code


@pytest.fixture
def api(redis: Redis) -> Api:
    return Api(redis)


@pytest.mark.parametrize("prefix", ["", "/api/v2"])
def test_the_contract_s_shape_has_what_there_is_by_now(api: Api, prefix: str) -> None:
    assert api.log(prefix=prefix) == {"log": ""}
    api.bench.add(0, f"{HEAD}$ stop\n")
    assert api.log(prefix=prefix) == {"log": f"{HEAD}$ stop\n"}
    assert api.bench.leases.complete(api.bench.run, Report(f"{HEAD}$ stop\nexit code 0\n"))
    assert api.log(prefix=prefix) == {"log": f"{HEAD}$ stop\nexit code 0\n"}


def test_whoever_follows_it_gets_what_is_new(api: Api) -> None:
    running = {"status": "RUNNING", "ended": False}
    assert api.log("?from=0") == {"log": "", "begin": 0, "next": 0, **running}
    api.bench.add(0, "Zeile ä\n")
    assert api.log("?from=0") == {"log": "Zeile ä\n", "begin": 0, "next": 9, **running}
    assert api.log("?from=9") == {"log": "", "begin": 9, "next": 9, **running}
    assert api.bench.lose() == "ready"
    lost = 9 + len(LOST_LINE)
    ready = {"status": "READY", "ended": False}
    assert api.log("?from=9") == {"log": LOST_LINE, "begin": 9, "next": lost, **ready}
    api.bench.run, api.bench.token = api.bench.begin()
    assert api.bench.leases.fail(api.bench.run, Report("no luck\n"))
    ended = {"status": "FAILED", "ended": True}
    assert api.log(f"?from={lost}") == {"log": "no luck\n", "begin": lost, "next": lost + 8, **ended}
    # Longer than it is: the reader knows another log.
    assert api.log("?from=4711") == {"log": "", "begin": lost + 8, "next": lost + 8, **ended}


def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    api.bench.add(0, "one\n")
    whole, part = api.tag(), api.tag("?from=0")
    assert (api.status("", whole), api.status("?from=0", part), api.status("?from=4", part)) == (304, 304, 304)
    api.bench.add(4, "two\n")
    assert (api.status("", whole), api.status("?from=4", part)) == (200, 200)
    whole, part = api.tag(), api.tag("?from=4")
    assert api.bench.leases.complete(api.bench.run, Report("one\ntwo\nok\n"))
    assert (api.status("", whole), api.status("?from=8", part)) == (200, 200)
    # A reader that is told nothing new is told the same by both.
    assert api.tag() != api.tag("?from=11")


def test_the_tag_of_a_log_that_begins_again_is_another_one(api: Api) -> None:
    api.bench.add(0, "one\n")
    tag = api.tag()
    begun = api.bench.leases.begin(api.bench.run, "worker")
    assert begun
    api.bench.token = begun.token
    api.bench.add(0, "two\n")
    assert api.status("", tag) == 200


def test_while_it_runs_its_last_line_is_no_reason(api: Api) -> None:
    api.bench.add(0, "$ stop\n")
    path = api.path.removesuffix("/log")
    assert api.iam.data("GET", path)["reason"] == ""
    assert api.bench.leases.fail(api.bench.run, Report("$ stop\nno luck\n"))
    assert api.iam.data("GET", path)["reason"] == "no luck"


@pytest.mark.parametrize("value", ["-1", "x", "", "1.0", str(2**63)])
def test_a_place_that_is_none_is_refused(api: Api, value: str) -> None:
    error = api.iam.refused(400, 10001, "GET", f"{api.path}?from={value}")
    assert error["target"] == "from"


def test_the_log_of_no_subtask_and_no_task_is_refused(api: Api) -> None:
    for node in (api.bench.node + 99, 2**63 - 1):
        api.iam.refused(404, 10002, "GET", f"/tasks/instances/{api.bench.task}/subtasks/{node}/log?from=0")
    api.iam.refused(404, 20000, "GET", f"/tasks/instances/4711/subtasks/{api.bench.node}/log")
