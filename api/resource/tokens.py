"""API tokens: `/iam/tokens`. Everybody makes and sees their own, administrators everybody's."""

from flask import Blueprint, Response

from api.auth import require
from api.resource import credential
from api.schema.credential import TokenCreation
from api.service import services

tokens = Blueprint("tokens", __name__)


@tokens.get("/iam/tokens")
@require()
def list_tokens() -> Response:
    """Answer with one page of tokens, newest first, without their secrets."""
    return credential.list_page(services().access.tokens.store)


@tokens.post("/iam/tokens")
@require()
def create_token() -> Response:
    """Make a token and answer with it; its text stands in `token`, and is never shown again."""
    return credential.create(TokenCreation(), services().access.tokens.create, "token")


@tokens.delete("/iam/tokens/<string(maxlength=64):token_id>")
@require()
def revoke_token(token_id: str) -> Response:
    """Revoke a token."""
    return credential.revoke(services().access.tokens.store, token_id)
