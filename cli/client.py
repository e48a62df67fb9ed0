"""The API as the command line calls it: over HTTP, with a password or a token, like any other client."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx

from cli.error import CommandError, UsageError

PREFIX = "/api/v2"
LARGEST_PAGE = 2000
TIMEOUT_SECONDS = 30.0
MOST_SHOWN = 3
# Said for now: too many calls, Redis away, a proxy that finds no API behind it.
PASSING = frozenset({429, 502, 503, 504})

Filter = str | Sequence[str]


class Refused(CommandError):
    """The API refuses a call; `reason` is what it said, `details` are its faults by place ("line 3, zone: ...")."""

    def __init__(self, url: str, reason: str, details: Sequence[str]) -> None:
        self.reason, self.details = reason, tuple(details)
        # One fault stands in the reason itself.
        more = details if len(details) > 1 else ()
        super().__init__(f"The API at {url} refuses: {'; '.join([reason, *more])}")


class Unavailable(CommandError):
    """The API can't serve now: nobody answers, or it says 429 or 503. The same call may do `after_seconds` later."""

    def __init__(self, text: str, after_seconds: float = 0.0) -> None:
        self.after_seconds = after_seconds
        super().__init__(text)


class ApiClient:
    """Calls one API. Every call raises CommandError, whose text names the API and what it said.

    `transport` stands in for the network.
    """

    def __init__(
        self, url: str, user: str, password: str, token: str = "", *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = _base(url)
        # Proxies of the environment are for other machines than this one.
        local = (urlsplit(self.url).hostname or "") in ("localhost", "127.0.0.1", "::1")
        how: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}} if token else {"auth": (user, password)}
        how |= {"timeout": TIMEOUT_SECONDS, "trust_env": not local, "transport": transport}
        self._http = httpx.Client(base_url=self.url, **how)
        self._refused = "the token: wrong, expired or revoked" if token else f"user {user!r}: wrong name or password"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._http.close()

    def health(self, path: str) -> dict[str, Any]:
        """Return the envelope of "healthz" or "readyz", for which nobody has to sign in."""
        return self._envelope(self._send("GET", f"/{path}"))

    def me(self) -> dict[str, Any]:
        """Return who calls."""
        user: dict[str, Any] = self._call("GET", f"{PREFIX}/iam/me")
        return user

    def hosts(self, **filters: Filter) -> Iterator[dict[str, Any]]:
        """Yield the enrolled hosts that pass the filters, sorted.

        Filters are keyword, status, agentStatus and label (NAME=VALUE, all of several); empty ones count for nothing.
        """
        yield from self._all(f"{PREFIX}/compute/hosts", **filters)

    def host(self, host_id: int) -> dict[str, Any]:
        """Return one host."""
        host: dict[str, Any] = self._call("GET", f"{PREFIX}/compute/hosts/{host_id}")
        return host

    def enrol(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Enrol the hosts of a body of `batchCreate` and return them with their ids."""
        contents: list[dict[str, Any]] = self._call("POST", f"{PREFIX}/compute/hosts/batchCreate", body)["contents"]
        return contents

    def import_hosts(self, body: dict[str, Any]) -> dict[str, Any]:
        """Enrol the hosts of an inventory (`format`, `content`) and return which were new, known, ignored."""
        answer: dict[str, Any] = self._call("POST", f"{PREFIX}/compute/hosts/import", body)
        return answer

    def forget(self, host_ids: Sequence[int]) -> None:
        """Forget all of these hosts or none."""
        self._call("POST", f"{PREFIX}/compute/hosts/batchDelete", {"hostIdList": list(host_ids)})

    def agent(self, host_id: int) -> dict[str, Any]:
        """Return the agent of a host as it is now."""
        agent: dict[str, Any] = self._call("GET", f"{PREFIX}/compute/hosts/{host_id}/agent")
        return agent

    def _all(self, path: str, **filters: Filter) -> Iterator[dict[str, Any]]:
        query = {name: value for name, value in filters.items() if value}
        number = pages = 1
        while number <= pages:
            page = urlencode({**query, "size": LARGEST_PAGE, "page": number}, doseq=True)
            data = self._call("GET", f"{path}?{page}")
            yield from data["contents"]
            pages = data["page"]["totalPages"]
            number += 1

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        return self._envelope(self._send(method, path, body, headers)).get("data")

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"No API answers at {self.url} ({type(error).__name__}: {error}).") from None
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise CommandError(f"The API at {self.url} refuses {self._refused}.")
        if response.is_success:
            return response
        reason, details = _reason(self._envelope(response), response.status_code)
        if response.status_code in PASSING:
            raise Unavailable(f"The API at {self.url} can't serve now: {reason}", _seconds(response))
        raise Refused(self.url, reason, details)

    def _envelope(self, response: httpx.Response) -> dict[str, Any]:
        try:
            envelope = response.json()
        except ValueError:
            envelope = None
        if isinstance(envelope, dict):
            return envelope
        if response.status_code in PASSING:
            # A proxy in front answers so in words of its own.
            return {}
        raise CommandError(f"{self.url} answers with no JSON (HTTP {response.status_code}): no Muster API?")


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--api must be a URL such as http://127.0.0.1:8480, not {url!r}.")
    return url.rstrip("/").removesuffix(PREFIX)


def _seconds(response: httpx.Response) -> float:
    """Return what Retry-After says, 0 where it says nothing or a date."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _reason(envelope: Mapping[str, Any], status: int) -> tuple[str, list[str]]:
    error = envelope.get("error", {})
    details = [f"{sub['field']}: {sub['message']}" for sub in error.get("subErrors", [])[:MOST_SHOWN]]
    return error.get("message") or f"HTTP {status}", details
