"""Runs one script on one host: the only place where Muster talks SSH."""

import time
from threading import Event

from paramiko.ssh_exception import SSHException

from dag.host import Host
from dag.trace import current
from telemetry.span import NO_SPANS, Attribute, Span, Spans
from telemetry.worker import WorkerMetrics
from workers.remote.error import ConnectionLost, RemoteCancelled, RemoteError, RemoteTimeout
from workers.remote.login import Login
from workers.remote.pool import Pool
from workers.remote.session import UNHEARD, Completed, Listener, Session, words
from workers.remote.settings import SshOptions
from workers.remote.shell import Link, Shell

# How a script that did not end by itself is counted.
OUTCOMES = {ConnectionLost: "connection_lost", RemoteTimeout: "timeout", RemoteCancelled: "cancelled"}


class Executor:
    """Runs scripts over kept connections; used by all threads of a worker. `library` is what all of them may call."""

    def __init__(
        self,
        options: SshOptions,
        metrics: WorkerMetrics | None = None,
        spans: Spans = NO_SPANS,
        library: str = "",
    ) -> None:
        self._user, self._channel_seconds, self._spans = options.user, options.channel_timeout_seconds, spans
        self._metrics, self._library = metrics or WorkerMetrics(), library
        self._pool = Pool(options, Login(options), self._metrics)

    def run(
        self,
        host: Host,
        script: str,
        *,
        run_as: str = "",
        timeout_seconds: float,
        cancelled: Event,
        listener: Listener = UNHEARD,
    ) -> Completed:
        """Run the script with `sh` on the host, as user `run_as` where one is given (`sudo -n`).

        It runs in a subshell of a shell that is kept with the connection. The script comes over standard input, which
        stays open while it runs: when it is closed (time limit, cancelled, connection lost), or nothing comes any more
        (it gets an empty line a second), the script ends itself, the shell and what it started.

        Raises:
            HostUnreachable, HostKeyUnknown, HostKeyChanged, AuthenticationFailed: there was no connection.
            ConnectionLost, RemoteTimeout, RemoteCancelled: the script did not run to its end.
        """
        ends_at = time.monotonic() + timeout_seconds
        other = run_as if run_as != (host.user or self._user) else ""
        listener.connecting(f"{host.address} port {host.ssh_port}")
        while True:
            with self._pool.lend(host) as (link, kept):
                shell = self._shell(link, other, host, kept)
                if shell:
                    listener.connected()
                    session = Session(shell, host, ends_at, cancelled, listener)
                    done = self._measured(session, script, host)
                    if session.is_reusable:
                        link.keep(shell)
                    return done
            # What was kept open had died unnoticed. Nothing of the script was sent yet, so the next one is tried.

    def _shell(self, link: Link, run_as: str, host: Host, kept: bool) -> Shell | None:
        try:
            return link.shell(run_as, self._library, self._channel_seconds)
        except (SSHException, EOFError, OSError) as error:
            link.close()
            if kept:
                return None
            raise ConnectionLost(
                f"{host.address} closed the connection before the script began ({words(error)})."
            ) from None

    def _measured(self, session: Session, script: str, host: Host) -> Completed:
        began, outcome = time.monotonic(), "ended"
        try:
            return session.run(script)
        except RemoteError as error:
            outcome = OUTCOMES[type(error)]
            raise
        finally:
            seconds = time.monotonic() - began
            self._metrics.commanded(outcome, seconds)
            self._trace(host, outcome, seconds)

    def _trace(self, host: Host, outcome: str, seconds: float) -> None:
        trace = current()
        if trace and self._spans.wants(trace):
            attributes: dict[str, Attribute] = {
                "server.address": host.address,
                "server.port": host.ssh_port,
                "muster.outcome": outcome,
            }
            fault, now = "" if outcome == "ended" else outcome, time.time()
            self._spans.tell(Span(trace.part(), "ssh", now - seconds, now, "client", attributes, fault))

    @property
    def open_connections(self) -> int:
        """How many connections are open, idle ones included."""
        return self._pool.open_count

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
