"""How a process of Muster logs: lines for people on a terminal, JSON lines anywhere else, always on stderr."""

import logging
import sys
from datetime import UTC, datetime

import orjson
import structlog
from structlog.typing import Processor

# They tell of every connection and request at INFO.
TALKATIVE = ("httpx", "httpcore", "asyncssh")


def configure_logging() -> None:
    """Send structlog's and the standard library's records to stderr in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter if sys.stderr.isatty() else LineFormatter
    handler.setFormatter(
        formatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering()],
        )
    )
    _gather_less()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs each login that fails line by line as a traceback; the step's own log has the reason.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _gather_less() -> None:
    # Of what a record gathers our lines show none of these; the standard library's "Optimization" names the switches.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


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
        return orjson.dumps(line).decode()


def _rendering() -> list[Processor]:
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
