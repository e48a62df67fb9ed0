"""Users, tokens, access keys and the audit log as the command line asks the API for them."""

from typing import Any
from urllib.parse import quote, urlencode

from cli.client import PREFIX, ApiClient
from cli.error import CommandError

Row = dict[str, Any]


class IamClient(ApiClient):
    """Calls about who may call. Every call raises CommandError, whose text names the API and what it said."""

    def users(self) -> list[Row]:
        """Return all users."""
        return list(self._all(f"{PREFIX}/iam/users"))

    def add_user(self, name: str, password: str, roles: list[str]) -> Row:
        """Make a user."""
        row: Row = self._call("POST", f"{PREFIX}/iam/users", {"name": name, "password": password, "roles": roles})
        return row

    def change_user(self, name: str, **change: Any) -> Row:
        """Change a user's password, roles, or whether it is enabled."""
        row: Row = self._call("PATCH", self._path(name), change)
        return row

    def change_own_password(self, current: str, password: str) -> None:
        """Change the caller's own password, for which no permission is needed."""
        self._call("POST", f"{PREFIX}/iam/me/password", {"currentPassword": current, "password": password})

    def remove_user(self, name: str) -> None:
        """Forget a user."""
        self._call("DELETE", self._path(name))

    def credentials(self, kind: str) -> list[Row]:
        """Return the caller's "tokens" or "accessKeys", everybody's for an administrator."""
        return list(self._all(f"{PREFIX}/iam/{kind}"))

    def create_credential(self, kind: str, wish: Row) -> Row:
        """Make a token or an access key; the answer has its secret."""
        row: Row = self._call("POST", f"{PREFIX}/iam/{kind}", wish)
        return row

    def revoke_credential(self, kind: str, id: str) -> None:
        """Revoke a token or an access key."""
        self._call("DELETE", f"{PREFIX}/iam/{kind}/{quote(id, safe='')}")

    def audit(self, limit: int, **filters: str) -> list[Row]:
        """Return the newest entries of the audit log that pass the filters (user, action, result, since)."""
        query = urlencode({name: value for name, value in filters.items() if value} | {"size": str(limit)})
        entries: list[Row] = self._call("GET", f"{PREFIX}/audit?{query}")["contents"]
        return entries

    def _path(self, name: str) -> str:
        found = self._call("GET", f"{PREFIX}/iam/users?name={quote(name, safe='')}")["contents"]
        if not found:
            raise CommandError(f"There is no user {name!r}.")
        return f"{PREFIX}/iam/users/{found[0]['id']}"
