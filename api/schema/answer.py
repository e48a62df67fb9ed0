"""What answers have in common. No answer goes through these schemas, for speed: they document, and tests hold them.

Every field is there in each answer, but for those in `sometimes`.
"""

from enum import StrEnum
from functools import cache
from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from api.schema.field import LARGEST_ID, Example, Instant, JsonSchema, Whole, documented

NOW = "2021-09-03T14:20:26.257+08:00"


class AnswerSchema(Schema):
    """The `data` of an answer, or a part of it, with an example."""

    sometimes: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[JsonSchema] = {}
    example: ClassVar[Example] = {}

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Take each field for one that is always there."""
        field_obj.required = field_name not in self.sometimes


def id_field(description: str) -> Whole:
    """Return the field of an id that Muster has given."""
    return Whole(0, LARGEST_ID, metadata=documented(description))


def count(description: str, **kwargs: Any) -> Whole:
    """Return the field of a number of things or seconds."""
    return Whole(0, LARGEST_ID, metadata=documented(description), **kwargs)


def string(description: str, **kwargs: Any) -> fields.String:
    """Return the field of a text, which may be empty."""
    return fields.String(metadata=documented(description), **kwargs)


def flag(description: str) -> fields.Boolean:
    """Return the field of a yes or no."""
    return fields.Boolean(metadata=documented(description))


def word(kind: type[StrEnum], description: str) -> fields.String:
    """Return the field of one of the enum's words."""
    return fields.String(validate=validate.OneOf(tuple(kind)), metadata=documented(description))


def words(kind: type[StrEnum], description: str, **kwargs: Any) -> fields.List[str]:
    """Return the field of a list of the enum's words."""
    inner = fields.String(validate=validate.OneOf(tuple(kind)))
    return fields.List(inner, metadata=documented(description), **kwargs)


def moment(description: str, **kwargs: Any) -> Instant:
    """Return the field of a time, ISO 8601 with milliseconds and offset."""
    return Instant(metadata=documented(description), **kwargs)


class UserReference(AnswerSchema):
    """A user as others refer to it."""

    id = id_field("0 where the user is gone.")
    name = string("The login.")

    example: ClassVar[Example] = {"id": 1, "name": "admin"}


class PageCounts(AnswerSchema):
    """Where the page stands."""

    totalElements = count("Entries on all pages.")
    totalPages = count("Pages of this size.")
    number = count("This page, from 1.")
    size = count("Entries that a page has.")

    example: ClassVar[Example] = {"totalElements": 1, "totalPages": 1, "number": 1, "size": 2}


@cache
def list_of(entry: type[AnswerSchema]) -> type[AnswerSchema]:
    """Return the schema of an answer with such entries in `contents`."""
    return _listing(entry, "ListOf", {})


@cache
def page_of(entry: type[AnswerSchema]) -> type[AnswerSchema]:
    """Return the schema of a page of such entries."""
    return _listing(entry, "PageOf", {"page": PageCounts})


def _listing(entry: type[AnswerSchema], prefix: str, more: dict[str, type[AnswerSchema]]) -> type[AnswerSchema]:
    parts: dict[str, Any] = {name: fields.Nested(schema) for name, schema in more.items()}
    parts["contents"] = fields.List(fields.Nested(entry), metadata=documented("The entries."))
    example = {"contents": [entry.example], **{name: schema.example for name, schema in more.items()}}
    return type(f"{prefix}{entry.__name__}", (AnswerSchema,), {**parts, "example": example})
