"""The request to sign in to the console."""

from typing import ClassVar

from marshmallow import fields

from api.schema.field import Example, RequestSchema, documented


class SignIn(RequestSchema):
    """Name and password, as HTTP Basic takes them."""

    name = fields.String(required=True, metadata=documented("The login."))
    password = fields.String(required=True, metadata=documented("The password."))

    example: ClassVar[Example] = {"name": "admin", "password": "correct horse"}
