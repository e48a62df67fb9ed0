"""Every setting on one page: its default, its unit and why it is so.

A field's metadata holds `unit` and `why`; `secret` ones are masked wherever settings are shown.
`config/load.py` fills this from `muster.toml` and from `MUSTER_<SECTION>_<KEY>`.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from config.address import reachable

MOST_PORT = 65535


def option(
    default: Any,
    unit: str,
    why: str,
    *,
    secret: bool = False,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one setting; `least` and `most` are the smallest and the largest value that make sense."""
    meta = {"unit": unit, "why": why, "secret": secret, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=meta, repr=not secret)


@dataclass(frozen=True)
class RedisSettings:
    """Where the truth is kept."""

    url: str = option("redis://127.0.0.1:6379/0", "URL", "the store of tasks and hosts", secret=True)
    broker_url: str = option("", "URL", "Celery's messages; empty: database 1 of the store's server", secret=True)
    timeout_seconds: float = option(
        5.0, "s", "a call that takes longer counts as Redis away; some wait for a second in any case", least=2
    )


@dataclass(frozen=True)
class ApiSettings:
    """The HTTP API."""

    host: str = option("127.0.0.1", "address", "loopback unless you say otherwise: put TLS in front of it")
    port: int = option(8480, "TCP port", "where the API listens", least=0, most=MOST_PORT)
    public_url: str = option("", "URL", "where people reach it, for links; empty: http:// with host and port")
    threads: int = option(16, "threads", "requests answered at once; each holds one Redis connection", least=1)
    streams: int = option(16, "streams", "of events at once; each holds one more thread, not one of these", least=1)
    max_hosts: int = option(10_000, "hosts", "the most that one call may name", least=1)
    max_body_bytes: int = option(
        4 * 1024 * 1024, "bytes", "10,000 host ids are 0.2 MB; a host with variables 1 kB", least=1024
    )
    look_seconds: float = option(
        12.0, "s", "how long a call waits for a look at a host: longer than ssh.connect_timeout_seconds", least=0.1
    )
    operation_seconds: float = option(30.0, "s", "how long a call waits for one process to be restarted", least=0.1)
    request_timeout_seconds: int = option(60, "s", "a request that takes longer loses its connection", least=1)
    server_name: str = option("", "name", "the envelope's `server`; empty: host name and process id")
    admin_user: str = option("admin", "name", "the first user, made where there is none")
    admin_password: str = option("", "password", "of the first user; empty: a random one, shown once", secret=True)
    secret_key: str = option(
        "",
        "text",
        "encrypts access keys and webhooks' secrets; 32 characters or more, the same on every API",
        secret=True,
    )
    proxies: int = option(0, "proxies", "in front; their X-Forwarded-For and -Proto tell where from and how", least=0)
    rate_per_second: float = option(200.0, "calls/s", "of one user, over all API processes; 0: no limit", least=0)
    rate_burst: int = option(400, "calls", "of one user that may come at once", least=1)
    idempotency_seconds: int = option(86_400, "s", "an Idempotency-Key gives the same task again for so long", least=60)
    session_seconds: int = option(
        12 * 3600, "s", "a working day: after it the console asks for the password again", least=60
    )
    session_idle_seconds: int = option(
        2 * 3600,
        "s",
        "nobody did anything in the console for so long: signed out; following a task does not count",
        least=60,
    )
    audit_entries: int = option(100_000, "entries", "kept in the audit log, about 0.4 kB each", least=100)

    @property
    def url(self) -> str:
        """Where people reach it, as far as it is known."""
        return self.public_url.rstrip("/") or f"http://{reachable(self.host)}:{self.port}"


@dataclass(frozen=True)
class EngineSettings:
    """Leases, retries and retention."""

    lease_seconds: float = option(15.0, "s", "a worker silent for so long has lost its nodes", least=2)
    begin_within_seconds: float = option(
        10.0, "s", "a message that no worker has in its hands by then is looked for", least=0.5
    )
    most_lost: int = option(3, "runs", "so many lost runs of a node are made up for; one more is FAILED", least=1)
    sweep_seconds: float = option(
        1.0, "s", "how often leases are looked through: found within 2 s of their end", least=0.1
    )
    claim_after_seconds: float = option(
        2.0, "s", "a scheduler's messages go to another when it was silent so long", least=0.5
    )
    balance_seconds: float = option(1.0, "s", "how often shards are spread over the workers", least=0.2)
    shards_per_zone: int = option(32, "queues", "measured: 2 to 64 queues over two workers cost the same", least=1)
    retention_seconds: int = option(30 * 86400, "s", "ended tasks and their logs are kept so long", least=60)


@dataclass(frozen=True)
class WorkerSettings:
    """A worker process."""

    threads: int = option(32, "threads", "nodes at once; nearly all their time is waiting for SSH", least=1)
    zone: str = option("default", "name", "the network area whose hosts this worker reaches")
    profile_dir: str = option("", "directory", "your own agent profiles, looked at before the built-in ones")
    look_seconds: float = option(10.0, "s", "a look at what runs on a host is ended after so long", least=1)
    look_keep_seconds: float = option(2.0, "s", "a look answers the same question for so long", least=0)
    log_seconds: float = option(
        0.5, "s", "how often what running steps print is stored; one that ends sooner is stored once", least=0.1
    )
    drain_seconds: float = option(60.0, "s", "how long a stopping worker may finish what runs", least=0)


