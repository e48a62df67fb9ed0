"""Access keys, which sign requests: `/iam/accessKeys`. Everybody has their own, administrators see everybody's."""

from flask import Blueprint, Response

from api.auth import require
from api.resource import credential
from api.schema.credential import CredentialCreation
from api.service import services

access_keys = Blueprint("access_keys", __name__)


@access_keys.get("/iam/accessKeys")
@require()
def list_access_keys() -> Response:
    """Answer with one page of access keys, newest first, without their secrets."""
    return credential.list_page(services().access.access_keys.store)


@access_keys.post("/iam/accessKeys")
@require()
def create_access_key() -> Response:
    """Make an access key and answer with it; its secret stands in `secretKey`, and is never shown again."""
    return credential.create(CredentialCreation(), services().access.access_keys.create, "secretKey")


@access_keys.delete("/iam/accessKeys/<string(maxlength=64):access_key>")
@require()
def revoke_access_key(access_key: str) -> Response:
    """Revoke an access key."""
    return credential.revoke(services().access.access_keys.store, access_key)
