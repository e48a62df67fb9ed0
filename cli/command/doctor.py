"""`muster doctor`: what is wrong with an installation, and what to do about it."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.command.calling import Calling, JsonFlag, calls
from cli.command.operating import StackOption, settings_from
from cli.error import CommandError

if TYPE_CHECKING:
    from cli.client import ApiClient
    from config.settings import Settings


@calls
def doctor(
    calling: Calling,
    as_worker: Annotated[
        bool, typer.Option("--as-worker", help="Look at keys and profiles though no worker runs on this machine.")
    ] = False,
    data: StackOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Find out what is wrong with an installation, and what to do.

    For operators. Asks the API; Redis and the broker themselves, with the settings redis.url and redis.broker_url
    (MUSTER_REDIS_URL, MUSTER_REDIS_BROKER_URL); and where a worker runs, whether its key, the host keys and the
    profiles that this machine has (the settings of [ssh] and [worker]) fit the hosts of its zone. Changes nothing and
    calls no host. Exits with 0 only if nothing is WRONG.
    """
    from cli.doctor import examine, report

    settings = settings_from(data)
    signs_in = calling.is_signed_in or data is not None
    with _client(calling, settings, of_stack=data is not None) as client:
        findings = examine(settings, client, signs_in=signs_in, as_worker=as_worker)
        if not report(findings, as_json=as_json):
            raise typer.Exit(CommandError.exit_code)


def _client(calling: Calling, settings: "Settings", *, of_stack: bool) -> "ApiClient":
    from cli.client import ApiClient
    from config.address import reachable

    if of_stack:
        api = settings.api
        return ApiClient(f"http://{reachable(api.host)}:{api.port}", api.admin_user, api.admin_password)
    return calling.client() if calling.is_signed_in else ApiClient(calling.api, calling.user, "")
