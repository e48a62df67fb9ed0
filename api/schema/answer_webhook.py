"""Webhooks and deliveries in answers."""

from typing import ClassVar

from api.schema.answer import NOW, AnswerSchema, count, flag, id_field, moment, string, word, words
from api.schema.field import Example, Whole, documented
from api.webhook.delivery import DeliveryStatus
from api.webhook.hook import HookEvent


class Webhook(AnswerSchema):
    """A webhook, without its secret."""

    id = id_field("The webhook's id.")
    url = string("Where messages are sent.")
    events = words(HookEvent, "What is told.")
    creator = string("Only of this user's tasks; empty: anybody's.")
    taskName = string("Only of tasks of this name; empty: any.")
    enabled = flag("Whether it is told anything.")
    createTime = moment("When it was made.")
    olderSecretsEndTime = moment("Until when older secrets sign, too; null: there are none.", allow_none=True)

    example: ClassVar[Example] = {
        "id": 1,
        "url": "https://ops.example.org/muster",
        "events": ["task.ended"],
        "creator": "ann",
        "taskName": "",
        "enabled": True,
        "createTime": NOW,
        "olderSecretsEndTime": None,
    }


class CreatedWebhook(Webhook):
    """A webhook, and its new secret."""

    secret = string("What messages are signed with, shown this once.")

    example: ClassVar[Example] = {**Webhook.example, "secret": "whsec_shown-this-once"}


class WebhookDelivery(AnswerSchema):
    """One message to one webhook."""

    id = string("The same in all attempts: the message's `webhook-id`.")
    event = string("What it tells: a task's end or first failure, or a test.")
    taskId = id_field("The task; 0: none.")
    status = word(DeliveryStatus, "Where it stands; FAILED: there will be no more attempts.")
    attempts = count("How often it was tried.")
    code = Whole(100, 999, allow_none=True, metadata=documented("The last response's HTTP status; null: none came."))
    error = string("Why the last attempt failed.")
    answer = string("The beginning of the last response's body.")
    createTime = moment("When the event was taken up.")
    attemptTime = moment("When it was last tried; null: never.", allow_none=True)
    nextTime = moment("When it is tried again; null: at once, or no more.", allow_none=True)
    body = string("What is sent, JSON.")

    example: ClassVar[Example] = {
        "id": "msg_1_1795579200123-0",
        "event": "task.ended",
        "taskId": 7,
        "status": "DELIVERED",
        "attempts": 1,
        "code": 204,
        "error": "",
        "answer": "",
        "createTime": NOW,
        "attemptTime": NOW,
        "nextTime": None,
        "body": '{"type":"task.ended"}',
    }