@dataclass(frozen=True)
class SshSettings:
    """How workers reach hosts. Keys live on workers only."""

    user: str = option("admin", "name", "login where a host names none")
    key_file: str = option("", "file", "private key; empty: only what the agent offers")
    key_dir: str = option("", "directory", "more private keys, each named by the id of a host's credential")
    passphrase: str = option("", "password", "of the private keys", secret=True)
    use_agent: bool = option(False, "yes/no", "offer the keys of the running ssh-agent")
    known_hosts: str = option("~/.ssh/known_hosts", "file", "host keys, always checked; an unknown host is refused")
    connect_timeout_seconds: float = option(10.0, "s", "TCP, banner and login each", least=0.1)
    channel_timeout_seconds: float = option(10.0, "s", "paramiko's own is an hour", least=0.1)
    pool_size: int = option(512, "connections", "kept open per worker; each costs about 0.1 MB", least=1)
    idle_seconds: float = option(60.0, "s", "a connection unused for so long is closed", least=1)
    keepalive_seconds: int = option(5, "s", "finds a dead connection", least=1)


@dataclass(frozen=True)
class FlowerSettings:
    """Flower, the workers' dashboard."""

    url: str = option("", "URL", "where browsers find Flower: the console links to it; empty: no link")
    port: int = option(5555, "TCP port", "where Flower listens, on the API's host", least=0, most=MOST_PORT)
    max_tasks: int = option(
        20_000, "rows", "one a run of a node, in memory: 4 kB each beside 90 MB, so 170 MB", least=100
    )
    max_workers: int = option(500, "workers", "kept in memory, also those that have ended: each start is one", least=1)
    forget_seconds: int = option(3600, "s", "a worker that is offline so long is no longer listed", least=1)


@dataclass(frozen=True)
class WebhookSettings:
    """What is told to others, and how often it is tried."""

    attempts: int = option(12, "attempts", "of one delivery; with the waits between them two and a half hours", least=1)
    first_retry_seconds: float = option(5.0, "s", "the wait after the first attempt; doubled after each", least=0.1)
    longest_retry_seconds: float = option(3600.0, "s", "no wait is longer", least=0.1)
    timeout_seconds: float = option(10.0, "s", "one attempt, from the name's look-up to the answer", least=0.1)
    at_once: int = option(2, "attempts", "under way to one receiver from one API: a slow one holds no more", least=1)
    keep: int = option(500, "deliveries", "listed for each webhook, up to 12 kB each; then the oldest go", least=10)
    keep_seconds: int = option(7 * 86400, "s", "a delivery is listed for so long", least=60)
    denied_networks: str = option(
        "169.254.0.0/16,fe80::/10,fd00:ec2::254/128,0.0.0.0/8,::/128,224.0.0.0/4,ff00::/8",
        "networks",
        "are never connected to: a cloud's metadata, nothing, everybody; private ones are where receivers are",
    )


@dataclass(frozen=True)
class LogSettings:
    """What the processes write to stderr."""

    format: str = option(
        "auto",
        "name",
        "json; console: for people; auto: console on a terminal",
        choices=("auto", "json", "console"),
    )
    level: str = option("info", "name", "the least that is logged", choices=("debug", "info", "warning", "error"))
    calls: bool = option(True, "yes/no", "the API logs a line for each call that it has answered")


@dataclass(frozen=True)
class MetricsSettings:
    """Where each process tells how it is: `/metrics`, `/healthz` and `/readyz`, on a port of its own."""

    host: str = option("127.0.0.1", "address", "who reads them needs no login unless there is a token; empty: nowhere")
    token: str = option("", "text", "who reads /metrics must send it (Bearer); empty: nobody need", secret=True)
    api_port: int = option(8580, "TCP port", "of an API; where it is taken, the next free one", least=0, most=MOST_PORT)
    scheduler_port: int = option(8600, "TCP port", "of a scheduler, likewise; 0: any", least=0, most=MOST_PORT)
    worker_port: int = option(8620, "TCP port", "of a worker, likewise", least=0, most=MOST_PORT)


@dataclass(frozen=True)
class OtelSettings:
    """Spans for an OpenTelemetry collector; needs `pip install muster[otel]`."""

    endpoint: str = option(
        "",
        "URL",
        "of the collector (OTLP over HTTP); empty: none, or OTEL_EXPORTER_OTLP_ENDPOINT",
        secret=True,
    )
    sample_ratio: float = option(1.0, "share", "of the traces that no caller has decided on", least=0, most=1)


@dataclass(frozen=True)
class Settings:
    """All settings, made once at start and handed down."""

    redis: RedisSettings = RedisSettings()
    api: ApiSettings = ApiSettings()
    engine: EngineSettings = EngineSettings()
    worker: WorkerSettings = WorkerSettings()
    ssh: SshSettings = SshSettings()
    flower: FlowerSettings = FlowerSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    otel: OtelSettings = OtelSettings()
    webhook: WebhookSettings = WebhookSettings()


SECTIONS: dict[str, type] = {section.name: type(section.default) for section in fields(Settings)}
