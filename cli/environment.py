"""How the processes of a stack that `muster up` runs find each other: the variables that it gives them."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cli.data import DataDirectory
from cli.embedded import EmbeddedServer
from cli.error import UsageError
from config.address import reachable
from config.load import load
from config.settings import Settings


def environment_of(data: DataDirectory, settings: Settings, redis: str, password: str) -> Mapping[str, str]:
    """Return the settings of all processes of the stack on this directory, but for the API's secret key."""
    state = data.state
    environment = {
        "MUSTER_REDIS_URL": redis,
        "MUSTER_REDIS_BROKER_URL": "",
        "MUSTER_API_PORT": str(state.api_port),
        "MUSTER_API_ADMIN_USER": settings.api.admin_user,
        "MUSTER_API_ADMIN_PASSWORD": password,
        "MUSTER_API_PUBLIC_URL": replace(settings.api, port=state.api_port).url,
        "MUSTER_FLOWER_PORT": str(state.flower_port),
        "MUSTER_FLOWER_URL": settings.flower.url or f"http://{reachable(settings.api.host)}:{state.flower_port}",
    }
    if state.hosts:
        environment["MUSTER_SSH_KEY_FILE"] = str(data.fleet / "id_ed25519")
        environment["MUSTER_SSH_PASSPHRASE"] = ""
        environment["MUSTER_SSH_KNOWN_HOSTS"] = str(data.fleet / "known_hosts")
    return environment


def settings_of_stack(path: Path) -> Settings:
    """Return the settings of the stack that `muster up` runs on this directory; UsageError where there is none."""
    data = DataDirectory(path)
    if not data.state.redis_port:
        raise UsageError(f"{path} is no data directory of a Muster that `muster up` has started.")
    server = EmbeddedServer(path / "valkey", data.state.redis_port, data.state.redis_password)
    own = environment_of(data, load().settings, server.url, data.state.password)
    return load(environment={**os.environ, **own}).settings
