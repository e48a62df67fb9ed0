"""Requests about webhooks: make one, change one."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from api.schema.field import Example, Flag, JsonSchema, RequestSchema, Whole, documented, text
from api.webhook.hook import HookEvent
from api.webhook.signature import PATTERN

LONGEST_URL, LONGEST_SECRET = 1024, 100
DAY = 86_400
LONGEST_OVERLAP = 7 * DAY
# No user and password: they would stand in lists and in Redis. No fragment: it is not sent.
URL = r"https?://[A-Za-z0-9.\-_\[\]:]+(/[^\s#@\\]*)?"
ALL_EVENTS = [event.value for event in HookEvent]


def _url(**kwargs: Any) -> fields.String:
    says = documented("Where messages are sent: http or https, without user and password.")
    words = "a URL such as https://ops.example.org/muster, without user, password and fragment"
    return text(URL, LONGEST_URL, words, metadata=says, **kwargs)


def _events(**kwargs: Any) -> fields.List[str]:
    known = validate.OneOf(ALL_EVENTS, error=f"must be one of {', '.join(ALL_EVENTS)}")
    length = validate.Length(min=1, max=len(ALL_EVENTS), error="must have {min} to {max} entries")
    says = documented("What is told: a task's end, its first failure.")
    return fields.List(fields.String(validate=known), validate=length, metadata=says, **kwargs)


def _creator(**kwargs: Any) -> fields.String:
    return text(metadata=documented("Only of tasks that this user has submitted; empty: anybody."), **kwargs)


def _task_name(**kwargs: Any) -> fields.String:
    return text(metadata=documented("Only of tasks of this name; empty: any."), **kwargs)


def _secret() -> fields.String:
    words = "whsec_ and the base64 of 24 to 64 bytes"
    says = documented("`whsec_` and the base64 of 24 to 64 bytes; empty: one is made.")
    return text(f"(?:{PATTERN})?", LONGEST_SECRET, words, load_default="", metadata=says)


class WebhookCreation(RequestSchema):
    """A new webhook."""

    url = _url(required=True)
    events = _events(load_default=ALL_EVENTS)
    creator = _creator(load_default="")
    taskName = _task_name(load_default="")
    enabled = Flag(load_default=True, metadata=documented("Whether it is told anything."))
    secret = _secret()

    example: ClassVar[Example] = {"url": "https://ops.example.org/muster", "events": ["task.ended"], "creator": "ann"}


class SecretRotation(RequestSchema):
    """Another secret of a webhook."""

    secret = _secret()
    overlapSeconds = Whole(
        0,
        LONGEST_OVERLAP,
        load_default=DAY,
        metadata=documented(
            "So long messages are signed with the secret from before, too; 0: with no older one any more."
        ),
    )

    example: ClassVar[Example] = {"overlapSeconds": 3600}


class WebhookChange(RequestSchema):
    """What becomes of a webhook: at least one field."""

    url = _url()
    events = _events()
    creator = _creator()
    taskName = _task_name()
    enabled = Flag(metadata=documented("Whether it is told anything."))

    rules: ClassVar[JsonSchema] = {"minProperties": 1}
    example: ClassVar[Example] = {"enabled": False}

    @validates_schema(skip_on_field_errors=True)
    def something(self, body: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a change of nothing."""
        if not body:
            raise ValidationError("url, events, creator, taskName or enabled is required")
