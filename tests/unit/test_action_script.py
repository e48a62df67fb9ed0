"""The scripts of all actions, run by a local shell against agents that are small programs of this test."""

import getpass
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag.host import AgentStatus
from dag.inquiry import Look
from tests.agent import (
    AGENT,
    FINISH,
    FINISH_STOP,
    IDLE,
    PREPARE,
    PROXY,
    RESTART_PROCESS,
    SHELLS,
    SHUTDOWN,
    START,
    STOP,
    STOP_PROCESS,
    Agent,
    processes,
)
from tests.wait import until
from workers.action.action import MARK, build_script, read_found
from workers.action.look import build_look, read_look
from workers.action.registry import ACTIONS, UNDOS
from workers.profile.profile import ProcessSpec, Profile, ProfileError, ProxySpec
from workers.remote.session import Completed

SYSTEM = (platform.freedesktop_os_release()["PRETTY_NAME"], platform.machine())
LISTENER = f"""#!{sys.executable}
import pathlib, socket, sys, time
home = pathlib.Path(sys.argv[0]).parent
with socket.create_server(("127.0.0.1", 0)) as listener:
    (home / "port").write_text(str(listener.getsockname()[1]))
    (home / "pids").write_text("")
    time.sleep(600)
"""
# A guard that starts its child again whenever that ends.
GUARD = """#!/bin/sh
echo $$ >>{home}/pids
trap 'exit 0' TERM
while :; do {home}/child & wait $!; done
"""


def test_a_whole_restart(agent: Agent) -> None:
    agent.install()
    assert agent.do(START)[0].ok
    [old] = agent.living()
    prepared, text = agent.do(PREPARE)
    assert prepared.ok, text
    assert prepared.facts == {"before": {"agent": [old]}, "version": "v7"}
    assert prepared.agent is not None
    assert prepared.agent.status is AgentStatus.RESTARTING
    assert (prepared.agent.operating_system, prepared.agent.architecture) == SYSTEM
    proxied, text = agent.do(PROXY)
    assert proxied.ok
    assert "the profile has no proxy: nothing to restart" in text
    stopped, text = agent.do(STOP)
    assert stopped.ok, text
    assert agent.living() == []
    assert stopped.facts == {"killed": []}
    started, text = agent.do(START)
    assert started.ok, text
    [new] = agent.living()
    assert new != old
    finished, text = agent.do(FINISH)
    assert finished.ok, text
    assert finished.agent is not None
    assert (finished.agent.status, finished.agent.version) == (AgentStatus.STARTED, "v7")
    assert finished.agent.pids == {"agent": new}
    assert (finished.agent.operating_system, finished.agent.architecture) == SYSTEM
    assert finished.agent.started_at["agent"].startswith("20")


