"""The commands as people call them: help, settings, what they say when something is wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from redis import Redis
from typer.testing import CliRunner

from api.trail import RESULTS
from api.user import Permission, Role
from api.webhook.hook import HookEvent
from cli.command import completion
from cli.embedded import HOST, EmbeddedServer
from cli.main import app
from cli.port import free_port
from cli.supervisor import Supervisor
from dag.host import AgentStatus, HostStatus
from dag.state import TaskStatus
from workers.profile.profile import builtin_names

COMMANDS = ["api", "scheduler", "worker", "flower", "up", "demo", "config"]
COMMANDS += ["restart", "stop-agents", "doctor", "queues"]
COMMANDS += [f"tasks {verb}" for verb in ("list", "show", "watch", "retry", "rollback", "skip", "cancel", "log")]
COMMANDS += ["tasks diagnosis"]
COMMANDS += [f"hosts {name}" for name in ("import", "list", "add", "check", "remove")]
COMMANDS += [f"users {verb}" for verb in ("list", "add", "set-password", "set-roles", "disable", "enable", "remove")]
COMMANDS += [f"{kind} {verb}" for kind in ("tokens", "access-keys") for verb in ("list", "create", "revoke")]
COMMANDS += ["audit list"]
WEBHOOKS = ("list", "add", "remove", "enable", "disable", "rotate", "deliveries", "redeliver", "test")
COMMANDS += [f"webhooks {verb}" for verb in WEBHOOKS]
# Those that run until they are ended, and those that show nothing where they did what they were told.
SILENT = {"api", "scheduler", "worker", "flower", "users set-password", "users remove"}
SILENT |= {"tokens revoke", "access-keys revoke", "webhooks remove", "webhooks enable", "webhooks disable"}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}


def muster(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *arguments],
        cwd=cwd,
        env={**CLEAN, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("server")
    server = EmbeddedServer(path / "valkey", free_port(HOST), "p4ssw0rd")
    supervisor = Supervisor(path, print)
    supervisor.start(server.program())
    supervisor.wait_for("valkey", server.answers, 60)
    yield server.url
    supervisor.stop()


def commands_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Each command by its name, and its options."""
    for name, one in getattr(command, "commands", {}).items():
        yield from commands_of(one, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), {option for parameter in command.params for option in parameter.opts}


def test_every_command_that_shows_something_does_so_for_programs_too() -> None:
    found = dict(commands_of(typer.main.get_command(app)))
    assert found.keys() == set(COMMANDS)
    assert {name for name, options in found.items() if "--json" not in options} == SILENT


def shown(*arguments: str) -> str:
    """What help prints on 80 columns; in this process, for fifty interpreters would take half a minute to start."""
    done = CliRunner().invoke(app, [*arguments, "--help"], prog_name="muster", env={"COLUMNS": "80"})
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_itself(command: str) -> None:
    words = " ".join(shown(*command.split()).split())
    assert words.startswith(f"Usage: muster {command}")
    assert "Example: " in words
    assert f"muster {command}" in words.split("Example: ")[1]


def test_no_command_shows_them_all(tmp_path: Path) -> None:
    done = muster(cwd=tmp_path)
    assert done.returncode == 2
    listed = done.stdout + done.stderr
    assert [name for name in COMMANDS if name.split()[0] not in listed] == []


@pytest.mark.parametrize("group", ["", "tasks", "hosts", "users", "tokens", "access-keys", "webhooks"])
def test_a_list_of_commands_cuts_no_sentence(group: str) -> None:
    assert [line for line in shown(*group.split()).splitlines()[1:] if line.endswith("...")] == []


