"""How processes log: one line of JSON a record, whichever library wrote it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from cli.log import configure_logging


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, by a process that is none of a terminal."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging()
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_plain_record_and_structlog_s_have_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("celery").info("Task %(id)s received", {"id": "1-ä"})
    structlog.get_logger("muster").info("the API listens")
    plain, ours = read(lines)
    assert (plain["event"], plain["level"], plain["logger"]) == ("Task 1-ä received", "info", "celery")
    assert plain.keys() == ours.keys()
    assert len(plain["timestamp"]) == len(ours["timestamp"]) == len("2026-11-25T03:45:31.311067Z")


def test_an_error_keeps_its_traceback(lines: io.StringIO) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("muster").exception("run 1:2:3")
    [line] = read(lines)
    assert line["event"] == "run 1:2:3"
    assert "ValueError: no" in line["exception"]
