"""Lists of host ids: each bad element is named by its place."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from api.schema.field import LARGEST_ID, RequestSchema, Sent, fault_of_whole


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


class _Limited(RequestSchema):
    def __init__(self, limit: int) -> None:
        self._limit = limit
        super().__init__()

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Tell the lists how many hosts one call may name."""
        super().on_bind_field(field_name, field_obj)
        if isinstance(field_obj, HostIdList):
            field_obj.limit = self._limit


class HostIds(_Limited):
    """The hosts to work on: `hostIds`, or `hostids` as the contract's sample request spells it."""

    hostIds = HostIdList()
    hostids = HostIdList()

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def one_spelling(self, _: Any, original: dict[str, Any], **kwargs: Any) -> None:
        """Refuse none of the two spellings, and both."""
        given = {"hostIds", "hostids"} & original.keys()
        if not given:
            raise ValidationError({"hostIds": ["is required"]})
        if len(given) == 2:
            raise ValidationError({"hostids": ["must not be given beside hostIds"]})


class HostIdDeletion(_Limited):
    """The hosts to forget."""

    hostIdList = HostIdList(required=True)
