"""The API as the command line calls it: over HTTP, with a password or a token, like any other client."""

from collections.abc import Iterator, Sequence
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx

from cli.error import CommandError, UsageError

PREFIX = "/api/v2"
LARGEST_PAGE = 2000
TIMEOUT_SECONDS = 30.0
MOST_SHOWN = 3


class Refused(CommandError):
    """The API refuses a call; `reason` is what it said, `details` are its faults by place ("line 3, zone: ...")."""

    def __init__(self, url: str, reason: str, details: Sequence[str]) -> None:
        self.reason, self.details = reason, tuple(details)
        super().__init__(f"The API at {url} refuses: {'; '.join([reason, *details])}")


class ApiClient:
    """Calls one API. Every call raises CommandError, whose text names the API and what it said."""

    def __init__(self, url: str, user: str, password: str, token: str = "") -> None:
        self.url = _base(url)
        # Proxies of the environment are for other machines than this one.
        local = (urlsplit(self.url).hostname or "") in ("localhost", "127.0.0.1", "::1")
        how: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}} if token else {"auth": (user, password)}
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=not local, **how)
        self._refused = "the token: wrong, expired or revoked" if token else f"user {user!r}: wrong name or password"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._http.close()

    def hosts(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield the enrolled hosts that pass the filters (keyword, status; empty ones count for nothing), sorted."""
        yield from self._all(f"{PREFIX}/compute/hosts", **filters)

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

    def restart_agents(self, host_ids: Sequence[int]) -> dict[str, Any]:
        """Submit the restart of the agents of these hosts and return the task."""
        body = {"hostIds": list(host_ids)}
        task: dict[str, Any] = self._call("POST", f"{PREFIX}/compute/hosts/batchRestartAgents", body)
        return task

    def task(self, task_id: int) -> dict[str, Any]:
        """Return a task with all its subtasks."""
        task: dict[str, Any] = self._call("GET", f"{PREFIX}/tasks/instances/{task_id}")
        return task

    def _all(self, path: str, **filters: str) -> Iterator[dict[str, Any]]:
        query = {name: value for name, value in filters.items() if value}
        number = pages = 1
        while number <= pages:
            page = urlencode({**query, "size": LARGEST_PAGE, "page": number})
            data = self._call("GET", f"{path}?{page}")
            yield from data["contents"]
            pages = data["page"]["totalPages"]
            number += 1

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise CommandError(f"No API answers at {self.url} ({type(error).__name__}: {error}).") from None
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise CommandError(f"The API at {self.url} refuses {self._refused}.")
        try:
            envelope = response.json()
        except ValueError:
            raise CommandError(
                f"{self.url} answers with no JSON (HTTP {response.status_code}): no Muster API?"
            ) from None
        if not response.is_success:
            raise Refused(self.url, *_reason(envelope, response.status_code))
        return envelope.get("data")


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--api must be a URL such as http://127.0.0.1:8480, not {url!r}.")
    return url.rstrip("/").removesuffix(PREFIX)


def _reason(envelope: Any, status: int) -> tuple[str, list[str]]:
    error = envelope.get("error", {}) if isinstance(envelope, dict) else {}
    details = [f"{sub['field']}: {sub['message']}" for sub in error.get("subErrors", [])[:MOST_SHOWN]]
    return error.get("message") or f"HTTP {status}", details
