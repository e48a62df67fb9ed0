"""`muster tasks log --follow`: the log of a step as it grows, through the API, with hands that run it meanwhile."""

import signal
from collections.abc import Callable

import httpx
import pytest

from cli.client import Refused
from cli.interrupt import StopAsked
from cli.log_follow import LogFollower
from cli.patience import PAUSE_SECONDS
from cli.watch import saying_how_to_return
from dag.lease import Leases, Report
from dag.running_log import LogPart, RunningLogs
from tests.unit.test_cli_watch import Bench

Work = Callable[[], object]


class Following:
    """A step that prints in what is left of the time between two questions."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.store = self.bench.hands.store
        self.task = self.bench.hands.submit([1])
        self.node = self.store.load(self.task).nodes[0].id
        self._leases = Leases(self.store, lease_seconds=10, retention_seconds=60)
        self.log, self.shown, self.said = "", list[str](), list[str]()

    def begin(self) -> None:
        node = self.store.load(self.task).nodes[0]
        self.run = self.bench.hands.begin(self.task, node)
        again = self._leases.begin(self.run, "worker")
        assert again
        self.token = again.token

    def prints(self, text: str) -> None:
        part = LogPart(self.run, self.token, len(self.log.encode()), text.encode())
        self.log += text
        assert RunningLogs(self.store).append([part]) == [len(self.log.encode())]

    def ends(self, *, well: bool = True) -> None:
        self.log += "exit code 0\n"
        assert (self._leases.complete if well else self._leases.fail)(self.run, Report(self.log))

    def follow(self, *steps: Work, node: int = 0) -> str:
        """Follow the log; each wait is used for the next step."""
        left = list(steps)

        def wait(seconds: float) -> None:
            assert seconds >= PAUSE_SECONDS
            left.pop(0)()

        with self.bench.client() as client:
            follower = LogFollower(client, self.task, node or self.node, say=self.said.append, wait=wait)
            return follower.follow(self.shown.append)


@pytest.fixture
def following() -> Following:
    return Following()


@pytest.mark.parametrize("well", [True, False])
def test_each_part_is_shown_as_it_comes_and_once(following: Following, well: bool) -> None:
    status = following.follow(
        following.begin,
        lambda: following.prints("erstens: ä\n"),
        lambda: None,
        lambda: following.prints("zweitens\n"),
        lambda: following.ends(well=well),
    )
    assert status == ("SUCCESSFUL" if well else "FAILED")
    assert following.shown == ["erstens: ä\n", "zweitens\n", "exit code 0\n"]
    assert following.said == []


def test_what_was_there_before_comes_first(following: Following) -> None:
    following.begin()
    following.prints("one\n")
    assert following.follow(lambda: following.prints("two\n"), following.ends) == "SUCCESSFUL"
    assert "".join(following.shown) == following.store.logs(following.task, following.node)
    # Nothing is left to wait for.
    assert following.follow() == "SUCCESSFUL"
    assert following.shown[-1] == "one\ntwo\nexit code 0\n"


def test_a_log_that_was_lost_with_its_store_is_shown_again_from_its_begin(following: Following) -> None:
    following.begin()
    following.prints("one\ntwo\n")

    def lose() -> None:
        following.store.redis.hset(following.store.keys.log(following.task), "0:1", "one\n")

    following.follow(lose, lambda: following.ends())
    assert following.shown == ["one\ntwo\n", "one\n", "two\nexit code 0\n"]


def test_a_step_that_will_never_run_is_not_waited_for(following: Following) -> None:
    following.begin()
    following.ends(well=False)
    assert following.follow(node=following.node + 2) == "PENDING"
    assert following.shown == []


def test_an_api_that_is_away_for_a_while_is_asked_again(following: Following) -> None:
    following.begin()
    following.prints("one\n")
    following.bench.network.away = [None, httpx.Response(503, headers={"Retry-After": "2"}, text="")]
    following.follow(lambda: None, lambda: None, following.ends)
    assert [text.partition("It is asked")[1:] for text in following.said] == [
        ("It is asked", " again; the task goes on meanwhile.")
    ]
    assert "".join(following.shown) == "one\nexit code 0\n"


def test_the_log_of_no_step_is_refused(following: Following) -> None:
    with pytest.raises(Refused, match="has no subtask 4711"):
        following.follow(node=4711)


@pytest.mark.usefixtures("kept_handlers")
def test_ctrl_c_leaves_the_step_running(following: Following, capsys: pytest.CaptureFixture[str]) -> None:
    following.begin()
    following.prints("one\n")
    with pytest.raises(StopAsked), saying_how_to_return(following.task, "muster tasks log 1 1 --follow"):
        following.follow(lambda: signal.raise_signal(signal.SIGINT))
    assert "goes on without this command" in capsys.readouterr().err
    assert following.shown == ["one\n"]
    assert following.store.load(following.task).nodes[0].status == "RUNNING"
    following.ends()
