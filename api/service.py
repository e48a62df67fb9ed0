"""What the routes work with, handed to the app when it is made."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from api.access import Access, open_access
from api.follower import Followers
from api.user import UserStore
from api.watch import Watch
from api.webhook.delivery import Deliveries
from api.webhook.hook import Hooks
from config.settings import Settings
from dag.host_name import HostNames
from dag.registry import HostRegistry
from dag.store import Store
from telemetry.call import CallMetrics
from telemetry.span import Spans

NAME = "muster"


@dataclass(frozen=True)
class Services:
    """The tasks, hosts and their names, users, who may call, the settings, who waits, follows and is told, counters."""

    store: Store
    registry: HostRegistry
    users: UserStore
    access: Access
    settings: Settings
    watch: Watch
    followers: Followers
    metrics: CallMetrics
    spans: Spans
    hooks: Hooks
    deliveries: Deliveries
    names: HostNames


def open_services(
    store: Store, registry: HostRegistry, users: UserStore, settings: Settings, metrics: CallMetrics, spans: Spans
) -> Services:
    """Return all of it, on the Redis of the store; the metrics count who follows from here on."""
    followers, kept = Followers(store, settings.api.streams), settings.webhook
    metrics.watch_streams(lambda: followers.count)
    return Services(
        store,
        registry,
        users,
        open_access(users, settings.api),
        settings,
        Watch(store, registry, settings.api),
        followers,
        metrics,
        spans,
        Hooks(store.redis, settings.api.secret_key),
        Deliveries(store.redis, most=kept.keep, keep_seconds=kept.keep_seconds),
        HostNames(store),
    )


def services() -> Services:
    """Return those of the app that answers the current request."""
    return cast(Services, current_app.extensions[NAME])
