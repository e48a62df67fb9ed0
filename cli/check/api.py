"""Does the API answer, with its Redis behind it, and does it know the caller?"""

import time
from collections.abc import Iterator
from datetime import datetime

from cli.check.finding import Finding, fine, unknown, wrong
from cli.client import ApiClient, Unavailable
from cli.error import CommandError

WHAT = "API"


def check_api(client: ApiClient) -> Iterator[Finding]:
    """Yield whether it answers and serves."""
    try:
        answer = client.health("healthz")
    except CommandError as error:
        remedy = "Start it (`muster api`), or say where it is with --api or MUSTER_API_URL."
        yield wrong(WHAT, str(error), remedy)
        return
    try:
        client.health("readyz")
    except Unavailable as error:
        yield wrong(WHAT, f"{answer['server']} lives, but {error}", "See what is said about Redis below.")
        return
    yield fine(WHAT, f"{client.url} answers ({answer['server']})")


def check_caller(client: ApiClient) -> Finding:
    """Return whether the API lets the caller in."""
    what = "sign-in"
    try:
        return fine(what, f"as {client.me()['name']}")
    except Unavailable:
        return unknown(what, "not known: the API can't serve")
    except CommandError as error:
        return wrong(what, str(error), "Give a password or a token that holds: --password-file, --token-file.")


def check_no_caller() -> Finding:
    """Return that nobody was given to sign in."""
    return unknown("sign-in", "not tried: no password and no token is given")


def clock_of(client: ApiClient) -> float:
    """Return the time on the API's machine minus that on this one (s), to within half a call.

    Raises:
        CommandError: it does not answer.

    """
    asked_at = time.time()
    answered = datetime.fromisoformat(client.health("healthz")["timestamp"]).timestamp()
    return answered - (asked_at + time.time()) / 2
