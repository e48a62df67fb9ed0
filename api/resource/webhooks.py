"""Webhooks: `/webhooks`, and what became of their messages."""

from dataclasses import replace
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response

from api import render, trail
from api.access_key import NoSecretKey
from api.auth import require
from api.declaration import answers, takes, takes_nothing, takes_query
from api.envelope import success
from api.instant import iso, iso_or_none
from api.schema.answer import page_of
from api.schema.answer_webhook import CreatedWebhook, WebhookDelivery
from api.schema.answer_webhook import Webhook as WebhookAnswer
from api.schema.page import Page
from api.schema.webhook import SecretRotation, WebhookChange, WebhookCreation
from api.service import services
from api.user import Permission
from api.webhook.delivery import Delivery, DeliveryStatus, UnknownDelivery
from api.webhook.hook import Hook, TooManyWebhooks, UnknownWebhook, WebhookDisabled
from api.webhook.payload import trial_message
from api.webhook.signature import make_secret

webhooks = Blueprint("webhooks", __name__)

NAMES = {"taskName": "task_name"}


@webhooks.get("/webhooks")
@require(Permission.SYSTEM_MANAGER)
@answers(page_of(WebhookAnswer))
@takes_query(Page)
def list_webhooks(query: dict[str, Any]) -> Response:
    """Answer with one page of the webhooks, in the order in which they were made."""
    shown = [_shape(hook) for hook in services().hooks.all()]
    return success(render.slice_page(shown, number=query["page"], size=query["size"]))


@webhooks.post("/webhooks")
@require(Permission.SYSTEM_MANAGER)
@answers(CreatedWebhook, raises=(TooManyWebhooks, NoSecretKey))
@takes(WebhookCreation)
def create_webhook(wanted: dict[str, Any]) -> Response:
    """Make a webhook and answer with it; its secret stands in `secret`, and is never shown again."""
    trail.note(**_noted(wanted))
    secret, now = wanted["secret"] or make_secret(), services().deliveries.now()
    hook = Hook(
        0, wanted["url"], tuple(wanted["events"]), wanted["creator"], wanted["taskName"], wanted["enabled"], now, secret
    )
    made = services().hooks.add(hook)
    trail.note(id=made.id)
    return success({**_shape(made), "secret": secret})


@webhooks.get("/webhooks/<id:webhook_id>")
@require(Permission.SYSTEM_MANAGER)
@answers(WebhookAnswer, raises=(UnknownWebhook,))
def get_webhook(webhook_id: int) -> Response:
    """Answer with one webhook."""
    return success(_shape(services().hooks.get(webhook_id)))


@webhooks.patch("/webhooks/<id:webhook_id>")
@require(Permission.SYSTEM_MANAGER)
@answers(WebhookAnswer, raises=(UnknownWebhook,))
@takes(WebhookChange)
def change_webhook(wanted: dict[str, Any], webhook_id: int) -> Response:
    """Change where, what or whether is told, and answer with the webhook. Its secret is changed by `rotateSecret`."""
    trail.note(**_noted(wanted))
    changes = {NAMES.get(name, name): value for name, value in wanted.items()}
    return success(_shape(services().hooks.change(webhook_id, changes)))


@webhooks.post("/webhooks/<id:webhook_id>/rotateSecret")
@require(Permission.SYSTEM_MANAGER)
@answers(CreatedWebhook, raises=(UnknownWebhook, NoSecretKey))
@takes(SecretRotation)
def rotate_secret(wanted: dict[str, Any], webhook_id: int) -> Response:
    """Give a webhook another secret and answer with it; it stands in `secret`, and is never shown again.

    For `overlapSeconds` each message has a signature of the secret from before, too, so that the receiver can be told
    the new one meanwhile.
    """
    trail.note(**_noted(wanted))
    secret, overlap_ms = wanted["secret"] or make_secret(), wanted["overlapSeconds"] * 1000
    hook = services().hooks.rotate(webhook_id, secret, now=services().deliveries.now(), overlap_ms=overlap_ms)
    return success({**_shape(hook), "secret": secret})


@webhooks.delete("/webhooks/<id:webhook_id>")
@require(Permission.SYSTEM_MANAGER)
@answers(raises=(UnknownWebhook,))
def delete_webhook(webhook_id: int) -> Response:
    """Forget a webhook and its deliveries."""
    services().hooks.remove(webhook_id)
    services().deliveries.remove_all(webhook_id)
    return success()


@webhooks.post("/webhooks/<id:webhook_id>/test")
@require(Permission.SYSTEM_MANAGER)
@answers(WebhookDelivery, raises=(UnknownWebhook, WebhookDisabled))
@takes_nothing
def try_webhook(webhook_id: int) -> Response:
    """Send a message of the type `test`, and answer with its delivery, which is then followed as any other."""
    hook, now = _enabled(webhook_id), services().deliveries.now()
    body = trial_message(now, services().settings.api.url)
    made = Delivery(f"msg_{hook.id}_test-{token_hex(6)}", hook.id, "test", 0, now, body)
    services().deliveries.add(made)
    return success(_shown(made))


@webhooks.get("/webhooks/<id:webhook_id>/deliveries")
@require(Permission.SYSTEM_MANAGER)
@answers(page_of(WebhookDelivery), raises=(UnknownWebhook,))
@takes_query(Page)
def list_deliveries(query: dict[str, Any], webhook_id: int) -> Response:
    """Answer with one page of the webhook's deliveries, newest first."""
    services().hooks.get(webhook_id)
    found, total = services().deliveries.page(webhook_id, page=query["page"], size=query["size"])
    shown = [_shown(delivery) for delivery in found]
    return success(render.page(shown, number=query["page"], size=query["size"], total=total))


@webhooks.post("/webhooks/<id:webhook_id>/deliveries/<string(maxlength=64):delivery_id>/redeliver")
@require(Permission.SYSTEM_MANAGER)
@answers(WebhookDelivery, raises=(UnknownWebhook, UnknownDelivery, WebhookDisabled))
@takes_nothing
def redeliver(webhook_id: int, delivery_id: str) -> Response:
    """Send a message once more, under the same id, with as many attempts as a new one; answer with its delivery."""
    _enabled(webhook_id)
    kept = services().deliveries.get(webhook_id, delivery_id)
    again = replace(kept, status=DeliveryStatus.PENDING, attempts=0, next_at=services().deliveries.now())
    services().deliveries.settle(again)
    return success(_shown(again))


def _enabled(webhook_id: int) -> Hook:
    """Return the webhook; WebhookDisabled where what is sent now would only wait."""
    hook = services().hooks.get(webhook_id)
    if not hook.enabled:
        raise WebhookDisabled
    return hook


def _noted(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return what the audit log may know: of the URL only the server, for some keep a secret in the path."""
    noted = {name: value for name, value in wanted.items() if name not in ("secret", "url")}
    return {**noted, "server": urlsplit(wanted["url"]).netloc} if "url" in wanted else noted


def _shape(hook: Hook) -> dict[str, Any]:
    ends = [one.until for one in hook.older_at(services().deliveries.now())]
    return {
        "id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "creator": hook.creator,
        "taskName": hook.task_name,
        "enabled": hook.enabled,
        "createTime": iso(hook.created_at),
        "olderSecretsEndTime": iso(max(ends)) if ends else None,
    }


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "taskId": delivery.task_id,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "code": delivery.code,
        "error": delivery.error,
        "answer": delivery.answer,
        "createTime": iso(delivery.created_at),
        "attemptTime": iso_or_none(delivery.tried_at),
        "nextTime": iso_or_none(delivery.next_at),
        "body": delivery.body,
    }
