"""All that decides who may call how often, and what remembers it, made once for an app."""

from dataclasses import dataclass

from api.access_key import KEY as ACCESS_KEYS
from api.access_key import AccessKeys
from api.audit import AuditLog
from api.bearer import KEY as TOKENS
from api.bearer import Tokens
from api.credential import CredentialStore
from api.session import SessionStore
from api.throttle import Attempts, RateLimit
from api.user import User, UserStore
from config.settings import ApiSettings


@dataclass(frozen=True)
class Access:
    """The users, what stands for them, and their limits."""

    users: UserStore
    tokens: Tokens
    access_keys: AccessKeys
    sessions: SessionStore
    attempts: Attempts
    rate: RateLimit
    audit: AuditLog

    def remove(self, user: User) -> None:
        """Forget a user and all that stands for that user; the errors of `UserStore.remove`."""
        self.users.remove(user.name)
        # Without their owner they permit nothing any more; this only tidies up.
        self.tokens.store.remove_all(user.id)
        self.access_keys.store.remove_all(user.id)


def open_access(users: UserStore, settings: ApiSettings) -> Access:
    """Return all of it, on the Redis of the users."""
    redis = users.redis
    return Access(
        users,
        Tokens(CredentialStore(redis, TOKENS)),
        AccessKeys(CredentialStore(redis, ACCESS_KEYS), redis, settings.secret_key),
        SessionStore(redis, settings.session_seconds, settings.session_idle_seconds),
        Attempts(redis),
        RateLimit(redis, settings.rate_per_second, settings.rate_burst),
        AuditLog(redis, settings.audit_entries),
    )
