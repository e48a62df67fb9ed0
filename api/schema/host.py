"""Requests about hosts: enrol some, list them."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from api.schema.field import LARGEST_ID, Address, RequestSchema, TextMap, Whole, WordedSchema, text
from api.schema.page import Page
from dag.host import Host, HostStatus
from dag.registry import SORTS

PORT = (1, 65535)
LOGIN = r"[A-Za-z0-9_][A-Za-z0-9_.@\\$+-]{0,63}"
# A profile names a file and a zone a queue: no slashes, no leading dot.
WORD = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_STATUS_WORDS = frozenset(HostStatus)
_SORTS = tuple(f"{name}{order}" for name in SORTS for order in ("", ",asc", ",desc"))


class HostBasicData(WordedSchema):
    """One host of `hostBasicDataList`: the contract's `innerIpAddress`, and its own port and name if any."""

    innerIpAddress = Address(required=True)
    sshPort = Whole(*PORT)
    name = text()


class HostCreation(RequestSchema):
    """The contract's body of batchCreate, and Muster's own fields from `user` on: how to reach the hosts."""

    hostBasicDataList = fields.List(fields.Nested(HostBasicData), required=True)
    sshPort = Whole(*PORT, load_default=22)
    kind = text(WORD)
    idcId = Whole(0, LARGEST_ID)
    typeId = Whole(0, LARGEST_ID)
    credentialId = Whole(0, LARGEST_ID)
    alias = text()
    description = text(longest=1024)
    user = text(LOGIN)
    profile = text(WORD)
    zone = text(WORD)
    variables = TextMap()
    labels = TextMap()

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    @post_load
    def hosts(self, body: dict[str, Any], **kwargs: Any) -> list[Host]:
        """Return the hosts, without ids; refuse too few, too many and the same place twice."""
        entries = body["hostBasicDataList"]
        if not 1 <= len(entries) <= self._limit:
            fault = f"must have 1 to {self._limit} entries, not {len(entries)}"
            raise ValidationError({"hostBasicDataList": [fault]})
        hosts = [_host(entry, body) for entry in entries]
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
    common = {ours: body[theirs] for theirs, ours in _COMMON.items() if theirs in body}
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


class Statuses(fields.Field[tuple[HostStatus, ...]]):
    """A comma list of states, or the name given more than once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[HostStatus, ...]:
        words = [word.strip() for word in (value if isinstance(value, str) else ",".join(value)).split(",")]
        unknown = [word for word in words if word and word not in _STATUS_WORDS]
        if unknown:
            raise ValidationError(f"must be some of {', '.join(HostStatus)}")
        return tuple(HostStatus(word) for word in words if word)


class HostPage(Page):
    """The query of the list of hosts: a page, status, keyword, and sort such as "id", "name,asc" or "status,desc"."""

    sort = fields.String(
        load_default="id,asc",
        validate=validate.OneOf(_SORTS, error=f'must be one of {", ".join(SORTS)}, with ",asc" or ",desc"'),
    )
    status = Statuses(load_default=())
    keyword = text(load_default="")
