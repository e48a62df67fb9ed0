"""Texts from outside: what they may be made of."""

import pytest

from api.printable import is_printable


@pytest.mark.parametrize("text", ["", "rack 7/a-ö_日本 🙂", "\u0378", "\U000ee438"])
def test_what_can_be_written_is_taken(text: str) -> None:
    assert is_printable(text)


@pytest.mark.parametrize("char", "\n\r\t\x00\x1b\x7f\x85\xa0\u200b\u2028\u202e\ufeff\ud800")
def test_what_forges_lines_or_can_not_be_seen_or_sent_is_refused(char: str) -> None:
    assert not is_printable(char)
    assert not is_printable(f"a{char}b")
    assert not is_printable(f"a{char}")
