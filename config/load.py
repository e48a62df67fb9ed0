"""Makes the settings from `muster.toml` and the environment, and refuses what it can't understand.

The environment wins over the file, the file over the default. Every error names the key, the value's source
and what was expected.
"""

import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from config.settings import SECTIONS, Settings

PREFIX = "MUSTER_"
MASK = "********"
# How an error calls what it wanted.
WANTED = {int: "a whole number", float: "a number", bool: "yes or no", str: "a text"}
# Nothing that may be a password whose @ was forgotten.
_SERVER = re.compile(r"[A-Za-z0-9.\[][A-Za-z0-9.:_\]-]*(/[0-9]*)?")
# Names that are no settings themselves: where settings and data are, and which API is called with whose secrets.
RESERVED = frozenset(
    {"MUSTER_CONFIG", "MUSTER_DATA", "MUSTER_API_URL", "MUSTER_PASSWORD", "MUSTER_NEW_PASSWORD", "MUSTER_TOKEN"}
)


class SettingError(Exception):
    """A setting is wrong."""


@dataclass(frozen=True)
class Shown:
    """One setting as `muster config` shows it; secrets are masked."""

    key: str
    value: str
    unit: str
    source: str
    why: str


@dataclass(frozen=True)
class Loaded:
    """The settings in force and where each came from ("default", the file's name, the variable's name)."""

    settings: Settings
    sources: Mapping[str, str]

    def shown(self) -> Iterator[Shown]:
        """Yield every setting in the order of the page."""
        for section, cls in SECTIONS.items():
            values = getattr(self.settings, section)
            for item in fields(cls):
                value = getattr(values, item.name)
                text = masked(value, item.metadata["unit"]) if item.metadata["secret"] else str(value)
                key = f"{section}.{item.name}"
                yield Shown(key, text, item.metadata["unit"], self.sources[key], item.metadata["why"])


def masked(value: str, unit: str) -> str:
    """Return what may be shown of a secret: of a URL the server and the database, of anything else nothing."""
    if not value:
        return ""
    scheme, mark, rest = value.partition("://")
    login, at, place = rest.rpartition("@")
    # A query may hold a password, too.
    if unit != "URL" or not mark or not _SERVER.fullmatch(place):
        return MASK
    return f"{scheme}://{MASK if at else login}{at}{place}"


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read `file` (default: `muster.toml` here, where it is) and the environment.

    Raises:
        SettingError: an unknown key, a value of another type or out of its range, a file that can't be read.
    """
    environment = os.environ if environment is None else environment
    named = file or (Path(environment["MUSTER_CONFIG"]) if "MUSTER_CONFIG" in environment else None)
    path = named or Path("muster.toml")
    given = _from_file(path) if named or path.exists() else {}
    given |= _from_environment(environment)
    sources: dict[str, str] = {}
    sections = {}
    for section, cls in SECTIONS.items():
        values = {}
        for item in fields(cls):
            key = f"{section}.{item.name}"
            raw, sources[key] = given.pop(key, (item.default, "default"))
            values[item.name] = _checked(key, item, raw, sources[key])
        sections[section] = cls(**values)
    if given:
        # Its value is not shown: a secret may stand behind a mistyped name.
        key, (_raw, source) = next(iter(given.items()))
        raise SettingError(f"{source}: there is no setting {key}; `muster config` lists all")
    return Loaded(Settings(**sections), sources)


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: can't be read: {error}") from None
    found: dict[str, tuple[Any, str]] = {}
    for section, values in document.items():
        if not isinstance(values, dict):
            raise SettingError(f"{path}: {section} stands outside of a [section]")
        if section not in SECTIONS and not values:
            raise SettingError(f"{path}: there is no section [{section}]; `muster config` lists all settings")
        found |= {f"{section}.{key}": (value, str(path)) for key, value in values.items()}
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found = {}
    for name, value in environment.items():
        if name.startswith(PREFIX) and name not in RESERVED:
            found[name.removeprefix(PREFIX).lower().replace("_", ".", 1)] = (value, name)
    return found


def _checked(key: str, item: "Field[Any]", raw: Any, source: str) -> Any:
    wanted = type(item.default)
    shown = "a value that is not shown" if item.metadata["secret"] else repr(raw)
    unit = item.metadata["unit"]
    try:
        value = _convert(raw, wanted)
    except (TypeError, ValueError):
        what = WANTED[wanted] if unit in ("yes/no", "number") else f"{WANTED[wanted]} ({unit})"
        raise SettingError(f"{source}: {key} must be {what}, not {shown}") from None
    least, most = item.metadata["least"], item.metadata["most"]
    if least is not None and value < least:
        raise SettingError(f"{source}: {key} must be at least {least} {unit}, not {shown}")
    if most is not None and value > most:
        raise SettingError(f"{source}: {key} must be at most {most} {unit}, not {shown}")
    choices = item.metadata["choices"]
    if choices and value not in choices:
        raise SettingError(f"{source}: {key} must be one of {', '.join(choices)}, not {shown}")
    return value


def _convert(raw: Any, wanted: type) -> Any:
    if wanted is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(raw, bool):
            return raw
        if str(raw).lower() in words:
            return words[str(raw).lower()]
        raise ValueError(raw)
    if isinstance(raw, bool) or (wanted is str and not isinstance(raw, str)):
        raise TypeError(raw)
    if wanted is int and isinstance(raw, float):
        raise TypeError(raw)
    value = wanted(raw)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(raw)
    return value
