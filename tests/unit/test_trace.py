"""The W3C's traceparent: what is taken up, what is ignored, and what goes on from it."""

import re
import threading

import pytest

from dag.trace import Trace, begin, current, current_id, enter, parse, scope

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_a_span_is_read_with_the_one_flag_that_is_known(flags: str, sampled: bool) -> None:
    assert parse(f"00-{TRACE}-{SPAN}-{flags}") == Trace(TRACE, SPAN, sampled)


def test_a_later_version_may_have_more_behind() -> None:
    assert parse(f"cc-{TRACE}-{SPAN}-01") == parse(f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be") is not None


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "-",
        TRACE,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_what_is_malformed_is_ignored_and_a_trace_of_its_own_begins(malformed: str) -> None:
    assert parse(malformed) is None
    begun = begin(malformed)
    assert re.fullmatch("[0-9a-f]{32}", begun.trace_id)
    assert begun.trace_id != TRACE


def test_a_span_of_our_own_begins_in_the_callers_trace() -> None:
    begun = begin(f"00-{TRACE}-{SPAN}-01")
    assert (begun.trace_id, begun.is_sampled, begun.short_id) == (TRACE, True, TRACE[16:])
    assert begun.span_id != SPAN
    assert parse(begun.parent) == begun
    assert begin(f"00-{TRACE}-{SPAN}-00").parent.endswith("-00")


def test_each_thread_works_for_its_own_trace() -> None:
    seen: list[str] = []
    with scope(parse(f"00-{TRACE}-{SPAN}-01")):
        thread = threading.Thread(target=lambda: seen.append(current_id()))
        thread.start()
        thread.join()
        assert current_id() == TRACE
        with scope():
            assert current() is None
            enter(begin())
            assert current_id() != TRACE
        assert current_id() == TRACE
    assert seen == [""]
