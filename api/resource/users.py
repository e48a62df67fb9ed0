"""Users: `/iam/users` for administrators, `/iam/me` for everybody, and the roles that there are."""

from typing import Any

from flask import Blueprint, Response
from marshmallow import ValidationError

from api import render, trail
from api.auth import caller, proven, require
from api.declaration import answers, takes, takes_query
from api.envelope import success
from api.instant import iso
from api.password import hash_password
from api.proof import check_password
from api.schema.answer import list_of, page_of
from api.schema.answer_iam import Myself, RoleDetail
from api.schema.answer_iam import User as UserAnswer
from api.schema.user import PasswordChange, UserChange, UserCreation, UserPage
from api.service import services
from api.throttle import TooManyAttempts
from api.user import (
    Change,
    IllegalUser,
    LastAdministrator,
    Permission,
    Role,
    UnknownUser,
    User,
    UserExists,
    permissions_of,
)

users = Blueprint("users", __name__)


@users.get("/iam/users")
@require(Permission.SYSTEM_MANAGER)
@answers(page_of(UserAnswer))
@takes_query(UserPage)
def list_users(query: dict[str, Any]) -> Response:
    """Answer with one page of the users, in the order in which they were made."""
    word = query["keyword"].casefold()
    fitting = [one for one in services().users.all() if query["name"] in ("", one.name) and word in one.name.casefold()]
    return success(render.slice_page([_shape(one) for one in fitting], number=query["page"], size=query["size"]))


@users.post("/iam/users")
@require(Permission.SYSTEM_MANAGER)
@answers(UserAnswer, raises=(UserExists, IllegalUser))
@takes(UserCreation)
def create_user(wanted: dict[str, Any]) -> Response:
    """Make a user and answer with it."""
    trail.note(user=wanted["name"], roles=wanted["roles"])
    made = services().users.add(wanted["name"], wanted["password"], wanted["roles"])
    return success(_shape(made))


@users.get("/iam/users/<id:user_id>")
@require(Permission.SYSTEM_MANAGER)
@answers(UserAnswer, raises=(UnknownUser,))
def get_user(user_id: int) -> Response:
    """Answer with one user."""
    return success(_shape(services().users.get(user_id)))


@users.patch("/iam/users/<id:user_id>")
@require(Permission.SYSTEM_MANAGER)
@answers(UserAnswer, raises=(UnknownUser, LastAdministrator))
@takes(UserChange)
def change_user(wanted: dict[str, Any], user_id: int) -> Response:
    """Change a user's password or roles, disable or enable it, and answer with it."""
    user = services().users.get(user_id)
    shown = {name: value for name, value in wanted.items() if name != "password"}
    trail.note(user=user.name, passwordChanged="password" in wanted, **shown)
    return success(_shape(services().users.change(user.name, _change(wanted))))


@users.delete("/iam/users/<id:user_id>")
@require(Permission.SYSTEM_MANAGER)
@answers(raises=(UnknownUser, LastAdministrator))
def delete_user(user_id: int) -> Response:
    """Forget a user, with its tokens and access keys."""
    user = services().users.get(user_id)
    trail.note(user=user.name)
    services().access.remove(user)
    return success()


@users.get("/iam/me")
@require()
@answers(Myself)
def get_me() -> Response:
    """Answer with the caller: the permissions are those that hold for this call."""
    return success({**_shape(caller()), "proof": proven().proof})


@users.post("/iam/me/password")
@require()
@answers(raises=(TooManyAttempts,))
@takes(PasswordChange)
def change_my_password(wanted: dict[str, Any]) -> Response:
    """Give the caller another password; the present one must be known, whatever the call was proved by."""
    user = caller()
    if check_password(user.name, wanted["currentPassword"]) is None:
        raise ValidationError({"currentPassword": ["is wrong"]}, data={})
    services().users.change(user.name, Change(hash_password(wanted["password"])))
    return success()


@users.get("/iam/roles")
@require()
@answers(list_of(RoleDetail))
def list_roles() -> Response:
    """Answer with all roles and what they permit."""
    return success({"contents": [{"name": role.value, "permissions": sorted(permissions_of([role]))} for role in Role]})


def _change(wanted: dict[str, Any]) -> Change:
    password, roles = wanted.get("password"), wanted.get("roles")
    return Change(
        hash_password(password) if password else None,
        tuple(sorted({Role(text) for text in roles})) if roles else None,
        wanted.get("enabled"),
    )


def _shape(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "roles": list(user.roles),
        "permissions": sorted(user.permissions),
        "enabled": user.enabled,
        "createTime": iso(user.created_at),
    }
