"""The state of an API process in answers."""

from typing import ClassVar

from marshmallow import fields, validate

from api.schema.answer import AnswerSchema
from api.schema.field import Example, documented


class Health(AnswerSchema):
    """A process that is well."""

    status = fields.String(validate=validate.Equal("UP"), metadata=documented("UP."))

    example: ClassVar[Example] = {"status": "UP"}
