"""`muster worker`: settings in, a process that runs nodes until it is told to stop.

It loads nothing of the API: half of its start would be that.
"""

from collections.abc import Mapping

from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.connection import connect, open_redis, require_version
from cli.error import UsageError
from config.settings import Settings
from workers import process
from workers.action.action import Action
from workers.action.registry import ACTIONS
from workers.remote.error import KeyFileError

# A renewal that takes longer is tried again: the shortest lease is 2 s.
HEARTBEAT_TIMEOUT_SECONDS = 1.0


def run_worker(settings: Settings, actions: Mapping[str, Action] | None = None) -> None:
    """Run nodes until SIGTERM: what runs is finished, a second one gives it up.

    `actions` take the place of the shipped ones, under the same names (a benchmark's do nothing).
    """
    redis = open_redis(settings)
    require_version(redis)
    seconds = min(settings.redis.timeout_seconds, HEARTBEAT_TIMEOUT_SECONDS)
    impatient = connect(settings, seconds, Retry(NoBackoff(), 1))
    try:
        process.run_worker(settings, redis, impatient, actions or ACTIONS)
    except KeyFileError as error:
        raise UsageError(str(error)) from None
