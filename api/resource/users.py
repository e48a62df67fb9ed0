"""Users: `/iam/users` for administrators, `/iam/me` for everybody, and the roles that there are."""

from typing import Any

from flask import Blueprint, Response
from marshmallow import ValidationError

from api import render, trail
from api.auth import caller, check_password, proven, require
from api.body import read, read_query
from api.envelope import success
from api.instant import iso
from api.password import hash_password
from api.schema.user import PasswordChange, UserChange, UserCreation, UserPage
from api.service import services
from api.user import Change, Permission, Role, User, permissions_of

users = Blueprint("users", __name__)


@users.get("/iam/users")
@require(Permission.SYSTEM_MANAGER)
def list_users() -> Response:
    """Answer with one page of the users, in the order in which they were made."""
    q = read_query(UserPage())
    word = q["keyword"].casefold()
    fitting = [one for one in services().users.all() if q["name"] in ("", one.name) and word in one.name.casefold()]
    return success(render.slice_page([_shape(one) for one in fitting], number=q["page"], size=q["size"]))


@users.post("/iam/users")
@require(Permission.SYSTEM_MANAGER)
def create_user() -> Response:
    """Make a user and answer with it."""
    wanted = read(UserCreation())
    trail.note(user=wanted["name"], roles=wanted["roles"])
    made = services().users.add(wanted["name"], wanted["password"], wanted["roles"])
    return success(_shape(made))


@users.get("/iam/users/<id:user_id>")
@require(Permission.SYSTEM_MANAGER)
def get_user(user_id: int) -> Response:
    """Answer with one user."""
    return success(_shape(services().users.get(user_id)))


@users.patch("/iam/users/<id:user_id>")
@require(Permission.SYSTEM_MANAGER)
def change_user(user_id: int) -> Response:
    """Change a user's password or roles, disable or enable it, and answer with it."""
    wanted = read(UserChange())
    user = services().users.get(user_id)
    shown = {name: value for name, value in wanted.items() if name != "password"}
    trail.note(user=user.name, passwordChanged="password" in wanted, **shown)
    return success(_shape(services().users.change(user.name, _change(wanted))))


@users.delete("/iam/users/<id:user_id>")
@require(Permission.SYSTEM_MANAGER)
def delete_user(user_id: int) -> Response:
    """Forget a user, with its tokens and access keys."""
    user = services().users.get(user_id)
    trail.note(user=user.name)
    services().access.remove(user)
    return success()


@users.get("/iam/me")
@require()
def get_me() -> Response:
    """Answer with the caller: the permissions are those that hold for this call."""
    return success({**_shape(caller()), "proof": proven().proof})


@users.post("/iam/me/password")
@require()
def change_my_password() -> Response:
    """Give the caller another password; the present one must be known, whatever the call was proved by."""
    wanted = read(PasswordChange())
    user = caller()
    if check_password(user.name, wanted["currentPassword"]) is None:
        raise ValidationError({"currentPassword": ["is wrong"]}, data={})
    services().users.change(user.name, Change(hash_password(wanted["password"])))
    return success()


@users.get("/iam/roles")
@require()
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
