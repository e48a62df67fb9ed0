"""Settings from file and environment, and errors that name the key."""

from dataclasses import fields
from pathlib import Path

import pytest

from config.load import SettingError, load
from config.settings import SECTIONS, ApiSettings


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "muster.toml"
    file.write_text("[api]\nport = 9000\nthreads = 4\n[ssh]\nuse_agent = true\n")
    loaded = load(file, {"MUSTER_API_PORT": "9001", "HOME": "/root"})
    assert (loaded.settings.api.port, loaded.settings.api.threads, loaded.settings.ssh.use_agent) == (9001, 4, True)
    assert loaded.settings.api.max_hosts == 10_000
    shown = {item.key: item.source for item in loaded.shown()}
    assert shown["api.port"] == "MUSTER_API_PORT"
    assert shown["api.threads"] == str(file)
    assert shown["api.max_hosts"] == "default"
    assert len(shown) == sum(len(fields(section)) for section in SECTIONS.values())


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("[api]\nprot = 1\n", {}, ["muster.toml", "api.prot"]),
        ("[apis]\nport = 1\n", {}, ["muster.toml", "apis.port"]),
        ("port = 1\n", {}, ["muster.toml", "port"]),
        ("[api]\nport = 'x'\n", {}, ["muster.toml", "api.port", "a whole number (TCP port)", "'x'"]),
        ("[api]\nport = 1.5\n", {}, ["muster.toml", "api.port", "1.5"]),
        ("[api]\nport = true\n", {}, ["muster.toml", "api.port", "True"]),
        ("[api]\nhost = 1\n", {}, ["muster.toml", "api.host", "a text (address)"]),
        ("[apis]\n", {}, ["muster.toml", "[apis]"]),
        ("[api]\nport = 65536\n", {}, ["muster.toml", "api.port", "at most 65535", "65536"]),
        ("[redis]\ntimeout_seconds = nan\n", {}, ["muster.toml", "redis.timeout_seconds", "a number (s)", "nan"]),
        ("[engine]\nlease_seconds = inf\n", {}, ["muster.toml", "engine.lease_seconds", "a number (s)", "inf"]),
        ("[worker]\nthreads = 0\n", {}, ["muster.toml", "worker.threads", "at least 1"]),
        ("[log]\nformat = 'xml'\n", {}, ["muster.toml", "log.format must be one of auto, json, console", "'xml'"]),
        ("[api\n", {}, ["muster.toml", "can't be read"]),
        ("", {"MUSTER_API_PORT": ""}, ["MUSTER_API_PORT", "api.port"]),
        (
            "",
            {"MUSTER_ENGINE_LEASE_SECONDS": "soon"},
            ["MUSTER_ENGINE_LEASE_SECONDS", "engine.lease_seconds", "'soon'"],
        ),
        ("", {"MUSTER_SSH_USE_AGENT": "maybe"}, ["MUSTER_SSH_USE_AGENT", "ssh.use_agent must be yes or no", "'maybe'"]),
        ("", {"MUSTER_NONSENSE": "1"}, ["MUSTER_NONSENSE", "muster config"]),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, environment: dict[str, str], words: list[str]) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(text)
    with pytest.raises(SettingError) as caught:
        load(file, environment)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"nowhere\.toml"):
        load(None, {"MUSTER_CONFIG": str(tmp_path / "nowhere.toml")})


def test_secrets_are_masked_and_in_no_repr() -> None:
    loaded = load(None, {"MUSTER_REDIS_URL": "redis://:planted@h/0", "MUSTER_SSH_PASSPHRASE": "planted"})
    assert loaded.settings.redis.url == "redis://:planted@h/0"
    assert "planted" not in repr(loaded)
    values = {item.key: item.value for item in loaded.shown()}
    assert (values["ssh.passphrase"], values["redis.broker_url"]) == ("********", "")
    assert values["redis.url"] == "redis://********@h/0"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://10.0.0.5:6379/0", "redis://10.0.0.5:6379/0"),
        ("redis://user:pl@nt/ed@[::1]:6379/0", "redis://********@[::1]:6379/0"),
        ("redis://h/0?password=planted", "********"),
        ("redis://:planted:6379/0", "********"),
        ("planted", "********"),
    ],
)
def test_of_a_url_only_the_server_is_shown(url: str, shown: str) -> None:
    values = {item.key: item.value for item in load(None, {"MUSTER_REDIS_URL": url}).shown()}
    assert values["redis.url"] == shown


@pytest.mark.parametrize(
    ("text", "environment", "named"),
    [
        ("[redis]\nurl = ['planted']\n", {}, "redis.url"),
        ("[api]\nadmin_pasword = 'planted'\n", {}, "api.admin_pasword"),
        ("", {"MUSTER_SSH_PASPHRASE": "planted"}, "MUSTER_SSH_PASPHRASE"),
    ],
)
def test_no_error_shows_a_secret(tmp_path: Path, text: str, environment: dict[str, str], named: str) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(text)
    with pytest.raises(SettingError) as caught:
        load(file, environment)
    assert named in str(caught.value)
    assert "planted" not in str(caught.value)


def test_a_file_is_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "muster.toml"
    file.write_bytes('[api]\nserver_name = "Zürich"\n'.encode())
    assert load(file, {}).settings.api.server_name == "Zürich"
    file.write_bytes(b'[api]\nserver_name = "Z\xfcrich"\n')
    with pytest.raises(SettingError, match="can't be read"):
        load(file, {})


def test_names_that_are_no_settings_are_let_alone() -> None:
    loaded = load(None, {"MUSTER_DATA": "/x", "MUSTER_PASSWORD": "planted"})
    assert "planted" not in repr(loaded)


@pytest.mark.parametrize(
    ("host", "public_url", "url"),
    [
        ("0.0.0.0", "", "http://127.0.0.1:8480"),
        ("::", "", "http://[::1]:8480"),
        ("10.0.0.7", "", "http://10.0.0.7:8480"),
        ("0.0.0.0", "https://muster.example.org/", "https://muster.example.org"),
    ],
)
def test_the_url_of_the_api_is_one_that_can_be_opened(host: str, public_url: str, url: str) -> None:
    assert ApiSettings(host=host, public_url=public_url).url == url
