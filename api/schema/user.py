"""Requests about users: make one, change one, list them; change one's own password."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from api.password import LONGEST_PASSWORD
from api.schema.field import Example, Flag, JsonSchema, Printable, RequestSchema, documented, text
from api.schema.page import Page
from api.user import LONGEST_NAME, Role

SHORTEST_PASSWORD = 8
MOST_ROLES = len(Role)


def password_field(**kwargs: Any) -> fields.String:
    """Return the field of a password that somebody chooses: 8 to 1024 printable characters."""
    length = validate.Length(min=SHORTEST_PASSWORD, max=LONGEST_PASSWORD, error="must have {min} to {max} characters")
    says = documented("The new password: kept as an argon2id hash.")
    return fields.String(validate=[length, Printable()], metadata=says, **kwargs)


def roles_field(**kwargs: Any) -> fields.List[str]:
    """Return the field of a user's roles: at least one."""
    known = validate.OneOf(tuple(Role), error=f"must be one of {', '.join(Role)}")
    length = validate.Length(min=1, max=MOST_ROLES, error="must have {min} to {max} entries")
    says = documented("What the user may: a permission's name, or VIEWER, OPERATOR, ADMIN.")
    return fields.List(fields.String(validate=known), validate=length, metadata=says, **kwargs)


class UserCreation(RequestSchema):
    """A new user: name, password and roles."""

    name = text(longest=LONGEST_NAME, required=True, metadata=documented("The login, without a colon."))
    password = password_field(required=True)
    roles = roles_field(required=True)

    example: ClassVar[Example] = {"name": "ann", "password": "correct horse", "roles": ["OPERATOR"]}


class UserChange(RequestSchema):
    """What becomes of a user: at least one of password, roles and enabled."""

    password = password_field()
    roles = roles_field()
    enabled = Flag(metadata=documented("A disabled user and its tokens and access keys are refused."))

    rules: ClassVar[JsonSchema] = {"minProperties": 1}
    example: ClassVar[Example] = {"roles": ["VIEWER"], "enabled": True}

    @validates_schema(skip_on_field_errors=True)
    def something(self, body: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a change of nothing."""
        if not body:
            raise ValidationError("password, roles or enabled is required")


class PasswordChange(RequestSchema):
    """One's own new password, and the one that holds now."""

    currentPassword = fields.String(required=True, metadata=documented("The password that holds now."))
    password = password_field(required=True)

    example: ClassVar[Example] = {"currentPassword": "correct horse", "password": "battery staple"}


class UserPage(Page):
    """The query of the list of users: a name, or a part of one."""

    name = text(load_default="", metadata=documented("Only the user of this name."))
    keyword = text(load_default="", metadata=documented("Only users whose name has this in it, in any case."))

    example: ClassVar[Example] = {"page": "1", "size": "2", "keyword": "adm"}
