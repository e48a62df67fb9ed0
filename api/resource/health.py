"""Whether this process lives and can serve; for load balancers, so without a login."""

from flask import Blueprint, Response

from api.declaration import answers
from api.envelope import success
from api.schema.answer_health import Health
from api.service import services
from dag.error import StoreUnavailable

health = Blueprint("health", __name__)


@health.get("/healthz")
@answers(Health)
def alive() -> Response:
    """Answer 200 while the process answers at all."""
    return success({"status": "UP"})


@health.get("/readyz")
@answers(Health, raises=(StoreUnavailable,))
def ready() -> Response:
    """Answer 200 while Redis answers, else 503."""
    services().store.ping()
    return success({"status": "UP"})