class TestUndo:
    """What a rollback leaves on a host: the agent as Prepare found it."""

    def test_what_stop_stopped_runs_again(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(START)[0].ok
        [old] = agent.living()
        assert agent.do(PREPARE)[0].ok
        assert agent.do(STOP)[0].ok
        result, text = agent.undo(STOP)
        assert result.ok, text
        [new] = agent.living()
        assert (new != old, result.facts) == (True, {"after": {"agent": [new]}})
        result, text = agent.undo(PREPARE)
        assert result.ok, text
        assert result.agent is not None
        assert (result.agent.status, result.agent.pids) == (AgentStatus.STARTED, {"agent": new})
        assert result.agent.version == "v7"

    def test_an_agent_that_runs_is_left_alone(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(START)[0].ok
        assert agent.do(PREPARE)[0].ok
        before = agent.living()
        for action in (FINISH, START, STOP, PROXY, PREPARE):
            result, text = agent.undo(action)
            assert result.ok, text
        assert agent.living() == before

    def test_an_agent_that_did_not_run_is_stopped_again_and_left_so(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(PREPARE)[0].facts["before"] == {}
        assert agent.do(STOP)[0].ok
        assert agent.do(START)[0].ok
        assert len(agent.living()) == 1
        assert agent.undo(START)[0].ok
        assert agent.living() == []
        result, text = agent.undo(STOP)
        assert (result.ok, text) == (True, "")
        assert result.reason == "Nothing to undo: the agent did not run before, so it is left stopped."
        result, text = agent.undo(PREPARE)
        assert result.agent is not None
        assert (result.agent.status, result.agent.pids) == (AgentStatus.STOPPED, {})

    def test_a_start_that_failed_half_way_is_begun_anew(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(START)[0].ok
        assert agent.do(PREPARE)[0].ok
        assert agent.do(STOP)[0].ok
        twice = f"{agent.home}/agent >/dev/null 2>&1 &\n"
        good = (agent.home / "start.sh").read_text()
        agent.write("start.sh", f"#!/bin/sh\n{twice}{twice}")
        assert not agent.do(START)[0].ok
        agent.write("start.sh", good)
        left = agent.living()
        assert len(left) == 2
        result, text = agent.undo(STOP)
        assert result.ok, text
        assert "what runs is stopped first" in text
        [new] = agent.living()
        assert new not in left

    def test_an_undo_that_does_not_see_the_agent_run_fails(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(START)[0].ok
        assert agent.do(PREPARE)[0].ok
        assert agent.do(STOP)[0].ok
        agent.write("start.sh", "#!/bin/sh\necho no licence; exit 3\n")
        result, _ = agent.undo(STOP)
        assert result.reason == "the start ended with exit code 3: no licence"

    @pytest.mark.parametrize("had_proxy", [True, False])
    def test_what_a_shutdown_stopped_runs_again(self, agent: Agent, had_proxy: bool) -> None:
        agent.install()
        profile = with_proxy(agent)
        assert agent.do(START, profile)[0].ok
        if had_proxy:
            assert agent.do(PROXY, profile)[0].ok
        assert agent.do(PREPARE, profile)[0].ok
        assert agent.do(SHUTDOWN, profile)[0].ok
        for _ in range(2):
            result, text = agent.undo(SHUTDOWN, profile)
            assert result.ok, text
            assert (len(agent.living()), len(agent.living("proxy"))) == (1, int(had_proxy))
        assert agent.undo(FINISH_STOP, profile)[0].reason == "Nothing to undo: the step only looks."

    def test_a_shutdown_of_what_did_not_run_is_undone_by_nothing(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(PREPARE)[0].ok
        assert agent.do(SHUTDOWN)[0].ok
        assert agent.undo(SHUTDOWN)[0].reason == "Nothing to undo: neither agent nor proxy ran before."
        assert agent.living() == []

    @pytest.mark.parametrize("action", [STOP_PROCESS, RESTART_PROCESS])
    def test_one_process_runs_again(self, agent: Agent, action: str) -> None:
        agent.install()
        result, text = agent.undo(action)
        assert result.ok, text
        [pid] = agent.living()
        assert result.facts == {"after": {"agent": [pid]}}
        assert "nothing to start" in agent.undo(action)[1]
        assert agent.living() == [pid]

    def test_where_prepare_was_skipped_the_agent_is_left_running(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(STOP)[0].ok
        assert agent.undo(START)[1] == ""
        assert agent.undo(STOP)[0].ok
        assert len(agent.living()) == 1
        assert agent.undo(PREPARE)[0].reason == "Nothing to undo: the agent was not marked."


def test_a_missing_agent_is_found_by_prepare(agent: Agent) -> None:
    result, _ = agent.do(PREPARE)
    assert not result.ok
    assert f"there is no agent: {agent.home}/start.sh can't be run" in result.reason
    result, _ = agent.do(PREPARE, replace(agent.profile, start=("no-such-command-4711",)))
    assert "no command no-such-command-4711" in result.reason


def with_proxy(agent: Agent) -> Profile:
    """The agent's profile with a second program beside it, which only its own commands start and stop."""
    home = agent.home
    agent.write("proxy", AGENT.format(home=home, trap="").replace("/pids", "/proxy-pids"))
    agent.write("start_proxy.sh", f"#!/bin/sh\n{home}/proxy >/dev/null 2>&1 &\n")
    agent.write("stop_proxy.sh", f"#!/bin/sh\n! kill $(tail -n 1 {home}/proxy-pids)\n:\n")
    proxy = ProxySpec(
        ProcessSpec("proxy", path=f"{home}/proxy"), (f"{home}/start_proxy.sh",), (f"{home}/stop_proxy.sh",)
    )
    return replace(agent.profile, proxy=proxy)


def test_a_shutdown_leaves_nothing_and_the_finish_proves_it(agent: Agent) -> None:
    agent.install()
    profile = with_proxy(agent)
    assert agent.do(START, profile)[0].ok
    assert agent.do(PROXY, profile)[0].ok
    assert agent.living()
    assert agent.living("proxy")
    agent.facts["version"] = "v7"
    early, _ = agent.do(FINISH_STOP, profile)
    assert not early.ok
    assert early.reason.startswith("there still run pids ")
    stopped, text = agent.do(SHUTDOWN, profile)
    assert stopped.ok, text
    assert agent.living() == agent.living("proxy") == []
    finished, text = agent.do(FINISH_STOP, profile)
    assert finished.ok, text
    assert finished.agent is not None
    assert (finished.agent.status, finished.agent.version, finished.agent.pids) == (AgentStatus.STOPPED, "v7", {})


def test_an_agent_that_comes_back_after_its_stop_is_not_stopped(agent: Agent) -> None:
    agent.install()
    request = agent.request()
    process = agent.begin(ACTIONS[FINISH_STOP].build(request))
    assert process.stdout is not None
    while b"no process of the agent runs" not in process.stdout.readline():
        assert process.poll() is None
    subprocess.run([agent.home / "start.sh"], check=True)
    result = ACTIONS[FINISH_STOP].read(agent.end(process), request)
    assert not result.ok
    assert "after 1 s there run again pids" in result.reason


def test_one_process_is_stopped_and_restarted_while_the_other_goes_on(agent: Agent) -> None:
    agent.install()
    home, profile = agent.home, with_proxy(agent)
    assert agent.do(PROXY, profile)[0].ok
    [other] = agent.living("proxy")
    assert agent.do(START, profile)[0].ok
    [old] = agent.living()
    restarted, text = agent.do(RESTART_PROCESS, profile)
    assert restarted.ok, text
    [new] = agent.living()
    assert new != old
    assert restarted.facts == {"after": {"agent": [new]}}
    stopped, text = agent.do(STOP_PROCESS, profile)
    assert stopped.ok, text
    assert agent.living() == []
    started, text = agent.do(RESTART_PROCESS, profile)
    assert started.ok, text
    assert len(agent.living()) == 1
    assert agent.living("proxy") == [other]
    # One fence for the whole agent, whatever it is asked to do.
    assert len(list((home / ".muster").glob("*.lock"))) == 1


def test_a_process_that_does_not_start_again_fails_with_its_words(agent: Agent) -> None:
    agent.install(start="#!/bin/sh\necho no licence\nexit 3\n")
    result, _ = agent.do(RESTART_PROCESS)
    assert result.reason == "the start ended with exit code 3: no licence"


@pytest.mark.parametrize(
    ("name", "fault"), [("agent", "does not say how to start and stop agent alone"), ("song", "has no process 'song'")]
)
def test_a_process_that_can_not_be_controlled_alone_is_refused(agent: Agent, name: str, fault: str) -> None:
    profile = replace(agent.profile, processes=(ProcessSpec("agent", path=f"{agent.home}/agent"),))
    for action in (RESTART_PROCESS, STOP_PROCESS):
        with pytest.raises(ProfileError, match=fault):
            ACTIONS[action].build(replace(agent.request(profile), parameters={"process": name}))


def look(agent: Agent, profile: Profile) -> Look:
    return read_look(agent.end(agent.begin(build_look(profile, seconds=10))), profile)


def test_a_look_shows_what_runs_and_leaves_no_trace(agent: Agent) -> None:
    agent.install()
    profile = with_proxy(agent)
    agent.write("agent", LISTENER)
    assert agent.do(START, profile)[0].ok
    [pid] = agent.living()
    port = int((agent.home / "port").read_text())
    before = {path: path.stat().st_mtime_ns for path in agent.home.rglob("*")}
    seen = look(agent, profile)
    assert {path: path.stat().st_mtime_ns for path in agent.home.rglob("*")} == before
    assert (seen.reason, seen.status, seen.version, seen.home) == ("", "STARTED", "v7", str(agent.home))
    assert (seen.operating_system, seen.architecture) == SYSTEM
    one, proxy = seen.processes
    assert (one.name, one.pid, one.ports, one.operable) == ("agent", pid, (port,), True)
    assert one.user == getpass.getuser()
    assert f"{agent.home}/agent" in one.command
    assert abs(one.started_at / 1000 - time.time()) < 60
    assert (proxy.name, proxy.pid, proxy.operable) == ("proxy", None, True)


def test_a_look_waits_for_nobody_and_ends_nobody(agent: Agent) -> None:
    agent.install()
    assert agent.do(START)[0].ok
    working = agent.begin(build_script(agent.request(), f"run 30 {agent.hang}\nend ok ''\n"))
    until(agent.hanging)
    assert look(agent, agent.profile).status == "STARTED"
    [sleeping] = agent.hanging()
    os.kill(sleeping, signal.SIGTERM)
    assert read_found(agent.end(working)).ok


def test_a_look_shows_each_of_two_and_what_is_absent(agent: Agent) -> None:
    agent.install()
    profile = with_proxy(agent)
    (agent.home / "proxy").unlink()
    for _ in range(2):
        subprocess.run([agent.home / "start.sh"], check=True)
    until(lambda: len(agent.living()) == 2)
    seen = look(agent, profile)
    assert [process.pid for process in seen.processes] == sorted(agent.living())
    agent.do(STOP)
    seen = look(agent, profile)
    assert [(process.name, process.pid) for process in seen.processes] == [("agent", None)]
    assert seen.status == "STOPPED"


def test_a_status_that_hangs_does_not_hold_a_look_up(agent: Agent) -> None:
    agent.install()
    assert agent.do(START)[0].ok
    seen = look(agent, replace(agent.profile, status=tuple(agent.hang.split())))
    assert seen.status == "STARTED"
    assert agent.hanging() == []


def test_a_start_that_fails_shows_its_words(agent: Agent) -> None:
    agent.install(start="#!/bin/sh\necho port 7 is taken\nexit 3\n")
    result, text = agent.do(START)
    assert not result.ok
    assert result.reason == "the start ended with exit code 3: port 7 is taken"
    assert re.search(r"^exit 3 after \d+\.\d\d s$", text, re.MULTILINE)


def test_a_control_program_that_fails_with_exit_code_0_is_not_believed(agent: Agent) -> None:
    answer = '{"successful": false, "message": null, "error": "no licence"}'
    agent.install(start=f"#!/bin/sh\necho '{answer}'\n")
    result, _ = agent.do(START, replace(agent.profile, answers="json"))
    assert result.reason == "the start ended with exit code 255: no licence"


def test_what_ignores_term_is_killed_and_reported(agent: Agent) -> None:
    agent.install(trap="trap '' TERM")
    assert agent.do(START)[0].ok
    [pid] = agent.living()
    result, text = agent.do(STOP)
    assert result.ok, text
    assert result.facts == {"killed": [{"pid": pid, "signal": "KILL"}]}
    assert f"sending KILL to pids {pid}" in text
    assert agent.living() == []


def test_a_stop_that_hangs_is_ended_and_what_is_left_with_it(agent: Agent) -> None:
    agent.install(stop=f"#!/bin/sh\n{agent.hang}\n")
    assert agent.do(START)[0].ok
    result, text = agent.do(STOP)
    assert result.ok, text
    assert "did not end within 2 s: killed" in text
    assert agent.living() == []
    assert agent.hanging() == []


def test_the_guard_is_ended_before_what_it_would_start_again(agent: Agent) -> None:
    agent.install(stop="#!/bin/sh\n:\n")
    agent.write("child", f"#!/bin/sh\n{IDLE.format(home=agent.home)}\n")
    agent.write("agent", GUARD.format(home=agent.home))
    specs = (
        ProcessSpec("child", path=f"{agent.home}/child"),
        ProcessSpec("guard", path=f"{agent.home}/agent", guard=True),
    )
    profile = replace(agent.profile, processes=specs)
    assert agent.do(START, profile)[0].ok
    guards = agent.living()
    result, text = agent.do(STOP, profile)
    assert result.ok, text
    assert agent.living() == agent.living("child") == []
    assert next(entry["pid"] for entry in result.facts["killed"]) in guards


def test_two_of_one_are_an_error_that_names_them(agent: Agent) -> None:
    agent.install(start=f"#!/bin/sh\n{agent.home}/agent >/dev/null 2>&1 &\n{agent.home}/agent >/dev/null 2>&1 &\n")
    result, _ = agent.do(START)
    pids = " ".join(map(str, sorted(agent.living())))
    assert result.reason.endswith(f": 2 processes of agent (pids {pids})")
    assert not agent.do(FINISH)[0].ok


def test_a_process_that_dies_at_once_is_no_start(agent: Agent) -> None:
    agent.install()
    agent.write("agent", "#!/bin/sh\nsleep 0.7\n")
    result, _ = agent.do(START)
    assert "no process agent" in result.reason


def test_a_process_from_before_is_no_restart(agent: Agent) -> None:
    agent.install()
    assert agent.do(START)[0].ok
    agent.facts["before"] = {"agent": agent.living()}
    agent.write("start.sh", "#!/bin/sh\n:\n")
    result, _ = agent.do(START)
    assert result.reason == f"pid {agent.living()[0]} is from before the restart"


def test_a_pattern_never_finds_the_script_itself(agent: Agent) -> None:
    agent.install()
    profile = replace(agent.profile, processes=(ProcessSpec("agent", pattern=f"{agent.home}/.*"),))
    result, text = agent.do(PREPARE, profile)
    assert result.facts["before"] == {}, text


def test_what_is_started_inherits_nothing_of_the_script(agent: Agent) -> None:
    agent.install()
    assert agent.do(START)[0].ok
    [pid] = agent.living()
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert [link for link in links if ".muster" in link or "pipe" in link] == []
    assert b"LC_ALL" not in Path(f"/proc/{pid}/environ").read_bytes()
    umask = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("Umask"))
    mine = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("Umask"))
    assert umask == mine


def test_hostile_variables_stay_words(agent: Agent) -> None:
    home = agent.home / "x y'; touch pwned; echo '$(touch pwned)`touch pwned`"
    home.mkdir()
    hostile = Agent(home, agent.shell)
    hostile.write("start.sh", "#!/bin/sh\n:\n")
    profile = replace(
        hostile.profile,
        processes=(ProcessSpec("agent", path=f"{home}/agent"),),
        status=("echo", "'; touch pwned; '", "$(touch pwned)"),
    )
    result, text = hostile.do(PREPARE, profile)
    assert result.ok, text
    assert list(agent.home.rglob("pwned")) == []
    assert "$(touch pwned)" in text


def test_any_output_arrives_as_json(agent: Agent) -> None:
    agent.install(
        start='#!/bin/sh\nprintf \'a"b\\\\c\\td\\001\\377\\n\'; head -c 300000 /dev/zero | tr "\\0" x; exit 1\n'
    )
    result, text = agent.do(START)
    assert not result.ok
    line = json.loads(text.rpartition(MARK)[2].splitlines()[0])
    assert line["answer"].startswith('a"b\\c\td')
    assert len(line["answer"]) <= 65536
    assert re.search(r"x\n\[\.\.\. \d+ bytes left out \.\.\.\]\nx", text)


@pytest.mark.parametrize("awk", ["exit 0", "exit 3", "echo; echo; echo; echo; echo"])
def test_where_processes_can_not_be_seen_nothing_is_proven(agent: Agent, tmp_path: Path, awk: str) -> None:
    agent.install()
    programs = tmp_path / "programs"
    programs.mkdir()
    agent.write("programs/awk", f"#!/bin/sh\n{awk}\n")
    path = f"{programs}:{os.environ['PATH']}"
    for action in (PREPARE, STOP, START, FINISH):
        script = ACTIONS[action].build(agent.request())
        found = read_found(agent.end(agent.begin(script, PATH=path)))
        assert found.reason.startswith("the processes can't be seen: awk must be gawk, or mawk"), found


def test_a_look_that_is_repeated_as_a_process_has_just_ended_is_no_line_of_the_log(
    agent: Agent, tmp_path: Path
) -> None:
    agent.install()
    programs, real = tmp_path / "programs", shutil.which("awk")
    programs.mkdir()
    # It gives up as mawk does, once.
    gives_up = f"[ -e {tmp_path}/gave-up ] || {{ : >{tmp_path}/gave-up; echo 'awk: read error' >&2; exit 2; }}"
    agent.write("programs/awk", f'#!/bin/sh\ncase "$*" in *" /proc/1 "*) {gives_up} ;; esac\nexec {real} "$@"\n')
    script = ACTIONS[PREPARE].build(agent.request())
    done = agent.end(agent.begin(script, PATH=f"{programs}:{os.environ['PATH']}"))
    assert ((tmp_path / "gave-up").exists(), read_found(done).ok) == (True, True), done.output
    assert "read error" not in done.output


def test_what_a_daemon_goes_on_printing_gets_into_no_later_answer(agent: Agent) -> None:
    agent.install(start=f"#!/bin/sh\n(while sleep 0.1; do echo noise; done) &\n{agent.home}/agent >/dev/null 2>&1 &\n")
    assert agent.do(START)[0].ok
    time.sleep(0.3)
    result, text = agent.do(PREPARE)
    assert (result.ok, "noise" in text) == (True, False), text
    for pid, arguments in processes():
        if f"{agent.home}/start.sh" in arguments:
            # One that was about to become a `sleep` may have ended.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_restart_leaves_nothing_of_what_it_printed(agent: Agent) -> None:
    agent.install()
    for action in (START, PREPARE, STOP, START, FINISH):
        assert agent.do(action)[0].ok
    left = {path.name.rpartition(".")[2]: path.stat().st_size for path in (agent.home / ".muster").iterdir()}
    assert left.keys() == {"token", "lock", "journal", "out", "err", "live"}
    assert (left["out"], left["err"]) == (0, 0)


class TestFence:
    """Two runs on one agent: the newer token wins, and they never overlap."""

    BODY = """
printf '%s begin\\n' "$token" >>"$HOME/story"
{work}
printf '%s end\\n' "$token" >>"$HOME/story"
end ok ''
"""

    def script(self, agent: Agent, token: int, work: str, timeout: int = 30) -> str:
        return build_script(agent.request(token=token, timeout=timeout), self.BODY.format(work=work))

    def journal(self, agent: Agent) -> list[list[str]]:
        """The words of the host's own record, without the times."""
        [path] = (agent.home / ".muster").glob("*.journal")
        lines = [line.split() for line in path.read_text().splitlines()]
        assert all(line[3].isdigit() for line in lines)
        return [line[:3] for line in lines]

    def story(self, agent: Agent) -> list[str]:
        path = agent.home / "story"
        return path.read_text().splitlines() if path.exists() else []

    def test_an_older_run_does_nothing(self, agent: Agent) -> None:
        assert read_found(agent.end(agent.begin(self.script(agent, 7, ":")))).ok
        late = read_found(agent.end(agent.begin(self.script(agent, 6, ":"))))
        assert late.outcome == "fenced"
        assert self.story(agent) == ["7 begin", "7 end"]

    def test_a_record_of_tokens_stays_short_and_goes_on_fencing(self, agent: Agent) -> None:
        for token in range(100, 116):
            assert read_found(agent.end(agent.begin(self.script(agent, token, ":")))).ok
        [record] = (agent.home / ".muster").glob("*.token")
        tokens = [int(line) for line in record.read_text().split()]
        assert (max(tokens), len(tokens) < 16) == (115, True)
        assert read_found(agent.end(agent.begin(self.script(agent, 114, ":")))).outcome == "fenced"

    @pytest.mark.parametrize("cut", ["12", "\n\n", "not a number\n"])
    def test_a_record_that_a_full_disk_has_cut_off_fences_nobody(self, agent: Agent, cut: str) -> None:
        assert read_found(agent.end(agent.begin(self.script(agent, 100, ":")))).ok
        [record] = (agent.home / ".muster").glob("*.token")
        with record.open("a") as file:
            file.write(cut)
        assert read_found(agent.end(agent.begin(self.script(agent, 101, ":")))).ok
        assert read_found(agent.end(agent.begin(self.script(agent, 100, ":")))).outcome == "fenced"

    def test_a_newer_run_ends_the_older_and_waits_for_that(self, agent: Agent) -> None:
        older = agent.begin(self.script(agent, 7, "run 30 sleep 30"))
        until(lambda: self.story(agent) == ["7 begin"])
        newer = agent.begin(self.script(agent, 8, ":"))
        assert read_found(agent.end(older)).outcome == "fenced"
        assert read_found(agent.end(newer)).ok
        assert self.story(agent) == ["7 begin", "8 begin", "8 end"]
        assert self.journal(agent) == [
            ["begin", "7", "-"],
            ["end", "7", "fenced"],
            ["begin", "8", "-"],
            ["end", "8", "ok"],
        ]

    def test_a_newer_run_begins_only_when_nothing_of_the_older_is_left(self, agent: Agent) -> None:
        """Ended: a run whose command ignores SIGTERM. Counted: such commands alive when the newer one begins."""
        name = f"stubborn-{agent.hang.rpartition('.')[2]}"
        older = agent.begin(self.script(agent, 7, f"run 30 sh -c 'trap : TERM; while :; do sleep 0.1; done' {name}"))
        until(lambda: any(name in args for _pid, args in processes()))
        look = f"ps -ewwo args= | grep -c '[s]{name[1:]}' >>\"$HOME/alive\""
        newer = agent.begin(self.script(agent, 8, look))
        assert read_found(agent.end(newer)).ok
        assert (agent.home / "alive").read_text().split() == ["0"]
        assert read_found(agent.end(older)).outcome == "fenced"

    def test_a_worker_that_falls_silent_is_given_up(self, agent: Agent) -> None:
        request = replace(agent.request(token=7), silence_seconds=4)
        process = agent.begin(build_script(request, self.BODY.format(work=f"run 30 {agent.hang}")))
        assert process.stdin is not None
        for _ in range(6):  # it lives for as long as it is spoken to
            process.stdin.write(b"\n")
            process.stdin.flush()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
        found = read_found(agent.end(process))
        assert found.reason == "the worker was silent for 4 s; what ran was killed"
        assert found.failure().unheard
        assert agent.hanging() == []
        assert self.journal(agent) == [["begin", "7", "-"], ["end", "7", "unheard"]]

    def test_a_time_limit_ends_all_that_was_started(self, agent: Agent) -> None:
        work = f"run 30 sh -c '{agent.hang} & {agent.hang}; :'"
        found = read_found(agent.end(agent.begin(self.script(agent, 7, work, timeout=4))))
        assert found.reason == "passed its time limit of 1 s; what ran was killed"
        assert agent.hanging() == []

    def test_a_lost_connection_ends_all_but_the_agent(self, agent: Agent) -> None:
        agent.install()
        assert agent.do(START)[0].ok
        process = agent.begin(self.script(agent, 1000, f"run 30 {agent.hang}"))
        until(agent.hanging)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
        until(lambda: not agent.hanging())
        assert len(agent.living()) == 1
        assert process.stdout is not None
        process.stdout.close()


@given(st.one_of(st.text(), st.text().map(lambda text: MARK + text), st.just(MARK + '{"outcome":"ok"}')))
def test_an_answer_that_makes_no_sense_is_a_failure(output: str) -> None:
    found = read_found(Completed(1, output, 0.0))
    assert found.outcome == "failed"
    assert "without a result" in found.reason


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_script_is_the_same_each_time_and_accepted_by_the_shell(tmp_path: Path, action: str, shell: str) -> None:
    agent = Agent(tmp_path, shell)
    agent.facts = {"before": {"agent": [1]}}
    request = agent.request()
    for step in (ACTIONS[action], UNDOS[action]):
        script = step.build(request)
        assert script == step.build(request)
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
