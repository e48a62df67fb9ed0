"""The connection of Muster's processes to Redis: opened with one question, so that what is wrong is told at once."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as ConnectionLost
from redis.retry import Retry

from cli.error import CommandError, UsageError
from config.settings import Settings

OLDEST_REDIS = 7


def open_redis(settings: Settings) -> Redis:
    """Return a client of the store; it is asked once, so that a wrong address is known at once.

    Raises:
        UsageError: the URL is none.
        CommandError: Redis does not answer; the text names the server, without the password.

    """
    # A connection that was lost is opened anew; a server that keeps silent is not waited for twice.
    redis = connect(settings, settings.redis.timeout_seconds, Retry(NoBackoff(), 1, (ConnectionLost,)))
    try:
        redis.ping()
    except RedisError as error:
        raise CommandError(f"{_what(error)} {server_of(redis)}. {_remedy(error)}") from None
    return redis


def connect(settings: Settings, seconds: float, retry: Retry) -> Redis:
    """Return a client that waits so long for each answer; nothing is asked yet. UsageError where the URL is none."""
    try:
        return Redis.from_url(
            settings.redis.url,
            decode_responses=True,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=retry,
        )
    except ValueError:
        # The reason would show parts of the URL, and that holds a password.
        raise UsageError("redis.url (MUSTER_REDIS_URL) must be like redis://:password@host:6379/0.") from None


def server_of(redis: Redis) -> str:
    """Name the server of a client without its password."""
    place = redis.connection_pool.connection_kwargs
    return str(place["path"]) if "path" in place else f"{place.get('host')} port {place.get('port')}"


def _what(error: RedisError) -> str:
    refused = isinstance(error, AuthenticationError)
    return "The password is refused by Redis at" if refused else "Redis does not answer at"


def _remedy(error: RedisError) -> str:
    if isinstance(error, AuthenticationError):
        return "Set redis.url (MUSTER_REDIS_URL) with the right one."
    return "Start it or set redis.url (MUSTER_REDIS_URL); `muster up` brings a server of its own."


def require_version(redis: Redis) -> None:
    """Raise CommandError where the server is too old for workers."""
    # An older one does not know BLMPOP (workers/transport.py). Valkey calls itself Redis 7.2 here.
    version = str(redis.info("server")["redis_version"])
    if int(version.partition(".")[0]) < OLDEST_REDIS:
        raise CommandError(f"Workers need Redis {OLDEST_REDIS}.0 or later, or Valkey; {server_of(redis)} is {version}.")
