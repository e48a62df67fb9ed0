"""One host of an inventory, and the request that brings a whole one."""

from typing import Any, ClassVar

from marshmallow import fields, post_load, validate

from api.schema.address import Address
from api.schema.field import (
    LARGEST_ID,
    Example,
    Flag,
    RequestSchema,
    TextMap,
    Whole,
    WordedSchema,
    documented,
    text,
)
from api.schema.host import LOGIN, PORT, WORD
from dag.host import Host

FORMATS = ("csv", "json", "yaml", "ini")


class HostEntry(WordedSchema):
    """A host by the names of its fields in inventories."""

    address = Address(required=True)
    name = text()
    ssh_port = Whole(*PORT, load_default=22)
    user = text(LOGIN)
    profile = text(WORD)
    zone = text(WORD)
    alias = text()
    description = text(longest=1024)
    credential_id = Whole(0, LARGEST_ID)
    variables = TextMap()
    labels = TextMap()

    @post_load
    def host(self, entry: dict[str, Any], **kwargs: Any) -> Host:
        """Return the host, without an id."""
        return Host(id=0, **{**entry, "name": entry.get("name") or entry["address"]})


FIELDS = tuple(HostEntry().fields)


class HostImport(RequestSchema):
    """An inventory as text, its format, and what hosts get that name no profile, zone or user."""

    format = fields.String(
        required=True,
        validate=validate.OneOf(FORMATS, error=f"must be one of {', '.join(FORMATS)}"),
        metadata=documented("How the inventory is written; Ansible's are ini and yaml."),
    )
    content = fields.String(required=True, metadata=documented("The inventory itself."))
    profile = text(WORD, metadata=documented("The profile of hosts that name none."))
    zone = text(WORD, metadata=documented("The zone of hosts that name none."))
    user = text(LOGIN, metadata=documented("The SSH login of hosts that name none."))
    dryRun = Flag(load_default=False, metadata=documented("Only tell what would be enrolled."))

    example: ClassVar[Example] = {
        "format": "ini",
        "content": "[web]\n10.0.0.1\nweb-11 ansible_host=10.0.0.11 ansible_become=yes\n",
        "zone": "default",
    }
