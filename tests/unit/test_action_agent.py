"""The actions' scripts against agents that behave in ways of their own."""

import os
import re
import signal
from dataclasses import replace

from tests.agent import AGENT, PREPARE, START, STOP, Agent
from workers.profile.profile import ProcessSpec


def test_a_process_that_does_not_come_is_said_with_what_was_looked_for(agent: Agent) -> None:
    agent.install(start=f"#!/bin/sh\ncd {agent.home}; ./agent >/dev/null 2>&1 &\n")
    result, _ = agent.do(START)
    os.kill(int((agent.home / "pids").read_text().split()[-1]), signal.SIGKILL)
    assert result.reason == f"not one process of each: no process agent ({agent.home}/agent)"


def test_a_start_that_stays_in_the_foreground_is_told_how_to_start(agent: Agent) -> None:
    agent.install(start=f"#!/bin/sh\nexec {agent.home}/agent\n")
    result, text = agent.do(START)
    assert result.reason == "the start did not end within 3 s"
    assert "must leave the agent in the background" in text
    assert agent.living() == []


def test_a_process_may_be_known_by_its_pid_file_alone(agent: Agent) -> None:
    agent.install(
        start=f"#!/bin/bash\n(exec -a 'renamed: master' sleep 60) >/dev/null 2>&1 & echo $! >{agent.home}/pid\n"
    )
    agent.write("stop.sh", f"#!/bin/sh\nkill $(cat {agent.home}/pid)\n")
    spec = ProcessSpec("renamed", pid_file=f"{agent.home}/pid")
    profile = replace(agent.profile, processes=(spec,))
    assert agent.do(START, profile)[0].ok
    first = int((agent.home / "pid").read_text())
    assert agent.do(PREPARE, profile)[0].facts["before"] == {"renamed": [first]}
    assert agent.do(STOP, profile)[0].ok
    result, text = agent.do(START, profile)
    assert result.ok, text
    assert result.facts["after"] != {"renamed": [first]}
    assert agent.do(STOP, profile)[0].ok


def test_a_child_outside_of_the_profile_is_reported_and_left_alone(agent: Agent) -> None:
    agent.install()
    agent.write("helper", AGENT.format(home=agent.home, trap="trap '' TERM"))
    agent.write("agent", f"#!/bin/sh\n{agent.home}/helper &\n{AGENT.format(home=agent.home, trap='')}")
    agent.write("stop.sh", "#!/bin/sh\n:\n")
    assert agent.do(START)[0].ok
    [helper] = agent.living("helper")
    result, text = agent.do(STOP)
    assert result.ok
    assert agent.living() == []
    assert agent.living("helper") == [helper]
    assert re.search(rf"not in its profile, so left alone:\n *{helper} .*/helper\n", text)


def test_an_answer_over_several_lines_is_read(agent: Agent) -> None:
    agent.install(
        start='#!/bin/sh\nprintf \'{\\n  "successful": false,\\n  "error": "no licence"\\n}\\n\' >&2; exit 255\n'
    )
    assert agent.do(START)[0].reason == "the start ended with exit code 255: no licence"