# What a shell asks for what stands before the cursor, and how it is told.
SHELLS = {
    "zsh": ({"_TYPER_COMPLETE_ARGS": "{}"}, '"restart"'),
    "fish": ({"_TYPER_COMPLETE_ARGS": "{}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "restart\t"),
}


@pytest.mark.parametrize("shell", list(SHELLS))
def test_a_shell_completes_commands_and_options(shell: str, tmp_path: Path) -> None:
    variables, told = SHELLS[shell]

    def completed(line: str) -> str:
        asked = {name: value.format(line) for name, value in variables.items()}
        return muster(cwd=tmp_path, _MUSTER_COMPLETE=f"complete_{shell}", **asked).stdout

    assert told in completed("muster res")
    assert "rollback" in completed("muster tasks r")
    assert "--dry-run" in completed("muster restart --d")
    assert "task.ended" in completed("muster webhooks add http://x --event ")
    assert "ONLINE,NEW" in completed("muster hosts list --status ONLINE,N")
    script = muster(cwd=tmp_path, _MUSTER_COMPLETE=f"source_{shell}")
    assert (script.returncode, f"_MUSTER_COMPLETE=complete_{shell}" in script.stdout) == (0, True)


def test_what_completes_a_value_is_what_the_api_knows() -> None:
    assert set(completion.TASK_STATUSES) == set(TaskStatus)
    assert set(completion.HOST_STATUSES) == set(HostStatus)
    assert set(completion.AGENT_STATUSES) == set(AgentStatus)
    assert set(completion.RESULTS) == set(RESULTS)
    assert set(completion.PERMISSIONS) == set(Permission)
    assert set(completion.ROLES) == set(Role)
    assert set(completion.EVENTS) == set(HookEvent)
    assert set(completion.PROFILES) == set(builtin_names())
    assert completion.some_of(completion.TASK_STATUSES)("FAILED,") == ["FAILED,RUNNING", "FAILED,SUCCESSFUL"]


def test_bash_completes_commands_by_the_script_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "muster").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m cli.main "$@"\n')
    (tmp_path / "muster").chmod(0o755)
    lines = [
        'eval "$(_MUSTER_COMPLETE=source_bash muster)"',
        'COMP_WORDS=(muster tasks r) COMP_CWORD=2; _muster_completion muster; echo "${COMPREPLY[@]}"',
        "complete -p muster",
    ]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env={**CLEAN, **path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["retry rollback", "complete -o default -F _muster_completion muster"]


def test_help_is_printed_by_the_program_itself(tmp_path: Path) -> None:
    done = muster("restart", "--help", cwd=tmp_path, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == shown("restart").split()


def test_version(tmp_path: Path) -> None:
    done = muster("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (0, "muster")


def test_config_shows_value_unit_and_source_and_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text('[api]\nport = 9000\nadmin_password = "hidden"\n')
    done = muster("config", "--json", cwd=tmp_path, MUSTER_WORKER_THREADS="7", MUSTER_REDIS_URL="redis://:pw@h/0")
    assert done.returncode == 0, done.stderr
    shown = {item["key"]: item for item in json.loads(done.stdout)}
    assert (shown["api.port"]["value"], shown["api.port"]["source"]) == ("9000", "muster.toml")
    threads = shown["worker.threads"]
    assert (threads["value"], threads["unit"], threads["source"]) == ("7", "threads", "MUSTER_WORKER_THREADS")
    assert shown["engine.lease_seconds"]["source"] == "default"
    assert "hidden" not in done.stdout
    assert ":pw@" not in done.stdout


def test_config_for_people_names_every_setting(tmp_path: Path) -> None:
    keys = [item["key"] for item in json.loads(muster("config", "--json", cwd=tmp_path).stdout)]
    lines = muster("config", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == keys
    assert len(keys) > 30


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MUSTER_API_PORT": "http"}, "api.port"),
        ({"MUSTER_API_THREADS": "0"}, "api.threads"),
        ({"MUSTER_API_COLOUR": "red"}, "api.colour"),
        ({"MUSTER_CONFIG": "missing.toml"}, "missing.toml"),
    ],
)
@pytest.mark.parametrize("command", ["config", "scheduler", "up"])
def test_a_wrong_setting_is_named(command: str, environment: dict[str, str], named: str, tmp_path: Path) -> None:
    done = muster(command, cwd=tmp_path, **environment)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".muster").exists()


@pytest.mark.parametrize("command", ["api", "scheduler", "worker", "flower"])
def test_redis_away_is_said_without_its_password(command: str, tmp_path: Path) -> None:
    port = free_port(HOST)
    url = f"redis://:topsecret@127.0.0.1:{port}/0"
    done = muster(command, cwd=tmp_path, MUSTER_REDIS_URL=url, MUSTER_API_PORT="0", MUSTER_FLOWER_PORT="0")
    assert done.returncode == 1
    assert f"Redis does not answer at 127.0.0.1 port {port}." in done.stderr
    assert "MUSTER_REDIS_URL" in done.stderr
    assert "topsecret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refused_password_is_no_absence(redis_url: str, tmp_path: Path) -> None:
    done = muster("scheduler", cwd=tmp_path, MUSTER_REDIS_URL=redis_url.replace("p4ssw0rd", "other"))
    assert done.returncode == 1
    assert "The password is refused by Redis at 127.0.0.1" in done.stderr


@pytest.mark.parametrize("url", ["http://:topsecret@127.0.0.1/0", "redis://:topsecret@host:port/0"])
def test_a_url_that_is_none(url: str, tmp_path: Path) -> None:
    done = muster("scheduler", cwd=tmp_path, MUSTER_REDIS_URL=url)
    assert done.returncode == 2
    assert "redis.url" in done.stderr
    assert "topsecret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_key_that_is_too_short_is_refused_and_not_shown(tmp_path: Path) -> None:
    done = muster("api", cwd=tmp_path, MUSTER_API_SECRET_KEY="too short")
    assert done.returncode == 2
    assert "MUSTER_API_SECRET_KEY" in done.stderr
    assert "too short" not in done.stderr


@pytest.mark.parametrize(
    ("command", "variable"), [("api", "MUSTER_API_PORT"), ("flower", "MUSTER_FLOWER_PORT"), ("up", "--port")]
)
def test_a_taken_port_is_named(command: str, variable: str, redis_url: str, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        option = [variable, port] if variable.startswith("--") else []
        setting = {} if option else {variable: port, "MUSTER_REDIS_URL": redis_url}
        done = muster(command, *option, cwd=tmp_path, **setting)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert variable in done.stderr
    assert "Traceback" not in done.stderr


def test_one_port_for_two_is_refused(tmp_path: Path) -> None:
    port = str(free_port(HOST))
    done = muster("up", "--port", port, "--flower-port", port, cwd=tmp_path)
    assert (done.returncode, f"--flower-port {port} is the API's port" in done.stderr) == (2, True)


def test_an_address_of_another_machine_is_said_to_be_one(redis_url: str, tmp_path: Path) -> None:
    done = muster("api", cwd=tmp_path, MUSTER_REDIS_URL=redis_url, MUSTER_API_HOST="192.0.2.1")
    assert done.returncode == 1
    assert "can't listen on 192.0.2.1 port 8480: Cannot assign requested address; set api.host" in done.stderr


def test_remembered_demo_hosts_do_not_take_the_place_of_a_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "lock").touch()
    (data / "state.json").write_text('{"hosts": 2}')
    done = muster("up", "--data", "data", cwd=tmp_path, MUSTER_SSH_KEY_FILE="mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--hosts 0" in done.stderr


def test_a_key_file_that_is_missing(redis_url: str, tmp_path: Path) -> None:
    done = muster("worker", cwd=tmp_path, MUSTER_REDIS_URL=redis_url, MUSTER_SSH_KEY_FILE="missing_key")
    assert done.returncode == 2
    assert "missing_key" in done.stderr
    assert "Traceback" not in done.stderr


class Api:
    """`muster api` on a free port."""

    def __init__(self, redis_url: str, cwd: Path, **environment: str) -> None:
        self.port = free_port(HOST)
        self.log = cwd / "api.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", "api"],
                cwd=cwd,
                env={**CLEAN, "MUSTER_REDIS_URL": redis_url, "MUSTER_API_PORT": str(self.port), **environment},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while "the API listens" not in self.log.read_text():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def status(self, user: str, password: str) -> int:
        url = f"http://{HOST}:{self.port}/api/v2/compute/hosts"
        return httpx.get(url, auth=(user, password), trust_env=False).status_code

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        return self.log.read_text()


def test_the_first_user_is_made_once(redis_url: str, tmp_path: Path) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    first = Api(redis_url, tmp_path)
    password = first.log.read_text().split("with the password ")[1].split()[0]
    statuses = [first.status("admin", password), first.status("admin", "guess")]
    log = first.stop()
    assert statuses == [200, 401]
    assert log.count(password) == 1
    again = Api(redis_url, tmp_path, MUSTER_API_ADMIN_PASSWORD="another")
    statuses = [again.status("admin", password), again.status("admin", "another")]
    log = again.stop()
    assert statuses == [200, 401]
    assert "with the password" not in log


def test_a_given_password_is_used_and_not_shown(redis_url: str, tmp_path: Path) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    api = Api(redis_url, tmp_path, MUSTER_API_ADMIN_USER="root", MUSTER_API_ADMIN_PASSWORD="given")
    status = api.status("root", "given")
    log = api.stop()
    assert status == 200
    assert "given" not in log
    events = [json.loads(line)["event"].partition(" at ")[0] for line in log.splitlines()]
    assert sorted(events) == ["call", "metrics and health are", "the API listens"]


def test_the_scheduler_ends_when_asked(redis_url: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "scheduler"],
        cwd=tmp_path,
        env={**CLEAN, "MUSTER_REDIS_URL": redis_url},
        stderr=subprocess.PIPE,
    ) as scheduler:
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            deadline = time.monotonic() + 60
            while not any("XREADGROUP" in str(client["cmd"]).upper() for client in redis.client_list()):
                assert time.monotonic() < deadline
                assert scheduler.poll() is None
        scheduler.send_signal(signal.SIGTERM)
        # One that waits for something takes for ever.
        assert scheduler.wait(30) == 0


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    tmp_path.chmod(0o755)
    done = muster("up", "--data", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755
