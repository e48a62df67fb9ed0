"""Makes the settings from `muster.toml` and the environment, and refuses what it can't understand.

The environment wins over the file, the file over the default. Every error names the key, the value's source
and what was expected.
"""

import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from config.settings import SECTIONS, Settings

PREFIX = "MUSTER_"
# Names that are no settings themselves: where settings and data are, and the secrets of whoever calls the API.
RESERVED = frozenset({"MUSTER_CONFIG", "MUSTER_DATA", "MUSTER_PASSWORD", "MUSTER_NEW_PASSWORD", "MUSTER_TOKEN"})


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
                text = ("********" if value else "") if item.metadata["secret"] else str(value)
                key = f"{section}.{item.name}"
                yield Shown(key, text, item.metadata["unit"], self.sources[key], item.metadata["why"])


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
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
    try:
        value = _convert(raw, wanted)
    except (TypeError, ValueError):
        raise SettingError(
            f"{source}: {key} must be {wanted.__name__} ({item.metadata['unit']}), not {shown}"
        ) from None
    least, most = item.metadata["least"], item.metadata["most"]
    if least is not None and value < least:
        raise SettingError(f"{source}: {key} must be at least {least} {item.metadata['unit']}, not {shown}")
    if most is not None and value > most:
        raise SettingError(f"{source}: {key} must be at most {most} {item.metadata['unit']}, not {shown}")
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
