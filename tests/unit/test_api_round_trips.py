"""How often a call waits for Redis: on full cores each round trip waits for a processor twice."""

from typing import Any

import pytest
from redis.connection import AbstractConnection

from api.service import NAME, Services
from tests.iam import Iam


@pytest.mark.parametrize("redis", ["valkey"], indirect=True)
def test_a_restart_of_one_host_asks_redis_seven_times(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    send = AbstractConnection.send_packed_command

    def noting(self: Any, command: Any, *args: Any, **words: Any) -> None:
        sent.append(str(command))
        send(self, command, *args, **words)

    # The first one asks argon2, and brings the scripts.
    iam.data("POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1]})
    # The server of the tests has no append-only file; one that has is asked each time.
    services: Services = iam.app.extensions[NAME]
    services.store.disk.promises = True
    monkeypatch.setattr(AbstractConnection, "send_packed_command", noting)
    iam.data("POST", "/compute/hosts/batchRestartAgents", {"hostIds": [1]})
    wanted = ("HGET", "EVALSHA", "EVALSHA", "EVALSHA", "INCR", "WAITAOF", "XADD")
    assert [name in text for name, text in zip(wanted, sent, strict=True)] == [True] * len(wanted), sent
