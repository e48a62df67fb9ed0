"""The Celery application: how messages travel. The scheduler publishes with it, the workers consume with it."""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection

from config.settings import Settings
from workers.event import SERIALIZER, BatchingEvents

# A worker must start with one queue; its shards come by add_consumer. Nothing is ever sent to this one.
IDLE_QUEUE = "muster.idle"
TRANSPORT = "workers.transport:Transport"


class _Connection(Connection):
    """Tries again at least once a second: kombu's own pauses grow to 30 s, which a worker would still sleep on."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Return the connection once it is there; see kombu."""
        often = {"interval_start": 0.2, "interval_step": 0.2, "interval_max": 1.0}
        return super().ensure_connection(*arguments, **{**often, **options})

    def as_uri(self, *arguments: Any, **options: Any) -> str:
        """Return the URL as people write it; kombu would put the transport's class in front."""
        uri: str = super().as_uri(*arguments, **options)
        return uri.replace(f"{TRANSPORT}://", "redis://", 1)


class _Amqp(AMQP):
    """Celery's way to make connections."""

    Connection = _Connection


def broker_url(settings: Settings) -> str:
    """Return the broker's URL: the one set, or database 1 of the store's server."""
    if settings.redis.broker_url:
        return settings.redis.broker_url
    head, _, _database = settings.redis.url.rpartition("/")
    return f"{head}/1"


def create_celery(settings: Settings) -> Celery:
    """Return the application: JSON only, no results, early acknowledgement, prefetch 1, events for Flower."""
    app = Celery("muster", set_as_current=False, amqp=_Amqp, events=BatchingEvents)
    url = broker_url(settings)
    app.conf.update(
        broker_url=url,
        # Another kind of broker keeps kombu's own way to it.
        broker_transport=TRANSPORT if url.startswith(("redis:", "rediss:")) else None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_keepalive": True,
            "socket_timeout": settings.redis.timeout_seconds,
            "socket_connect_timeout": settings.redis.timeout_seconds,
            "retry_on_timeout": True,
        },
        task_serializer="json",
        accept_content=["json"],
        event_serializer=SERIALIZER,
        task_ignore_result=True,
        task_acks_late=False,
        task_default_queue=IDLE_QUEUE,
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # A lost broker connection must not cancel what runs: the store's leases decide that.
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app
