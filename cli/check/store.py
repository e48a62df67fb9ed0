"""Is Redis there, and does it keep what it is given?"""

from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from cli.check.finding import Finding, fine, odd, wrong
from cli.connection import server_of
from dag.script import translated

WHAT = "Redis"
# The first with WAITAOF, by which a submission is confirmed before it is acknowledged.
LEAST_VERSION = (7, 2)
# The first whose WAITAOF waits for the fsync under `everysec` (redis/redis#13793); Valkey's does not.
WAITING_VERSION = 8
FULL_SHARE = 0.9


def check_store(redis: Redis) -> Iterator[Finding]:
    """Yield what there is to say about the server; StoreUnavailable where it does not answer."""
    with translated():
        info: Mapping[str, Any] = redis.info()
    yield fine(WHAT, f"{server_of(redis)}, {_program(info)}")
    yield from judge(info)
    if info.get("aof_enabled") and (policy := _fsync_policy(redis)):
        yield judge_fsync(policy, info)


def _fsync_policy(redis: Redis) -> str:
    """Return `appendfsync`, "" where the server does not tell: providers often forbid CONFIG."""
    try:
        return str(redis.config_get("appendfsync").get("appendfsync", ""))
    except ResponseError:
        return ""


def judge_fsync(policy: str, info: Mapping[str, Any]) -> Finding:
    """Return what becomes of an acknowledged change when the server's machine goes down."""
    what, advice = "when its machine goes down", "Set `appendfsync always` in its configuration (docs/reliability.md)."
    if policy == "always":
        return fine(what, "nothing is lost (appendfsync always)")
    if policy == "everysec" and not info.get("valkey_version") and _version(info) >= (WAITING_VERSION,):
        return odd(what, "nothing is lost, but each change waits up to a second (appendfsync everysec)", advice)
    if policy == "everysec":
        return fine(what, "the last second of changes may be lost (appendfsync everysec)")
    return odd(what, f"what was acknowledged may be lost (appendfsync {policy})", advice)


def _version(info: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2])


def _program(info: Mapping[str, Any]) -> str:
    name = str(info.get("server_name", "redis")).capitalize()
    return f"{name} {info.get('valkey_version') or info.get('redis_version')}"


def judge(info: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with a server that says this of itself (INFO), or that nothing is."""
    found = list(_faults(info))
    yield from found or [fine("what Redis keeps", "an append-only file, and nothing is thrown away to make room")]


def _faults(info: Mapping[str, Any]) -> Iterator[Finding]:
    if info.get("role") not in (None, "master"):
        yield wrong(WHAT, "it is a replica, which takes no writes", "Point redis.url (MUSTER_REDIS_URL) to the master.")
    if info.get("aof_last_write_status", "ok") != "ok":
        yield wrong(WHAT, "it can't write its append-only file", "Look at its log; its disk may be full.")
    if not info.get("aof_enabled"):
        text = "no append-only file: what was acknowledged may be lost when it ends"
        yield odd(WHAT, text, "Set `appendonly yes` in its configuration.")
    if _version(info) < LEAST_VERSION:
        text = f"version {info.get('redis_version')} can't confirm changes"
        yield odd(WHAT, text, "Use Redis 7.2, Valkey 7.2 or later.")
    yield from _room(info)


def _room(info: Mapping[str, Any]) -> Iterator[Finding]:
    limit, used, policy = info.get("maxmemory", 0), info.get("used_memory", 0), info.get("maxmemory_policy", "")
    if limit and policy not in ("", "noeviction"):
        text = f"maxmemory-policy {policy} throws tasks and hosts away when its memory is full"
        yield wrong(WHAT, text, "Set `maxmemory-policy noeviction`.")
    if limit and used > FULL_SHARE * limit:
        text = f"{used / limit:.0%} of its memory is in use; when it is full, it refuses changes"
        yield odd(WHAT, text, "Raise its maxmemory, or lower engine.retention_seconds.")
