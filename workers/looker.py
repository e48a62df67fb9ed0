"""Answers inquiries: looks at a host for whoever waits for it at the API."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from celery import Celery

from dag.error import UnknownHosts
from dag.host import Agent
from dag.inquiry import Inquiries, Look
from dag.registry import HostRegistry
from telemetry.span import NO_SPANS, Spans
from workers.action.look import build_look, read_look
from workers.message import LOOK
from workers.profile.profile import ProfileError, profile_of
from workers.remote.error import RemoteError, RemoteTimeout
from workers.runner import RemoteExecutor
from workers.sighting import looked, missed, reached
from workers.strategy import NodeTask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Looker:
    """Used by all threads of a worker; times are seconds."""

    inquiries: Inquiries
    hosts: HostRegistry
    executor: RemoteExecutor
    look_seconds: float
    keep_seconds: float
    profile_dir: Path | None = None

    def look(self, host_id: int, number: int) -> str:
        """Look and answer, and return what Flower is to show; an inquiry that nobody waits for is left alone."""
        if not self.inquiries.is_asked(host_id, number):
            return "nobody waits for it"
        look, agent = self._look(host_id)
        self.inquiries.answer(host_id, number, look, agent, keep_seconds=self.keep_seconds)
        return look.reason or look.status

    def _look(self, host_id: int) -> tuple[Look, Agent | None]:
        try:
            look = self._run(host_id)
        except RemoteError as error:
            unreachable = not isinstance(error, RemoteTimeout)
            return Look(reason=str(error), unreachable=unreachable), missed(self.hosts, host_id, error)
        except (UnknownHosts, ProfileError) as error:
            return Look(reason=str(error)), None
        except Exception as error:
            # A fault of ours: whoever waits is told at once, and the worker's log has the rest.
            log.exception("look at host %s", host_id)
            return Look(reason=f"Unexpected {type(error).__name__}; the worker's log has more."), None
        if look.reason:
            return look, reached(self.hosts, host_id)
        agent = looked(self.hosts, host_id, look)
        # A stopped agent does not tell its version.
        return replace(look, version=agent.version), agent

    def _run(self, host_id: int) -> Look:
        host = self.hosts.get(host_id)
        profile = profile_of(host, self.profile_dir)
        script, limit = build_look(profile, seconds=self.look_seconds), self.look_seconds
        done = self.executor.run(host, script, run_as=profile.run_as, timeout_seconds=limit, cancelled=Event())
        return read_look(done, profile)


def register_looks(app: Celery, looker: Looker, spans: Spans = NO_SPANS) -> None:
    """Make the Celery task that inquiries come by."""

    def look(*, host: int, inquiry: int) -> str:
        return looker.look(host, inquiry)

    app.task(look, name=LOOK, base=NodeTask, spans=spans, ignore_result=True, serializer="json")
