"""The field of an address under which workers reach a host."""

import ipaddress
import re
from typing import Any

from marshmallow import ValidationError, fields

from api.schema.field import JsonSchema, Sent

LONGEST_NAME = 253
OF_ADDRESS = "must be an IPv4 or IPv6 address or a host name"
# Behind the % of a link-local address, which Python takes with anything there: Linux has 15 characters for it.
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# The same for the OpenAPI document, where a label is at most as long as the whole name.
_HOST_NAME = r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$"


class Address(fields.Field[str]):
    """An IPv4 or IPv6 address or a host name, given back in its one canonical spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Sent, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be a string")
        try:
            found = ipaddress.ip_address(value)
        except ValueError:
            return self._host_name(value)
        if isinstance(found, ipaddress.IPv6Address):
            if found.scope_id is not None and not _INTERFACE.fullmatch(found.scope_id):
                raise ValidationError(OF_ADDRESS)
            # An IPv4 address in IPv6's spelling is the same host.
            return str(found.ipv4_mapped or found)
        return str(found)

    @staticmethod
    def _host_name(value: str) -> str:
        labels = value.split(".")
        # A last label of digits is an IPv4 address gone wrong, never a name (RFC 3696, section 2).
        if len(value) > LONGEST_NAME or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
            raise ValidationError(OF_ADDRESS)
        return value.lower()

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        kinds: list[JsonSchema] = [{"format": "ipv4"}, {"format": "ipv6"}, {"pattern": _HOST_NAME}]
        return {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "anyOf": kinds}
