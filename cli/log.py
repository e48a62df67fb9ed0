"""How a process of Muster logs: lines for people on a terminal, JSON lines anywhere else, always on stderr."""

import logging
import sys
from datetime import UTC, datetime

import orjson
import structlog
from structlog.typing import EventDict, Processor

from config.settings import LogSettings
from dag.trace import current_id

# They tell of every connection and request at INFO.
TALKATIVE = ("httpx", "httpcore", "asyncssh")


def configure_logging(settings: LogSettings | None = None) -> None:
    """Send structlog's and the standard library's records to stderr in one form, with the trace that they belong to."""
    settings = settings or LogSettings()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    for_people = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter if for_people else LineFormatter
    rendering = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(for_people)]
    handler.setFormatter(formatter(foreign_pre_chain=shared, processors=rendering))
    _gather_less()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs each login that fails line by line as a traceback; the step's own log has the reason.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _gather_less() -> None:
    # Of what a record gathers our lines show none of these; the standard library's "Optimization" names the switches.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _add_trace(_logger: object, _method: str, line: EventDict) -> EventDict:
    if trace_id := current_id():
        line.setdefault("trace_id", trace_id)
    return line


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """One line of JSON a record: structlog's way, and a shorter one to the same line for the many plain records."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if not isinstance(record.msg, str) or record.exc_info or record.stack_info:
            return super().format(record)
        line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")[:-6] + "Z",
        }
        if trace_id := current_id():
            line["trace_id"] = trace_id
        return orjson.dumps(line).decode()


def _rendering(for_people: bool) -> list[Processor]:
    if for_people:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
