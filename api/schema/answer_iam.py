"""Users, roles, tokens and access keys in answers."""

from typing import ClassVar

from marshmallow import fields

from api.schema.answer import NOW, AnswerSchema, UserReference, flag, id_field, moment, string, word, words
from api.schema.field import Example, documented
from api.user import Permission, Role


class User(AnswerSchema):
    """A user; nothing tells its password."""

    id = id_field("The user's id.")
    name = string("The login.")
    roles = words(Role, "What the user was given.")
    permissions = words(Permission, "What follows from the roles.")
    enabled = flag("Whether the user may call.")
    createTime = moment("When the user was made.")

    example: ClassVar[Example] = {
        "id": 2,
        "name": "ann",
        "roles": ["OPERATOR"],
        "permissions": ["HOST_MANAGER", "HOST_VIEWER", "TASK_MANAGER", "TASK_VIEWER"],
        "enabled": True,
        "createTime": NOW,
    }


class Myself(User):
    """The caller; the permissions are those that hold for this call."""

    proof = string("What proved who calls: `password`, `token <id>`, `access key <id>` or `session`.")

    example: ClassVar[Example] = {**User.example, "proof": "password"}


class RoleDetail(AnswerSchema):
    """A role and what it permits."""

    name = word(Role, "The role.")
    permissions = words(Permission, "What it permits.")

    example: ClassVar[Example] = {"name": "VIEWER", "permissions": ["HOST_VIEWER", "TASK_VIEWER"]}


class Credential(AnswerSchema):
    """A token or an access key, without its secret."""

    id = string("Its id.")
    name = string("What it is for.")
    user = fields.Nested(UserReference, metadata=documented("Whom it stands for."))
    permissions = words(Permission, "What it permits; null: all that its user may.", allow_none=True)
    createTime = moment("When it was made.")
    expireTime = moment("When it ends; null: never.", allow_none=True)
    lastUseTime = moment("When it was used last, to the minute; null: never.", allow_none=True)

    example: ClassVar[Example] = {
        "id": "26bb2dfc497c",
        "name": "ci",
        "user": UserReference.example,
        "permissions": ["HOST_MANAGER"],
        "createTime": NOW,
        "expireTime": NOW,
        "lastUseTime": None,
    }


class CreatedToken(Credential):
    """A new token, and its text."""

    token = string("The token, shown this once.")

    example: ClassVar[Example] = {**Credential.example, "token": "muster_26bb2dfc497c_the-rest-is-secret"}


class CreatedAccessKey(Credential):
    """A new access key, and its secret."""

    secretKey = string("The secret key, shown this once.")

    example: ClassVar[Example] = {**Credential.example, "id": "AK3b0c44298fc1c149", "secretKey": "shown-this-once"}
