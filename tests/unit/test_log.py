"""How processes log: one line of JSON a record, whichever library wrote it."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog

from cli.log import configure_logging
from config.settings import LogSettings
from dag.trace import begin, scope


@contextmanager
def logging_to(stream: io.StringIO, settings: LogSettings) -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stderr", stream)
        configure_logging(settings)
        try:
            yield
        finally:
            root.handlers[:] = before
            root.setLevel(level)
            structlog.reset_defaults()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, by a process that is none of a terminal."""
    stream = io.StringIO()
    with logging_to(stream, LogSettings()):
        yield stream


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


def test_each_line_has_the_trace_for_which_its_thread_works(lines: io.StringIO) -> None:
    trace = begin()
    with scope(trace):
        logging.getLogger("celery").info("Task %s received", 1)
        structlog.get_logger("muster").info("call", route="/x")
        structlog.get_logger("muster").info("call", trace_id="its own")
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("muster").exception("run 1:2:3")
    with scope():
        structlog.get_logger("muster").info("none")
    wanted = [trace.trace_id, trace.trace_id, "its own", trace.trace_id, None]
    assert [line.get("trace_id") for line in read(lines)] == wanted


def test_lines_for_people_have_it_too_and_are_no_json() -> None:
    stream, trace = io.StringIO(), begin()
    with logging_to(stream, LogSettings(format="console")), scope(trace):
        logging.getLogger("celery").info("Task %s received", 1)
        structlog.get_logger("muster").info("call", route="/x")
    plain, ours = stream.getvalue().splitlines()
    assert "Task 1 received" in plain
    assert "route=/x" in ours
    assert plain.count(f"trace_id={trace.trace_id}") == ours.count(f"trace_id={trace.trace_id}") == 1


def test_nothing_below_the_level_is_logged() -> None:
    stream = io.StringIO()
    with logging_to(stream, LogSettings(level="error")):
        structlog.get_logger("muster").warning("no")
        logging.getLogger("celery").warning("no")
        structlog.get_logger("muster").error("yes")
    assert [line["event"] for line in read(stream)] == ["yes"]
