"""What the routes work with, handed to the app when it is made."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from api.access import Access
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


def services() -> Services:
    """Return those of the app that answers the current request."""
    return cast(Services, current_app.extensions[NAME])
