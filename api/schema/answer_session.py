"""The console's session in answers."""

from typing import ClassVar

from marshmallow import fields

from api.schema.answer import NOW, AnswerSchema, UserReference, moment, string, words
from api.schema.field import Example, documented
from api.user import Permission


class SessionDetail(AnswerSchema):
    """Who has signed in, and what the console needs to know."""

    user = fields.Nested(UserReference, metadata=documented("Who has signed in."))
    permissions = words(Permission, "What this user may do now.")
    csrfToken = string("What changes must send as X-Muster-CSRF; null: the caller has no session.", allow_none=True)
    expireTime = moment("When the session ends at the latest; null: there is none.", allow_none=True)
    flowerUrl = string("Where Flower is (flower.url); null: the setting does not say.", allow_none=True)

    example: ClassVar[Example] = {
        "user": UserReference.example,
        "permissions": ["HOST_MANAGER", "HOST_VIEWER", "TASK_MANAGER", "TASK_VIEWER"],
        "csrfToken": "qkFSw0xyDX0vJ6wYpJ5xW7tqG6Yz3c2q3rJt0fXb1nE",
        "expireTime": NOW,
        "flowerUrl": "http://127.0.0.1:5555",
    }
