"""Who calls, and whether they may: HTTP Basic against the users."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request
from werkzeug.exceptions import Forbidden, Unauthorized

from api.service import services
from api.user import Permission, User

P = ParamSpec("P")


def require(permission: Permission) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Let a route answer only to users with the permission: 401 for strangers, 403 for the others."""

    def guard(route: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(route)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
            g.user = _caller()
            if not g.user.may(permission):
                raise Forbidden(f"This call needs the permission {permission}.")
            return route(*args, **kwargs)

        return guarded

    return guard


def caller() -> User:
    """Return the user whom `require` let in."""
    user: User = g.user
    return user


def _caller() -> User:
    given = request.authorization
    if given is None or given.type != "basic":
        raise Unauthorized("Name and password are needed (HTTP Basic).")
    user = services().users.verify(given.username or "", given.password or "")
    if user is None:
        raise Unauthorized("Name or password is wrong.")
    return user
