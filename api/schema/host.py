"""Requests about hosts: enrol some, list them."""

from collections.abc import Sized
from typing import Any, ClassVar, Self, TypeVar

from marshmallow import ValidationError, fields, post_load, validate

from api.schema.address import Address
from api.schema.field import (
    LARGEST_ID,
    Example,
    JsonSchema,
    RequestSchema,
    TextMap,
    Whole,
    WordedSchema,
    Words,
    documented,
    text,
)
from api.schema.page import Page
from config.settings import ApiSettings
from dag.host import AgentStatus, Host, HostStatus
from dag.registry import SORTS

PORT = (1, 65535)
LOGIN = r"[A-Za-z0-9_][A-Za-z0-9_.@\\$+-]{0,63}"
# A profile names a file and a zone a queue: no slashes, no leading dot.
WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_SORTS = tuple(f"{name}{order}" for name in SORTS for order in ("", ",asc", ",desc"))


class HostBasicData(WordedSchema):
    """One host of `hostBasicDataList`: the contract's `innerIpAddress`, and its own port and name if any."""

    innerIpAddress = Address(required=True, metadata=documented("An IPv4 or IPv6 address, or a host name."))
    sshPort = Whole(*PORT, metadata=documented("Where this host's SSH server listens; without: that of all."))
    name = text(metadata=documented("Without: its address."))


Counted = TypeVar("Counted", bound=Sized)


class Count(validate.Length):
    """Refuses a list of less than one and of more than `most` entries, and tells how many it has."""

    def __init__(self, most: int) -> None:
        super().__init__(min=1, max=most)

    def __call__(self, value: Counted) -> Counted:
        """Return the list; ValidationError if it has too few or too many entries."""
        if not 1 <= len(value) <= (self.max or 0):
            raise ValidationError(f"must have 1 to {self.max} entries, not {len(value)}")
        return value


class HostCreation(RequestSchema):
    """The contract's body of batchCreate, and Muster's own fields from `user` on: how to reach the hosts."""

    hostBasicDataList = fields.List(
        fields.Nested(HostBasicData), required=True, metadata=documented("The hosts; what follows holds for all.")
    )
    sshPort = Whole(*PORT, load_default=22, metadata=documented("Where the hosts' SSH servers listen."))
    kind = text(WORD, metadata=documented("The contract's word for the kind of machine; Muster only keeps it."))
    idcId = Whole(0, LARGEST_ID, metadata=documented("The id of the data centre; Muster only keeps it."))
    typeId = Whole(0, LARGEST_ID, metadata=documented("The id of the type of host; Muster only keeps it."))
    credentialId = Whole(0, LARGEST_ID, metadata=documented("Names the private key that workers log in with."))
    # OCP's clients send null for what they leave out.
    alias = text(allow_none=True, metadata=documented("Another name."))
    description = text(longest=1024, allow_none=True, metadata=documented("Anything worth knowing."))
    user = text(LOGIN, metadata=documented("The SSH login; without: the workers' default."))
    profile = text(WORD, metadata=documented("How the agent is controlled: a file of the workers' profiles."))
    zone = text(WORD, metadata=documented("The network area, which only some workers reach."))
    variables = TextMap(metadata=documented("Fills the profile's placeholders; never shown again."))
    labels = TextMap(metadata=documented("Anything to find hosts by."))

    example: ClassVar[Example] = {
        "hostBasicDataList": [{"innerIpAddress": "10.0.0.21", "name": "web-21"}, {"innerIpAddress": "10.0.0.22"}],
        "sshPort": 22,
        "user": "admin",
        "profile": "ocp_agentctl",
        "variables": {"home": "/home/admin/ocp_agent"},
        "labels": {"env": "test"},
    }

    def __init__(self, limit: int) -> None:
        super().__init__()
        # Anew, for the list itself is shared with the class.
        self.fields["hostBasicDataList"].validators = [Count(limit)]

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """Return the schema for as many hosts as one call may name."""
        return cls(settings.max_hosts)

    @post_load
    def hosts(self, body: dict[str, Any], **kwargs: Any) -> list[Host]:
        """Return the hosts, without ids; refuse the same place twice."""
        hosts = [_host(entry, body) for entry in body["hostBasicDataList"]]
        _refuse_doubles(hosts)
        return hosts


_COMMON = {
    "kind": "kind",
    "idcId": "idc_id",
    "typeId": "type_id",
    "credentialId": "credential_id",
    "alias": "alias",
    "description": "description",
    "user": "user",
    "profile": "profile",
    "zone": "zone",
    "variables": "variables",
    "labels": "labels",
}


def _host(entry: dict[str, Any], body: dict[str, Any]) -> Host:
    address = entry["innerIpAddress"]
    common = {ours: body[theirs] for theirs, ours in _COMMON.items() if body.get(theirs) is not None}
    port = entry.get("sshPort", body["sshPort"])
    return Host(id=0, address=address, name=entry.get("name") or address, ssh_port=port, **common)


def _refuse_doubles(hosts: list[Host]) -> None:
    places: dict[tuple[str, int], int] = {}
    faults: dict[str | int, Any] = {}
    for at, host in enumerate(hosts):
        first = places.setdefault((host.address, host.ssh_port), at)
        if first != at:
            faults[at] = {"innerIpAddress": [f"names the same address and port as the entry at {first}"]}
    if faults:
        raise ValidationError({"hostBasicDataList": faults})


class Labels(fields.Field[dict[str, str]]):
    """A label as NAME=VALUE, or the name given more than once: a host has all of them."""

    may_repeat = True

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        wanted: dict[str, str] = {}
        for pair in [value] if isinstance(value, str) else value:
            name, equals, content = pair.partition("=")
            if not name or not equals:
                raise ValidationError("must be NAME=VALUE")
            if wanted.setdefault(name, content) != content:
                raise ValidationError(f"names {name} twice, and no host has two values of it")
        return wanted

    def json_schema(self) -> JsonSchema:
        """Return what this field takes."""
        return {"type": "array", "items": {"type": "string", "pattern": "^[^=]+=.*$"}}


class HostPage(Page):
    """The query of the list of hosts: a page, filters, and sort such as "id", "name,asc" or "status,desc"."""

    sort = fields.String(
        load_default="id,asc",
        validate=validate.OneOf(_SORTS, error=f'must be one of {", ".join(SORTS)}, with ",asc" or ",desc"'),
        metadata=documented("By what the hosts are sorted, and which way."),
    )
    status = Words(tuple(HostStatus), load_default=(), metadata=documented("Only hosts in one of these states."))
    keyword = text(load_default="", metadata=documented("Only hosts with this in name, alias or address."))
    agentStatus = Words(
        tuple(AgentStatus),
        load_default=(),
        metadata=documented("Only hosts whose agent was last seen in one of these."),
    )
    label = Labels(load_default={}, metadata=documented("Only hosts with this label (NAME=VALUE), or all of several."))

    example: ClassVar[Example] = {
        "page": "1",
        "size": "2",
        "sort": "name,desc",
        "status": "NEW,ONLINE",
        "keyword": "web",
        "agentStatus": "STARTED,UNKNOWN",
        "label": "env=test",
    }
