"""API tokens: `/iam/tokens`. Everybody makes and sees their own, administrators everybody's."""

from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import Forbidden

from api.auth import require
from api.credential import TooManyCredentials, UnknownCredential
from api.declaration import answers, takes, takes_query
from api.resource import credential
from api.schema.answer import page_of
from api.schema.answer_iam import CreatedToken, Credential
from api.schema.credential import CredentialPage, TokenCreation
from api.service import services

tokens = Blueprint("tokens", __name__)


@tokens.get("/iam/tokens")
@require()
@answers(page_of(Credential))
@takes_query(CredentialPage)
def list_tokens(query: dict[str, Any]) -> Response:
    """Answer with one page of tokens, newest first, without their secrets."""
    return credential.list_page(services().access.tokens.store, query)


@tokens.post("/iam/tokens")
@require()
@answers(CreatedToken, raises=(Forbidden, TooManyCredentials))
@takes(TokenCreation)
def create_token(body: dict[str, Any]) -> Response:
    """Make a token and answer with it; its text stands in `token`, and is never shown again."""
    return credential.create(body, services().access.tokens.create, "token")


@tokens.delete("/iam/tokens/<string(maxlength=64):token_id>")
@require()
@answers(raises=(UnknownCredential,))
def revoke_token(token_id: str) -> Response:
    """Revoke a token."""
    return credential.revoke(services().access.tokens.store, token_id)
