"""Lists of host ids: each bad element is named by its place."""

from typing import Any, ClassVar, Self

from marshmallow import ValidationError, fields, validates_schema

from api.schema.field import LARGEST_ID, Example, JsonSchema, RequestSchema, Sent, documented, fault_of_whole
from config.settings import ApiSettings


class HostIdList(fields.Field[list[int]]):
    """A list of 1 to `limit` different host ids, each a JSON integer from 1 to 2^63-1."""

    limit = 10_000

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> list[int]:
        if not isinstance(value, list):
            raise ValidationError("must be a list of host ids")
        if not value:
            raise ValidationError("must name at least one host")
        if len(value) > self.limit:
            raise ValidationError(f"must name at most {self.limit} hosts, not {len(value)}")
        faults = _faults(value)
        if faults:
            raise ValidationError(faults)
        return value

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        id = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
        return {"type": "array", "items": id, "minItems": 1, "maxItems": self.limit, "uniqueItems": True}


def _faults(values: list[Any]) -> dict[str | int, Any]:
    faults: dict[str | int, Any] = {}
    places: dict[int, int] = {}
    for at, value in enumerate(values):
        fault = fault_of_whole(value, 1, LARGEST_ID)
        if not fault and value in places:
            fault = f"names the same host as the entry at {places[value]}"
        if fault:
            faults[at] = [fault]
        else:
            places[value] = at
    return faults


class HostList(RequestSchema):
    """A body that names hosts, in exactly one field."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        super().__init__()

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """Return the schema for as many hosts as one call may name."""
        return cls(settings.max_hosts)

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Tell the lists how many hosts one call may name."""
        super().on_bind_field(field_name, field_obj)
        if isinstance(field_obj, HostIdList):
            field_obj.limit = self._limit


class HostIds(HostList):
    """The hosts to work on: `hostIds`, or `hostids` as the contract's sample request spells it."""

    hostIds = HostIdList(metadata=documented("The ids of the hosts, each once."))
    hostids = HostIdList(metadata=documented("Another spelling of hostIds; give one of them."))

    rules: ClassVar[JsonSchema] = {"oneOf": [{"required": ["hostIds"]}, {"required": ["hostids"]}]}
    example: ClassVar[Example] = {"hostIds": [1, 2]}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def one_spelling(self, _: Any, original: dict[str, Any], **kwargs: Any) -> None:
        """Refuse none of the two spellings, and both."""
        given = {"hostIds", "hostids"} & original.keys()
        if not given:
            raise ValidationError({"hostIds": ["is required"]})
        if len(given) == 2:
            raise ValidationError({"hostids": ["must not be given beside hostIds"]})


class HostIdDeletion(HostList):
    """The hosts to forget."""

    hostIdList = HostIdList(required=True, metadata=documented("The ids of the hosts, each once."))

    example: ClassVar[Example] = {"hostIdList": [2, 3]}
