"""Access keys, which sign requests: `/iam/accessKeys`. Everybody has their own, administrators see everybody's."""

from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import Forbidden

from api.access_key import NoSecretKey
from api.auth import require
from api.credential import TooManyCredentials, UnknownCredential
from api.declaration import answers, takes, takes_query
from api.resource import credential
from api.schema.answer import page_of
from api.schema.answer_iam import CreatedAccessKey, Credential
from api.schema.credential import CredentialCreation, CredentialPage
from api.service import services

access_keys = Blueprint("access_keys", __name__)


@access_keys.get("/iam/accessKeys")
@require()
@answers(page_of(Credential))
@takes_query(CredentialPage)
def list_access_keys(query: dict[str, Any]) -> Response:
    """Answer with one page of access keys, newest first, without their secrets."""
    return credential.list_page(services().access.access_keys.store, query)


@access_keys.post("/iam/accessKeys")
@require()
@answers(CreatedAccessKey, raises=(Forbidden, TooManyCredentials, NoSecretKey))
@takes(CredentialCreation)
def create_access_key(body: dict[str, Any]) -> Response:
    """Make an access key and answer with it; its secret stands in `secretKey`, and is never shown again."""
    return credential.create(body, services().access.access_keys.create, "secretKey")


@access_keys.delete("/iam/accessKeys/<string(maxlength=64):access_key>")
@require()
@answers(raises=(UnknownCredential,))
def revoke_access_key(access_key: str) -> Response:
    """Revoke an access key."""
    return credential.revoke(services().access.access_keys.store, access_key)
