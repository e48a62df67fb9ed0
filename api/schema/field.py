"""Fields that take a value as it is or refuse it: nothing is converted silently.

Each field of our own says in `json_schema` what it takes, for the OpenAPI document.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

from marshmallow import Schema, ValidationError, fields, validate

from api.error import UNKNOWN_FIELD, InvalidRequest
from api.printable import PATTERN, is_printable
from config.settings import ApiSettings

Sent = Mapping[str, Any] | None
JsonSchema = dict[str, Any]
Example = Mapping[str, Any]
LARGEST_ID = 2**63 - 1
LONGEST_TEXT = 256
MOST_PAIRS, LONGEST_VALUE = 64, 1024
OF_OBJECTS = {"unknown": UNKNOWN_FIELD, "type": "must be an object"}
OF_KINDS = {
    fields.Boolean: "must be true or false",
    fields.List: "must be a list",
    fields.String: "must be a string",
}

_WHOLE = re.compile(r"-?[0-9]{1,100}")


class WordedSchema(Schema):
    """A schema whose refusals read on after the field's name ("hostIds must not be null").

    `rules` is what its JSON Schema says beside its fields, and `example` a body that it takes; a query's example gives
    each parameter as it stands in the URL.
    """

    error_messages = OF_OBJECTS
    rules: ClassVar[JsonSchema] = {}
    example: ClassVar[Example] = {}

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Give the field our words in place of marshmallow's."""
        field_obj.error_messages |= {"required": "is required", "null": "must not be null"}
        for kind, words in OF_KINDS.items():
            if isinstance(field_obj, kind):
                field_obj.error_messages["invalid"] = words
        if isinstance(field_obj, fields.List):
            self.on_bind_field(field_name, field_obj.inner)


class RequestSchema(WordedSchema):
    """The schema of a whole request: its errors know the request's name and what was sent."""

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """Return the schema with the limits that these settings put on it, if any."""
        return cls()

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        """Raise the error with the name of the schema, which the envelope calls `object`."""
        raise InvalidRequest(error, data, type(self).__name__)


def fault_of_whole(value: Any, least: int, most: int) -> str:
    """Return what is wrong with a whole number, "" if nothing: 1.0, "1" and true are none."""
    if type(value) is not int:
        return "must be an integer"
    if value < least:
        return "must be positive" if least == 1 else f"must be at least {least}"
    return f"must be at most {most}" if value > most else ""


class Whole(fields.Field[int]):
    """A JSON integer from `least` to `most`."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> int:
        fault = fault_of_whole(value, self._least, self._most)
        if fault:
            raise ValidationError(fault)
        number: int = value
        return number

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        return {"type": "integer", "minimum": self._least, "maximum": self._most}


class QueryWhole(Whole):
    """A whole number in a query: ASCII digits (up to a hundred), and a minus."""

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> int:
        number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
        return super()._deserialize(number, attr, data, **kwargs)


def text(pattern: str = "", longest: int = LONGEST_TEXT, says: str = "", **kwargs: Any) -> fields.String:
    """Return a field of printable text (no line breaks, no control characters) that matches the pattern.

    `says` is what it must be in words, for whoever can't read the pattern.
    """
    length = validate.Length(max=longest, error=f"must have at most {longest} characters")
    return fields.String(validate=[length, Matching(pattern, says) if pattern else Printable()], **kwargs)


def documented(description: str) -> dict[str, str]:
    """Return the metadata of a field with these words for the OpenAPI document."""
    return {"description": description}


class Printable(validate.Validator):
    """Refuses control characters: they would forge lines of logs and of shell scripts."""

    # For the OpenAPI document.
    pattern = PATTERN

    def __call__(self, value: str) -> str:
        """Return the value; ValidationError if it has one."""
        if not is_printable(value):
            raise ValidationError("must not contain control characters")
        return value


class Matching(validate.Validator):
    """Refuses what does not match the pattern as a whole."""

    def __init__(self, pattern: str, says: str = "") -> None:
        self._expression, self.pattern = re.compile(pattern), f"^(?:{pattern})$"
        self._fault = f"must be {says}" if says else f"must match {pattern}"

    def __call__(self, value: str) -> str:
        """Return the value; ValidationError if it does not match."""
        if not self._expression.fullmatch(value):
            raise ValidationError(self._fault)
        return value


class Flag(fields.Boolean):
    """JSON's true or false, and nothing that Python takes for equal to them."""

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Words(fields.Field[tuple[str, ...]]):
    """In a query: a comma list of some of these words, or the name given more than once."""

    may_repeat = True

    def __init__(self, known: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._known = known

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> tuple[str, ...]:
        words = [word.strip() for word in (value if isinstance(value, str) else ",".join(value)).split(",")]
        if any(word and word not in self._known for word in words):
            raise ValidationError(f"must be some of {', '.join(self._known)}")
        return tuple(word for word in words if word)

    def json_schema(self) -> JsonSchema:
        """Return what this field takes; empty words say nothing."""
        return {"type": "array", "items": {"type": "string", "enum": [*self._known, ""]}}


class Instant(fields.Field[int]):
    """A moment of a query, ISO 8601 with its offset, as ms since the epoch."""

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> int:
        try:
            # A plus that was not encoded arrives as a blank.
            moment = datetime.fromisoformat(value.replace(" ", "+")) if isinstance(value, str) else None
            if moment and moment.tzinfo:
                return int(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            pass
        raise ValidationError("must be a time such as 2021-09-03T14:20:26.257+08:00")

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        return {"type": "string", "format": "date-time"}


class TextMap(fields.Field[dict[str, str]]):
    """An object of up to 64 short texts, whose names are identifiers or dotted labels."""

    _NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,63}")

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("must be an object")
        if len(value) > MOST_PAIRS:
            raise ValidationError(f"must have at most {MOST_PAIRS} entries")
        faults = {name: [fault] for name, inner in value.items() if (fault := self._fault(name, inner))}
        if faults:
            raise ValidationError(faults)
        return value

    def _fault(self, name: str, value: Any) -> str:
        if not self._NAME.fullmatch(name):
            return f"a name must match {self._NAME.pattern}"
        if not isinstance(value, str):
            return "must be a string"
        if len(value) > LONGEST_VALUE or not is_printable(value):
            return f"must have at most {LONGEST_VALUE} characters and no control characters"
        return ""

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        value = {"type": "string", "maxLength": LONGEST_VALUE, "pattern": PATTERN}
        names = {"pattern": f"^{self._NAME.pattern}$"}
        return {"type": "object", "maxProperties": MOST_PAIRS, "propertyNames": names, "additionalProperties": value}
