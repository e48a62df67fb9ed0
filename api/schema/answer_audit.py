"""Entries of the audit log in answers."""

from typing import ClassVar

from marshmallow import fields, validate

from api.schema.answer import NOW, AnswerSchema, UserReference, moment, string
from api.schema.field import Example, Whole, documented
from api.trail import RESULTS


class AuditEntry(AnswerSchema):
    """One call that asked for a change."""

    id = string("The entry's id.")
    time = moment("When it was answered.")
    user = fields.Nested(UserReference, metadata=documented("Who called; no name and 0: a stranger."))
    proof = string("What proved who called: `password`, `token <id>`, `access key <id>` or `session`.")
    address = string("From where.")
    traceId = string("The call's trace id.")
    method = string("Its method.")
    path = string("Its path.")
    action = string("The route, such as `hosts.batch_delete`.")
    result = fields.String(validate=validate.OneOf(RESULTS), metadata=documented("How it ended, if that is known."))
    status = Whole(0, 599, metadata=documented("The HTTP status; 0: UNFINISHED."))
    code = Whole(0, 99999, metadata=documented("The error's code; 0: none."))
    message = string("The error's message.")
    details = fields.Dict(fields.String(), metadata=documented("What the path does not tell, such as the host ids."))

    example: ClassVar[Example] = {
        "id": "1630650026257-0",
        "time": NOW,
        "user": UserReference.example,
        "proof": "password",
        "address": "127.0.0.1",
        "traceId": "39c56b1c3cd7b9f2",
        "method": "POST",
        "path": "/api/v2/compute/hosts/batchDelete",
        "action": "hosts.batch_delete",
        "result": "SUCCESSFUL",
        "status": 200,
        "code": 0,
        "message": "",
        "details": {"hostIds": [2, 3], "hostCount": 2},
    }
