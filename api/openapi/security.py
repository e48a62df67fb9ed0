"""The proofs of who calls, as the document describes them."""

from typing import Any

from api.browser import CSRF_HEADER
from api.signature import SCHEME

Json = dict[str, Any]

SIGNED = f"""OCP's signed requests: `Authorization: {SCHEME} <access key>:<signature>`, beside a `Date` (RFC 1123)
that is at most 15 minutes off. The signature is `base64(hmac-sha1(secret key, toSign))`; `toSign` is, joined by line
breaks: the method; the upper-case hex MD5 of the body, empty without one; Content-Type; Date; Host; the `x-ocp-*`
headers as sorted `name:value` lines; the path with its sorted, url-encoded query. A signature counts once.
"""
SESSION = f"""The cookie of `POST /console/session`, for browsers; by TLS its name is `__Host-muster`. A change also
needs the header `{CSRF_HEADER}` with the session's `csrfToken`, and must not come from another site.
"""
SECURITY: dict[str, Json] = {
    "basic": {"type": "http", "scheme": "basic", "description": "Name and password."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `POST /iam/tokens`."},
    "signature": {"type": "apiKey", "in": "header", "name": "Authorization", "description": SIGNED},
    "session": {"type": "apiKey", "in": "cookie", "name": "muster", "description": SESSION},
}
# One of them, whichever; a route that also answers to nobody has {} beside these.
ANY_PROOF: list[Json] = [{name: []} for name in SECURITY]
