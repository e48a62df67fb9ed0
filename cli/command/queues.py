"""`muster queues`: what waits for which worker, asked of Redis and the broker themselves."""

from typing import Annotated

import typer

from cli.command.calling import JsonFlag
from cli.command.operating import StackOption, settings_from


def queues(
    zone: Annotated[str, typer.Option(help="Only the queues of this zone")] = "",
    data: StackOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show how many messages wait in each queue, and for whom.

    For operators: asks Redis and the broker themselves, with the settings redis.url and redis.broker_url
    (MUSTER_REDIS_URL, MUSTER_REDIS_BROKER_URL). A queue without a worker is a shard whose hosts nobody serves.
    """
    from cli.queue import show_queues

    show_queues(settings_from(data), zone, as_json=as_json)
