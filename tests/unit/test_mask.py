"""What looks like a secret in the output of a host is hidden, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.action.action import error_of, read_found
from workers.mask import HIDDEN, Mask, masked
from workers.remote.log import log_text
from workers.remote.session import Completed

SECRET = "Hunter2-Pass"
BEGIN, END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
LINE_OF_KEY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (f"connecting with password={SECRET} to db", f"connecting with password={HIDDEN} to db"),
        (f"DB_PASSWORD: {SECRET}", f"DB_PASSWORD: {HIDDEN}"),
        (f"MYSQL_PWD={SECRET} mysql", f"MYSQL_PWD={HIDDEN} mysql"),
        (f'{{"dbPassword": "{SECRET}, it is", "user": "root"}}', f'{{"dbPassword": "{HIDDEN}", "user": "root"}}'),
        (f'"{{\\"token\\":\\"{SECRET}\\",\\"n\\":1}}"', f'"{{\\"token\\":\\"{HIDDEN}\\",\\"n\\":1}}"'),
        (f"password='{SECRET} and more", f"password='{HIDDEN}"),
        (f"aws_secret_access_key = {SECRET}", f"aws_secret_access_key = {HIDDEN}"),
        (f"apiKey={SECRET}&x=1", f"apiKey={HIDDEN}"),
        (f"agentctl --port 3 --db-password {SECRET} -v", f"agentctl --port 3 --db-password {HIDDEN} -v"),
        (f"--token '{SECRET} b' -v", f"--token '{HIDDEN}' -v"),
        (f"> Authorization: Basic {SECRET}", f"> Authorization: Basic {HIDDEN}"),
        (f"Authorization: {SECRET}", f"Authorization: {HIDDEN}"),
        (f"sent Bearer {SECRET}-0123456789", f"sent Bearer {HIDDEN}"),
        (f"got {JWT} of it", f"got {HIDDEN} of it"),
        (f"mysql://root:{SECRET}@10.0.0.1/db", f"mysql://root:{HIDDEN}@10.0.0.1/db"),
        (f"cat: {BEGIN}\\n{LINE_OF_KEY}\\n{END} read", f"cat: {BEGIN}{HIDDEN}{END} read"),
    ],
)
def test_a_secret_is_hidden(printed: str, shown: str) -> None:
    assert masked(printed) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "printed",
    [
        "sudo: a password is required",
        "the token has expired, the key is unknown",
        "tests passed: 5, bypass: yes",
        "--password-file /etc/agent/password --token-file x",
        "http://10.0.0.1:8080/status user@host:22",
        '{"successful":true,"message":{"state":"running","pid":10589}}',
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_none_stays(printed: str) -> None:
    assert masked(printed) == printed


def test_a_private_key_is_hidden_line_by_line() -> None:
    header = "Proc-Type: 4,ENCRYPTED"
    stamped = f"2026-11-30T10:00:00 INFO {LINE_OF_KEY}"
    key = [BEGIN, header, "", LINE_OF_KEY, stamped, "Zz==", f"Zz=={END}"]
    shown = [BEGIN, HIDDEN, "", HIDDEN, HIDDEN, HIDDEN, f"{HIDDEN}{END}"]
    assert masked("\n".join(["one", *key, "done"])) == "\n".join(["one", *shown, "done"])


def test_a_key_that_does_not_end_hides_no_more_than_what_may_be_of_it() -> None:
    assert masked(f"{BEGIN}\n{LINE_OF_KEY}\nexit 1 after 0.24 s\nword") == (
        f"{BEGIN}\n{HIDDEN}\nexit 1 after 0.24 s\nword"
    )


LINES = st.sampled_from(
    ["one", "", BEGIN, END, LINE_OF_KEY, f"password={SECRET}", "exit 1 after 0.2 s", f"x {BEGIN} y"]
)


@given(st.lists(LINES), st.lists(st.integers(1, 4)))
def test_however_the_lines_come_the_same_is_hidden(lines: list[str], counts: list[int]) -> None:
    mask, shown, at = Mask(), "", 0
    for count in [*counts, len(lines)]:
        shown += mask.take("".join(f"{line}\n" for line in lines[at : at + count]))
        at += count
    assert shown == masked("".join(f"{line}\n" for line in lines))
    assert SECRET not in shown
    assert masked(shown) == shown


def test_neither_a_log_nor_a_reason_has_it() -> None:
    said = f"{'x' * 190} password={SECRET} {'y ' * 100}"
    done = Completed(1, said, 0.1)
    for text in (log_text("head\n", done, ""), log_text("head\n", None, "gone", said), error_of(said)):
        assert "Pass" not in text
        assert "y y" in text
    reason = read_found(Completed(1, f"{'x' * 480} password={SECRET} {'y' * 492}", 0.1)).reason
    assert "Pass" not in reason
    assert error_of(f'{{"error":"token: {SECRET}"}}') == f"token: {HIDDEN}"


def test_a_reason_that_is_cut_begins_with_a_word() -> None:
    assert error_of(" ".join(["word"] * 100)) == " ".join(["word"] * 60)
