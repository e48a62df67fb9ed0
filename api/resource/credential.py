"""What the routes of tokens and of access keys share: who may make, see and revoke which."""

from collections.abc import Callable
from typing import Any

from flask import Response
from marshmallow import ValidationError
from werkzeug.exceptions import Forbidden

from api import render, trail
from api.auth import caller, proven
from api.credential import Credential, CredentialStore, Wish
from api.envelope import success
from api.instant import iso, iso_or_none
from api.service import services
from api.user import Permission, User, with_implied

Create = Callable[[User, Wish], tuple[Credential, str]]


def create(body: dict[str, Any], make: Create, secret_name: str) -> Response:
    """Make one for the caller (or, by an administrator, for another user) and answer with it and its secret, once."""
    if not proven().has_password:
        # Otherwise a token would outlive its end, in one that it made.
        raise Forbidden("Only a caller with name and password can make tokens and access keys.")
    owner, wish = _owner(body["user"]), body["wish"]
    trail.note(owner=owner.name, name=wish.name, permissions=wish.permissions)
    _refuse_more_than(owner, wish)
    made, secret = make(owner, wish)
    trail.note(id=made.id)
    return success({**shape(made, None), secret_name: secret})


def list_page(store: CredentialStore, query: dict[str, Any]) -> Response:
    """Answer with one page of the caller's; administrators see everybody's."""
    found = store.list(None if caller().may(Permission.SYSTEM_MANAGER) else caller().id)
    shown = [shape(one, used) for one, used in found if query["user"] in ("", one.owner)]
    return success(render.slice_page(shown, number=query["page"], size=query["size"]))


def revoke(store: CredentialStore, id: str) -> Response:
    """Revoke one of the caller's; administrators revoke anybody's."""
    gone = store.remove(id, None if caller().may(Permission.SYSTEM_MANAGER) else caller().id)
    trail.note(owner=gone.owner, name=gone.name)
    return success()


def shape(one: Credential, used_at: int | None) -> dict[str, Any]:
    """Return a credential as the API shows it."""
    return {
        "id": one.id,
        "name": one.name,
        "user": {"id": one.owner_id, "name": one.owner},
        "permissions": None if one.permissions is None else list(one.permissions),
        "createTime": iso(one.created_at),
        "expireTime": iso_or_none(one.expires_at),
        "lastUseTime": iso_or_none(used_at),
    }


def _owner(name: str) -> User:
    if name in ("", caller().name):
        return caller()
    if not caller().may(Permission.SYSTEM_MANAGER):
        raise Forbidden(f"To make it for another user, this call needs the permission {Permission.SYSTEM_MANAGER}.")
    owner = services().users.find(name)
    if owner is None:
        raise ValidationError({"user": ["does not exist"]}, data={"user": name})
    return owner


def _refuse_more_than(owner: User, wish: Wish) -> None:
    missing = with_implied(wish.permissions or ()) - owner.permissions
    if missing:
        text = f"must be permissions that {owner.name} has, unlike {', '.join(sorted(missing))}"
        raise ValidationError({"permissions": [text]}, data={"permissions": list(wish.permissions or ())})
