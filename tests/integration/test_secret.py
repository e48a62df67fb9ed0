"""Planted secrets: they reach the process that needs them, and nothing else."""

from pathlib import Path

import asyncssh
import httpx

from tests.openssh import FEW_ROUNDS, OpenSshHosts
from tests.stack import RunningStack, nodes

PREPARE = 2
PLANTED = "planted-passphrase-4711"


def test_a_key_and_its_passphrase_stay_with_the_worker(openssh: OpenSshHosts, tmp_path: Path) -> None:
    key = asyncssh.read_private_key(openssh.key_path)
    encrypted = tmp_path / "encrypted_key"
    encrypted.write_bytes(key.export_private_key(passphrase=PLANTED, rounds=FEW_ROUNDS))
    encrypted.chmod(0o600)
    variables = {
        "MUSTER_SSH_KEY_FILE": str(encrypted),
        "MUSTER_SSH_PASSPHRASE": PLANTED,
        "MUSTER_SSH_KNOWN_HOSTS": str(openssh.known_hosts_path),
    }
    stack = RunningStack(tmp_path / "data", ["--workers", "1"], variables).start()
    try:
        [good, bad] = stack.enrol(
            [openssh.inventory()[0], {**openssh.inventory()[1], "name": "bad", "user": "nobody-here"}]
        )
        assert stack.follow(stack.restart([good])["id"])["status"] == "SUCCESSFUL"
        failed = stack.follow(stack.restart([bad])["id"])
        assert failed["status"] == "FAILED"
        prepare = nodes(failed, PREPARE)[0]
        assert "refuses the login of user nobody-here" in stack.log(failed, prepare)
        texts = {
            "redis": "".join(map(str, _values(stack))),
            "flower": _flower(stack),
            "tasks": stack.http.get(f"/tasks/instances/{failed['id']}").text,
        }
    finally:
        stack.stop()
    texts |= {str(path): path.read_text(errors="replace") for path in (tmp_path / "data/log").iterdir()}
    texts["state"] = (tmp_path / "data/state.json").read_text()
    body = encrypted.read_text().splitlines()[1]
    assert [name for name, text in texts.items() if PLANTED in text or body in text] == []


def _values(stack: RunningStack) -> list[object]:
    found: list[object] = []
    for key in stack.redis.scan_iter():
        match stack.redis.type(key):
            case "hash":
                found.append(stack.redis.hgetall(key))
            case "string":
                found.append(stack.redis.get(key))
            case "stream":
                found.append(stack.redis.xrange(key))
            case "list":
                found.append(stack.redis.lrange(key, 0, -1))
    assert found
    return found


def _flower(stack: RunningStack) -> str:
    auth = (stack.ready["user"], stack.ready["password"])
    answer = httpx.get(f"{stack.ready['flower']}/api/tasks", auth=auth, trust_env=False, timeout=20)
    assert answer.status_code == 200
    return answer.text + httpx.get(f"{stack.ready['flower']}/api/workers", auth=auth, trust_env=False, timeout=20).text
