"""Requests about tokens and access keys: make one, list them."""

from typing import Any, ClassVar

from marshmallow import fields, post_load, validate

from api.credential import Wish
from api.schema.field import LONGEST_TEXT, Example, RequestSchema, Whole, documented, text
from api.schema.page import Page
from api.user import Permission

DAY_SECONDS = 86_400
TOKEN_DAYS, MOST_DAYS = 90, 3650


class CredentialCreation(RequestSchema):
    """A new access key: a name, and what it may do and until when; without, all that its owner may, and ever.

    `user` names another owner than the caller, which needs SYSTEM_MANAGER.
    """

    name = text(longest=64, required=True, metadata=documented("What it is for, in words of one's own."))
    user = text(load_default="", metadata=documented("Whom it stands for; another than the caller: SYSTEM_MANAGER."))
    permissions = fields.List(
        fields.String(validate=validate.OneOf(tuple(Permission), error=f"must be one of {', '.join(Permission)}")),
        validate=validate.Length(min=1, max=len(Permission), error="must have {min} to {max} entries"),
        load_default=None,
        metadata=documented("What it permits, at most what its owner may; without: all that."),
    )
    expiresInDays = Whole(1, MOST_DAYS, metadata=documented("Without: an access key holds for ever, a token 90 days."))

    example: ClassVar[Example] = {"name": "ci", "permissions": ["HOST_MANAGER"], "expiresInDays": 30}

    default_days: int | None = None

    @post_load
    def wish(self, body: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Return the owner's name ("": the caller) and what is wished."""
        days = body.get("expiresInDays", self.default_days)
        permissions = body["permissions"]
        wish = Wish(
            body["name"],
            None if permissions is None else tuple(sorted({Permission(text) for text in permissions})),
            None if days is None else days * DAY_SECONDS,
        )
        return {"user": body["user"], "wish": wish}


class TokenCreation(CredentialCreation):
    """A new token: as an access key, but it holds for 90 days where nothing is said."""

    default_days = TOKEN_DAYS


class CredentialPage(Page):
    """The query of the list of tokens or access keys; `user`: only that user's."""

    user = text(longest=LONGEST_TEXT, load_default="", metadata=documented("Only those of this user."))

    example: ClassVar[Example] = {"page": "1", "size": "2", "user": "admin"}
