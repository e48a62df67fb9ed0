"""Following a task: each change once, from where one left off, at the pace of those who watch, and until its end."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from api import feed as feeds
from api.event import END, HEARTBEAT
from api.feed import EVENTS_KEPT, NODES_AN_EVENT, Feed
from api.follower import Followers
from api.service import NAME
from config.settings import ApiSettings
from dag.change import ChangeLog
from dag.error import StoreUnavailable, TooManyFollowing, UnknownTask
from dag.host import Host
from dag.lease import Report, Run
from dag.operation import Operations
from dag.registry import HostRegistry
from tests.unit.test_api_task import Api, refused

Event = dict[str, Any]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(feeds, "PACE_SECONDS", 0)
    found = Api()
    yield found
    found.redis.close()


def read(text: bytes) -> Event:
    """One event as a browser reads it."""
    assert text.endswith(b"\n\n")
    fields = dict(line.split(": ", 1) for line in text.decode().removesuffix("\n\n").split("\n"))
    return {"id": fields["id"], "event": fields["event"], **json.loads(fields["data"])}


def told(feed: Feed, last_id: str = "") -> list[Event]:
    """What somebody gets who joins now, up to the first pause."""
    return [read(text) for text in iter(feed.follow(last_id).__next__, b"")]


class Watched:
    """A feed that is read by hand."""

    def __init__(self, api: Api, task: int) -> None:
        self.feed = Feed(api.store, task)
        self._stream = self.feed.follow("")
        self.opening = read(next(self._stream))

    def next(self) -> Event:
        self.feed.step()
        return read(next(self._stream))


def statuses(event: Event) -> list[tuple[int, str]]:
    return [(change["id"], change["status"]) for change in event["changes"]]


def test_each_change_is_told_once_with_all_that_a_picture_needs(api: Api) -> None:
    task = api.submit([1, 2])
    watched = Watched(api, task)
    first = api.store.load(task).nodes[0].id
    assert (watched.opening["event"], watched.opening["task"]["status"]) == ("snapshot", "RUNNING")
    assert (watched.opening["statuses"]["READY"], watched.opening["progress"]["total"]) == (2, 14)
    run = api.begin(task, 1)
    event = watched.next()
    assert (event["event"], event["statuses"]["RUNNING"]) == ("changes", 1)
    [change] = event["changes"]
    node = api.data("GET", f"/tasks/{task}")["subtasks"][1]
    assert change == {
        **{name: node[name] for name in ("id", "seriesId", "parallelIdx", "status", "operation", "runTime")},
        **{name: node[name] for name in ("executor", "startTime", "finishTime")},
        "hostId": 2,
        "attempt": 1,
        "time": change["time"],
    }
    assert api.leases.complete(run, Report())
    assert statuses(watched.next()) == [(first + 1, "SUCCESSFUL")]


def test_changes_of_one_moment_are_one_event_and_a_node_is_in_it_once(api: Api) -> None:
    task = api.submit([1, 2])
    watched = Watched(api, task)
    first = api.store.load(task).nodes[0].id
    for offset in (1, 0):
        api.leases.complete(api.begin(task, offset), Report())
    event = watched.next()
    passed = [(first + 1, "SUCCESSFUL"), (first, "SUCCESSFUL"), (first + 2, "SUCCESSFUL")]
    assert statuses(event) == [*passed, (first + 3, "READY"), (first + 4, "READY")]
    assert (event["progress"]["done"], event["statuses"]["READY"]) == (3, 2)


def test_who_was_cut_off_goes_on_behind_the_last_event_without_loss_or_doubles(api: Api) -> None:
    task = api.submit([1, 2])
    watched = Watched(api, task)
    ids, changes = [watched.opening["id"]], []
    for offset in (0, 1, 3, 4):
        run = api.begin(task, offset)
        events = [watched.next()]
        api.leases.complete(run, Report())
        events.append(watched.next())
        ids += [event["id"] for event in events]
        changes += [statuses(event) for event in events]
    for at, last_id in enumerate(ids):
        again = told(watched.feed, last_id)
        # What came as several events may come as one.
        latest = dict(pair for event in changes[at:] for pair in event)
        assert sorted(pair for event in again for pair in statuses(event)) == sorted(latest.items())
        assert all(event["event"] == "changes" for event in again)
        assert not again or again[-1]["id"] == ids[-1]


def test_who_asks_for_what_is_no_longer_kept_begins_anew(api: Api) -> None:
    task = api.submit([1])
    api.begin(task, 0)
    watched = Watched(api, task)
    for last_id in ("1-0", "99999999999999-0"):
        [event] = told(watched.feed, last_id)
        assert (event["event"], event["id"]) == ("reset", watched.opening["id"])
        assert event["statuses"]["RUNNING"] == 1
    api.redis.xtrim(api.store.keys.changes(task), maxlen=0, approximate=False)
    assert told(watched.feed, watched.opening["id"]) == []
    older = watched.opening["id"].split("-")[0]
    assert [event["event"] for event in told(watched.feed, f"{int(older) - 1}-0")] == ["reset"]


def test_what_is_trimmed_while_it_is_read_is_not_passed_over(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    task = api.submit([1, 2])
    watched = Watched(api, task)
    after, runs = ChangeLog.after, list[Run]()

    def late(log: ChangeLog, change_id: str, **how: Any) -> Any:
        runs.extend(api.begin(task, offset) for offset in (0, 1))
        api.redis.xtrim(api.store.keys.changes(task), maxlen=1, approximate=False)
        return after(log, change_id, **how)

    with monkeypatch.context() as patch:
        patch.setattr(ChangeLog, "after", late)
        event = watched.next()
    assert (event["event"], event["statuses"]["RUNNING"]) == ("reset", 2)
    api.leases.fail(runs[0], Report())
    assert statuses(watched.next()) == [(api.store.load(task).nodes[0].id, "FAILED")]


def test_many_scattered_changes_are_one_reset(api: Api) -> None:
    hosts = HostRegistry(api.redis).create([Host(0, f"10.1.{n // 250}.{n % 250}") for n in range(210)])
    task = api.submit([host.id for host in hosts])
    for offset in range(210):
        run = api.begin(task, offset)
        if offset % 2:
            api.leases.complete(run, Report())
        else:
            api.leases.fail(run, Report())
    watched = Watched(api, task)
    Operations(api.store).retry(task)
    event = watched.next()
    assert (event["event"], event["task"]["operation"]) == ("reset", "RETRY")
    assert (event["statuses"]["READY"], event["statuses"]["FAILED"]) == (105, 0)
    assert event["id"] == api.store.read(task).version


def test_few_scattered_changes_are_told_one_by_one(api: Api) -> None:
    task = api.submit([1, 2, 3])
    first = api.fail(task, 0, 2)
    api.leases.complete(api.begin(task, 1), Report())
    watched = Watched(api, task)
    Operations(api.store).retry(task)
    event = watched.next()
    assert [(c["id"], c["status"], c["operation"], c["runTime"]) for c in event["changes"]] == [
        (first, "READY", "RETRY", 2),
        (first + 2, "READY", "RETRY", 2),
    ]
    assert event["task"] == {"id": task, "status": "RUNNING", "operation": "RETRY", "finishTime": None}


def test_a_stage_of_many_hosts_opens_in_events_of_bounded_size(api: Api) -> None:
    count = NODES_AN_EVENT + 300
    hosts = HostRegistry(api.redis).create([Host(0, f"10.1.{n // 250}.{n % 250}") for n in range(count)])
    task = api.submit([host.id for host in hosts])
    [created] = ChangeLog(api.store, task).after("0-0", count=1)
    stream = Feed(api.store, task).follow(created.id)
    events = [read(text) for text in iter(stream.__next__, b"")]
    assert [len(event["changes"]) for event in events] == [NODES_AN_EVENT, 300]
    assert len({change["id"] for event in events for change in event["changes"]}) == count


def test_a_slow_reader_who_has_missed_events_begins_anew(api: Api) -> None:
    task = api.submit([1])
    watched = Watched(api, task)
    slow = watched.feed.follow("")
    next(slow)
    run = api.begin(task, 0)
    for _ in range(EVENTS_KEPT + 1):
        assert api.leases.begin(run, "worker")
        watched.next()
    event = read(next(slow))
    assert (event["event"], event["statuses"]["RUNNING"]) == ("reset", 1)
    assert next(slow) == b""


def test_the_last_event_says_so_and_comes_once_all_is_told(api: Api) -> None:
    task = api.submit([1])
    watched = Watched(api, task)
    api.fail(task, 0)
    assert [change["status"] for change in watched.next()["changes"]] == ["FAILED"]
    event = watched.next()
    assert (event["event"], event["id"]) == ("end", api.store.read(task).version + END)
    assert (event["task"]["status"], event["statuses"]["FAILED"]) == ("FAILED", 1)
    with pytest.raises(StopIteration):
        watched.next()


def stream(api: Api, task: int, **how: Any) -> list[Event]:
    """All events of a call, to its end."""
    answer = api.call("GET", f"/api/v2/tasks/instances/{task}/events", **how)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    parts = answer.data.split(b"\n\n")
    assert (parts[0], parts[-1]) == (b"retry: 1000", b"")
    return [read(part + b"\n\n") for part in parts[1:-1] if not part.startswith(b":")]


def test_a_call_gets_events_to_the_end_and_a_browser_that_comes_again_is_told_that_there_is_no_more(api: Api) -> None:
    task = api.submit([1])
    api.fail(task, 0)
    opening, end = stream(api, task)
    assert (opening["event"], end["event"]) == ("snapshot", "end")
    path = f"/tasks/instances/{task}/events"
    for how in ({"headers": {"Last-Event-ID": end["id"]}}, {"query_string": {"lastEventId": end["id"]}}):
        answer = api.client.get(path, auth=("viewer", "battery staple"), **how)
        assert (answer.status_code, answer.data) == (204, b"")
    # The header is newer than the address with which a browser began.
    how = {"headers": {"Last-Event-ID": opening["id"]}, "query_string": {"lastEventId": "1-0"}}
    assert [event["event"] for event in stream(api, task, **how)] == ["end"]
    assert [event["event"] for event in stream(api, task, query_string={"lastEventId": "1-0"})] == ["reset", "end"]


@pytest.mark.parametrize("last_id", ["x", "1", "-1-0", "1-0.END", "1-0\u00a0", "9" * 16 + "-0"])
def test_a_last_event_that_can_be_none_is_refused(api: Api, last_id: str) -> None:
    task = api.submit([1])
    found = refused(
        api.call("GET", f"/tasks/instances/{task}/events", query_string={"lastEventId": last_id}), 400, 10001
    )
    assert [sub["field"] for sub in found["subErrors"]] == ["lastEventId"]


def test_an_unknown_task_can_t_be_followed_and_takes_no_place(api: Api) -> None:
    for _ in range(40):
        refused(api.call("GET", "/tasks/instances/4711/events"), 404, 20000)


def test_one_more_follower_than_there_are_places_is_told_to_try_again(api: Api) -> None:
    task = api.submit([1])
    followers = api.client.application.extensions[NAME].followers
    held = [followers.join(task, "") for _ in range(ApiSettings().streams)]
    with capture_logs() as lines:
        answer = api.call("GET", f"/tasks/instances/{task}/events")
    told = refused(answer, 503, 10010)
    # Nothing is broken: the limit is in force, and each tab that is one too many asks every few seconds.
    [line] = [line for line in lines if line["event"].startswith("call ")]
    assert (line["event"], line["log_level"], line["reason"]) == ("call refused", "warning", told["message"])
    assert "traceback" not in line
    assert answer.headers["Retry-After"] == "2"
    for one in held:
        one.leave()
    api.fail(task, 0)
    assert stream(api, task)[-1]["event"] == "end"


def test_a_follower_hears_something_now_and_then_and_has_to_come_again_one_day(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feed.WAIT_SECONDS", 0.01)
    monkeypatch.setattr("api.follower.HEARTBEAT_SECONDS", 0)
    given: list[float] = []
    monkeypatch.setattr("api.follower.extend_time", given.append)
    follower = Followers(api.store, 1).join(api.submit([1]), "")
    found = follower.stream()
    parts = [next(found) for _ in range(4)]
    assert parts[2:] == [HEARTBEAT] * 2
    # As much time for the connection at each event as at each sign of life.
    assert len(given) == 3
    monkeypatch.setattr("api.follower.is_ending", lambda: True)
    assert list(found) in ([], [HEARTBEAT])
    follower.leave()


def test_so_many_may_follow_at_once_and_each_gives_its_place_back(api: Api) -> None:
    task = api.submit([1])
    followers = Followers(api.store, 2)
    one, two = followers.join(task, ""), followers.join(task, "")
    with pytest.raises(TooManyFollowing):
        followers.join(task, "")
    one.leave()
    one.leave()
    with pytest.raises(TooManyFollowing):
        [followers.join(task, ""), followers.join(task, "")]
    two.leave()


def test_all_who_follow_a_task_share_one_reader_that_ends_with_the_last(api: Api) -> None:
    others = set(threading.enumerate())

    def readers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in others]

    task = api.submit([1])
    followers = Followers(api.store, 3)
    joined = [followers.join(task, "") for _ in range(3)]
    [reader] = readers()
    streams = [one.stream() for one in joined]
    for found in streams:
        assert next(found) == b"retry: 1000\n\n"
        assert read(next(found))["event"] == "snapshot"
    api.begin(task, 0)
    assert len({next(found) for found in streams}) == 1
    for one in joined:
        one.leave()
    reader.join(timeout=30)
    assert not reader.is_alive()
    again = followers.join(task, "")
    assert readers() != [reader]
    again.leave()


def test_a_head_request_leaves_no_place_taken(api: Api) -> None:
    task = api.submit([1])
    for _ in range(40):
        assert api.call("HEAD", f"/tasks/instances/{task}/events").status_code == 200


@contextmanager
def away(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_arguments: Any, **_how: Any) -> Any:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(ChangeLog, "after", refuse)
        yield


def test_an_outage_of_redis_ends_no_feed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "WAIT_SECONDS", 0.01)
    task = api.submit([1])
    feed = Feed(api.store, task)
    feed.followers = 1
    with away(api, monkeypatch):
        reader = threading.Thread(target=feed.run)
        reader.start()
        stream = feed.follow("")
        assert read(next(stream))["event"] == "snapshot"
        assert next(stream) == b""
    api.begin(task, 0)
    assert read(next(part for part in stream if part))["event"] == "changes"
    feed.followers = 0
    reader.join(timeout=30)
    assert not reader.is_alive()


def test_a_task_that_expires_while_it_is_followed_ends_its_feed(api: Api) -> None:
    task = api.submit([1])
    feed = Feed(api.store, task)
    feed.followers = 1
    keys = api.store.keys
    api.redis.delete(keys.task(task), keys.status(task))
    api.redis.xadd(keys.changes(task), {"c": "0 X"})
    feed.run()
    assert feed.is_over
    with pytest.raises(UnknownTask):
        Feed(api.store, task)


def test_the_changes_of_an_ended_task_are_kept_for_a_while_only_and_for_good_when_it_goes_on(api: Api) -> None:
    task = api.submit([1])
    key = api.store.keys.changes(task)
    assert api.redis.ttl(key) == -1
    first = api.fail(task, 0)
    assert 0 < int(str(api.redis.ttl(key))) <= 600
    Operations(api.store).retry_node(task, first)
    assert api.redis.ttl(key) == -1
    api.fail(task, 0)
    api.redis.delete(key)
    Operations(api.store).skip(task, first, user="u")
    assert api.redis.exists(key)
