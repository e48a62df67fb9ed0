"""Which characters a text from outside may have: none that forges lines of logs or scripts, or can't be seen."""

import re

# Without Unicode's control, format, private and separator characters below U+10000, but with the blank. It stands in
# the OpenAPI document, hence nothing in it that some language's patterns do not know (\p{C}).
PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ue000-\uf8ff\ufeff\ufff9-\ufffb]*$"
)
_PRINTABLE = re.compile(PATTERN)
# JSON and YAML can spell halves of a character, which UTF-8 can't.
_HALF = re.compile("[\ud800-\udfff]")


def is_printable(text: str) -> bool:
    """Tell whether the text has such characters only."""
    return _PRINTABLE.fullmatch(text) is not None and not _HALF.search(text)
