"""Takes out of what a host printed what looks like a secret, before any of it is stored, shown or told.

An agent's control program is not Muster's, and prints what it likes. What can be known by its form is hidden: values
that are named as passwords, secrets, tokens or keys; credentials of HTTP and in URLs; JSON Web Tokens; private keys in
PEM or OpenSSH's format.
"""

import re

HIDDEN = "***"
# Most output has none of these: to look for them takes a fiftieth of what the expressions do.
_HINTS = ("pass", "pwd", "secret", "token", "key", "credential", "bearer", "authorization", "eyj", "://")
_NAMES = (
    r"(?:password|passwd|passphrase|(?<![a-z])pass|pwd|secret|token|credentials?|"
    r"(?:secret|api|access|private|signing|encryption|auth)[_-]?key)"
)
# To the quote that closes it where one opens it, which stays; else all of the word.
_VALUE = r"""(\\*["'])?(?({0}).*?(?=\{0}|$)|[^\s"']+)"""
# What is in a group stays.
_SECRET = re.compile(
    "|".join(
        (
            r"""(authorization\\*["']?[ \t]{0,3}[:=][ \t]{0,3}\\*["']?(?:(?:basic|bearer|digest|token)[ \t]+)?)"""
            r"""[^\s"',\\]+""",
            rf"""({_NAMES}\\*["']?[ \t]{{0,3}}(?:=>|[:=])[ \t]{{0,3}}){_VALUE.format(3)}""",
            rf"(--?(?:[a-z][\w-]{{0,40}}?[_-])?{_NAMES}[ \t]{{1,3}})(?!-){_VALUE.format(5)}",
            r"""(://[^\s/:@"']{0,200}:)[^\s/@"']+(?=@)""",
            r"(\bbearer[ \t]{1,3})[\w.~+/-]{16,}=*",
            r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
        )
    ),
    re.IGNORECASE,
)
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# A line between the two: digits of base 64, also behind a time or a name, or a header (RFC 1421).
_OF_KEY = re.compile(r"[\w+/=\s]*|.*[A-Za-z0-9+/=]{16}.*|[A-Za-z-]+: .*|\*\*\*")


class Mask:
    """Hides secrets in a text that comes piece by piece; a private key may begin in one and end in another."""

    def __init__(self) -> None:
        self._is_in_key = False

    def take(self, lines: str) -> str:
        """Return the next lines, as many as they are, with HIDDEN for each secret."""
        if not self._is_in_key and not _may_have(lines):
            return lines
        return "\n".join(map(self._line, lines.split("\n")))

    def _line(self, line: str) -> str:
        if self._is_in_key:
            if end := _END.search(line):
                self._is_in_key = False
                return f"{HIDDEN if line[: end.start()].strip() else ''}{line[end.start() :]}"
            self._is_in_key = bool(_OF_KEY.fullmatch(line))
            if self._is_in_key:
                return HIDDEN if line.strip() else line
        if begin := _BEGIN.search(line):
            head, rest = line[: begin.end()], line[begin.end() :]
            self._is_in_key = True
            return head + (self._line(rest) if rest else "")
        return _SECRET.sub(_hide, line) if _may_have(line) else line


def masked(text: str) -> str:
    """Return a text with HIDDEN for each secret in it."""
    return Mask().take(text)


def _may_have(text: str) -> bool:
    # Not a generator, which would take longer than all the rest.
    return any(map(text.lower().__contains__, _HINTS))


def _hide(found: re.Match[str]) -> str:
    return "".join(filter(None, found.groups())) + HIDDEN
