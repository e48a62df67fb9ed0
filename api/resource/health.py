"""Whether this process lives and can serve; for load balancers, so without a login."""

from flask import Blueprint, Response

from api.envelope import success
from api.service import services

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> Response:
    """Answer 200 while the process answers at all."""
    return success({"status": "UP"})


@health.get("/readyz")
def ready() -> Response:
    """Answer 200 while Redis answers, else 503."""
    services().store.ping()
    return success({"status": "UP"})
