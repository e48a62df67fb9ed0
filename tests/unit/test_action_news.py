"""A command of a step that takes longer is seen while it runs, and what it printed stands there once."""

import subprocess

from tests.agent import PREPARE, Agent
from workers.action.action import build_script, read_found
from workers.action.registry import ACTIONS

# A command waits here until the test has seen enough.
AWAIT = 'until [ -e "$(dirname "$0")/go" ]; do sleep 0.02; done'
MUCH = "i=0; while [ $i -lt 500 ]; do i=$((i + 1)); echo line $i; done; %s; head -c 100000 /dev/zero | tr '\\0' x"


def begin(agent: Agent, start: str) -> "subprocess.Popen[bytes]":
    """Begin a step that runs the start command, and nothing else."""
    agent.install(start=f"#!/bin/sh\n{start}\n")
    return agent.begin(build_script(agent.request(), "start_agent; end ok ''"))


def read_until(process: "subprocess.Popen[bytes]", *lines: str) -> str:
    """The output up to and with the last of these lines to come."""
    assert process.stdout is not None
    seen, left = "", set(lines)
    while left:
        line = process.stdout.readline().decode()
        assert line, seen
        seen += line
        left.discard(line.rstrip("\n"))
    return seen


def said_between(output: str) -> str:
    """What stands between the command and its exit code."""
    return output.partition("start.sh\n")[2].rpartition("\nexit 0 after ")[0]


def test_its_whole_lines_come_before_it_ends(agent: Agent) -> None:
    start = f"echo one; echo warning >&2; printf 'tw'; {AWAIT}; echo o; echo three; echo late >&2"
    process = begin(agent, start)
    seen = read_until(process, "one", "warning")
    assert process.poll() is None
    (agent.home / "go").touch()
    done = agent.end(process)
    assert read_found(done).ok, done.output
    assert said_between(seen + done.output) == "one\nwarning\ntwo\nthree\nlate"


def test_it_is_the_same_whether_it_was_seen_before_or_not(agent: Agent) -> None:
    text = r"printf '\n\none\n\n\n  two \\n \tthree\n'; %s; printf 'four\n\nfive \303\244'"
    process = begin(agent, text % AWAIT)
    seen = read_until(process, r"  two \n 	three")
    (agent.home / "go").touch()
    slow = said_between(seen + agent.end(process).output)
    quick = said_between(agent.end(begin(agent, text % ":")).output)
    assert (slow, slow.count("one")) == (quick, 1)


def test_of_much_that_it_prints_the_middle_is_left_out_all_the_same(agent: Agent) -> None:
    process = begin(agent, MUCH % AWAIT)
    seen = read_until(process, "line 500")
    (agent.home / "go").touch()
    slow = said_between(seen + agent.end(process).output)
    quick = said_between(agent.end(begin(agent, MUCH % ":")).output)
    assert "bytes left out" in quick
    assert slow == quick


def test_what_is_shown_early_has_an_end(agent: Agent) -> None:
    """So that the watch never waits for whoever reads it."""
    process = begin(agent, f"seq 20000; {AWAIT}; echo end")
    seen = read_until(process, "5000")
    (agent.home / "go").touch()
    said = said_between(seen + agent.end(process).output)
    assert said.startswith("1\n2\n3\n")
    assert said.endswith("\n19999\n20000\nend")
    assert (said.count("\n5000\n"), said.count("\n10000\n")) == (1, 0)


def test_a_run_that_waits_for_another_says_so(agent: Agent) -> None:
    agent.install()
    holder = agent.begin(build_script(agent.request(), 'echo has it; sleep 600; end ok ""'))
    read_until(holder, "has it")
    second = agent.begin(ACTIONS[PREPARE].build(agent.request()))
    assert second.stdout is not None
    assert second.stdout.readline().startswith(b"waiting for another run, which holds ")
    assert read_found(agent.end(second)).ok
    assert read_found(agent.end(holder)).outcome == "fenced"
