"""Agent profiles: what is built in, and errors that name file and key."""

import os
from pathlib import Path

import pytest

from dag.host import Host
from workers.profile.profile import ProfileError, builtin_names, load_profile, profile_of

GIVEN = {"start": "run", "stop": "halt", "process": "/opt/agent"}
SMALL = (
    'start = ["{home}/run"]\nstop = ["halt"]\n[variables]\nhome = "/opt"\n[[process]]\nname = "a"\npath = "{home}/a"\n'
)


def write(folder: Path, text: str, name: str = "mine") -> Path:
    (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_profile_loads_and_fills(name: str) -> None:
    profile = load_profile(name)
    filled = profile.fill({key: value for key, value in GIVEN.items() if key in profile.variables})
    assert filled.start
    assert filled.stop
    assert filled.processes
    assert "{" not in f"{filled.start}{filled.stop}{filled.status}{filled.processes}".replace("{}", "")


def test_own_profiles_win_over_built_in_ones(tmp_path: Path) -> None:
    own = write(tmp_path, SMALL, "custom")
    assert load_profile("custom", own).fill({}).start == ("/opt/run",)
    assert load_profile("systemd", own).fill({}).start[0] == "systemctl"


def test_what_a_variable_holds_is_text(tmp_path: Path) -> None:
    profile = load_profile("mine", write(tmp_path, SMALL)).fill({"home": "/x {home} $(id)"})
    assert profile.start == ("/x {home} $(id)/run",)
    assert profile.processes[0].path == "/x {home} $(id)/a"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("start = ", "begin = "), ["mine.toml", "begin"]),
        (('start = ["{home}/run"]\n', ""), ["mine.toml", "start", "missing"]),
        (('start = ["{home}/run"]', 'start = "run"'), ["mine.toml", "start", "list of texts"]),
        (('path = "{home}/a"', ""), ["mine.toml", "process[0]", "path or pattern"]),
        (('path = "{home}/a"', 'path = "a"\npattern = "b"'), ["mine.toml", "process[0]", "path or pattern"]),
        (('name = "a"', 'name = "a b"'), ["mine.toml", "process[0]", "name"]),
        (('name = "a"', 'name = "a"\nguard = 1'), ["mine.toml", "process[0]", "guard"]),
        (('name = "a"', 'name = "a"\npidfile = "x"'), ["mine.toml", "process[0].pidfile"]),
        (("{home}/run", "{hmoe}/run"), ["mine.toml", "variables", "hmoe"]),
        (("[variables]", 'answers = "xml"\n[variables]'), ["mine.toml", "answers", "xml"]),
        (("[variables]", "stop_seconds = -1\n[variables]"), ["mine.toml", "stop_seconds", "-1"]),
        (("[variables]", 'settle_seconds = "1"\n[variables]'), ["mine.toml", "settle_seconds"]),
        (("[variables]", "[proxy]\nname = 'p'\n[variables]"), ["mine.toml", "proxy", "start and stop"]),
        (("[[process]]", "[process]"), ["mine.toml"]),
        (('name = "a"', 'name = "a"\nstart = ["x"]'), ["mine.toml", "process[0]", "both start and stop"]),
        (('name = "a"', 'name = "a"\nstart = "x"\nstop = ["y"]'), ["mine.toml", "process[0].start", "list of texts"]),
        (('name = "a"', 'name = "a"\nstart = ["{x}"]\nstop = ["y"]'), ["mine.toml", "variables", "x"]),
        (("start", "start ["), ["mine.toml"]),
    ],
)
def test_a_malformed_profile_is_named_with_its_key(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("mine", write(tmp_path, SMALL.replace(*change, 1)))
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("name", ["../mine", "/etc/passwd", "", ".mine", "nowhere", "a/b"])
def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProfileError):
        load_profile(name, write(tmp_path, SMALL))


def test_variables_must_be_known_and_those_needed_given() -> None:
    profile = load_profile("custom")
    with pytest.raises(ProfileError, match="custom has no variable hmoe; it has process, run_as"):
        profile.fill({**GIVEN, "hmoe": "/x"})
    with pytest.raises(ProfileError, match="custom needs the host's variable process"):
        profile.fill({"start": "a", "stop": "b"})
    with pytest.raises(ProfileError, match="port"):
        load_profile("ocp_agentctl").fill({"proxy_port": "http"})


def test_a_process_may_be_controlled_alone() -> None:
    profile = load_profile("ocp_agentctl").fill({"home": "/opt/a"})
    one = profile.alone("ocp_monagent")
    assert one.start == ("/opt/a/bin/ocp_agentctl", "service", "start", "ocp_monagent")
    assert one.stop == ("/opt/a/bin/ocp_agentctl", "service", "stop", "ocp_monagent")
    assert ([spec.name for spec in one.processes], one.proxy) == (["ocp_monagent"], None)
    assert profile.alone("pos_proxy").processes[0].path == "/opt/a/bin/pos_proxy"
    assert [spec.name for spec in profile.all_processes if not spec.start] == ["ocp_agentd"]
    for name, fault in (("ocp_agentd", "ocp_agentd alone"), ("song", "no process 'song'")):
        with pytest.raises(ProfileError, match=fault):
            profile.alone(name)


def test_a_host_has_its_profile_with_its_own_variables(tmp_path: Path) -> None:
    own = write(tmp_path, SMALL)
    homes = [profile_of(Host(n, "a", profile="mine", variables={"home": f"/opt/{n}"}), own).start for n in (1, 2, 1)]
    assert homes[0] == homes[2] == load_profile("mine", own).fill({"home": "/opt/1"}).start
    assert homes[0] != homes[1]


def test_a_profile_that_was_changed_is_read_again(tmp_path: Path) -> None:
    host, own = Host(1, "a", profile="mine", variables={"home": "/x"}), write(tmp_path, SMALL)
    before = profile_of(host, own)
    write(tmp_path, SMALL.replace("start =", "grace_seconds = 7\nstart =", 1))
    os.utime(own / "mine.toml", ns=(1, 1))
    assert (before.grace_seconds == 7, profile_of(host, own).grace_seconds) == (False, 7)
