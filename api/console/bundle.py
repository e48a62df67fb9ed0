"""The files of the console, read once: scripts and styles as they stand in `static/`, and the page that loads them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
SUFFIXES = (".js", ".css", ".svg")


@dataclass(frozen=True)
class Bundle:
    """The files by name (`task/page.js`), what names this state of all of them, and the page."""

    files: Mapping[str, bytes]
    release: str
    index: bytes


@cache
def bundle() -> Bundle:
    """Return the files of this process.

    Browsers keep them under a path with a digest of all: modules import each other by relative paths, so a new release
    is loaded as a whole.
    """
    paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in SUFFIXES)
    files = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in paths}
    page = (FOLDER / INDEX).read_text()
    digest = hashlib.sha256(page.encode())
    for name, content in files.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    release = digest.hexdigest()[:16]
    index = page.replace("{{files}}", _links(files)).replace("{{release}}", release)
    return Bundle(files, release, index.encode())


def _links(files: Mapping[str, bytes]) -> str:
    """Return the lines that load all styles, the common ones first, and all modules at once.

    Else each module would be found in the one that imports it.
    """
    styles = sorted((name for name in files if name.endswith(".css")), key=lambda name: ("/" in name, name))
    modules = [name for name in files if name.endswith(".js") and name != "start.js"]
    links = [("stylesheet", name) for name in styles] + [("modulepreload", name) for name in modules]
    return "\n".join(f'<link rel="{kind}" href="/console/static/{{{{release}}}}/{name}">' for kind, name in links)
