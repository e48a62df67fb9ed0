"""Agent profiles: how one kind of agent is controlled, as data.

A profile is a TOML file named after it: in the operator's own folder, or in `builtin/` beside this module. What
may stand in one is said in `docs/profiles.md`; a host's `variables` fill its placeholders (`{home}`).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from config.settings import WorkerSettings
from dag.host import Host

BUILTIN = Path(__file__).parent / "builtin"
ANSWERS = ("json", "exit")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PORT = re.compile(r"[0-9]{1,5}")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

Command = tuple[str, ...]


class ProfileError(Exception):
    """A profile can't be used: it is missing, malformed, or the host's variables do not fit."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process that the agent has exactly once.

    It is known by `path` (the program, or the script after its interpreter) or else by `pattern` (an extended regular
    expression over all arguments). `pid_file` names it, too, or alone, if the arguments of that pid hold `name`: the
    file may be older than the process. The guard is stopped first.
    With `start` and `stop` it can be controlled alone, while the others run.
    """

    name: str
    path: str = ""
    pattern: str = ""
    pid_file: str = ""
    guard: bool = False
    start: Command = ()
    stop: Command = ()


@dataclass(frozen=True)
class ProxySpec:
    """The proxy that some agents have beside them: its process, its TCP port ("0": none), its own start and stop."""

    process: ProcessSpec
    start: Command
    stop: Command
    port: str = "0"


@dataclass(frozen=True)
class Profile:
    """A profile; the strings of a loaded one hold placeholders, those of a filled one none.

    `answers` is "json" (the control program prints the JSON of `ocp_agentctl`) or "exit" (the exit code is all).
    A variable without a default ("") must come from the host where `required` names it. Times are seconds.
    """

    name: str
    start: Command
    stop: Command
    processes: tuple[ProcessSpec, ...]
    status: Command = ()
    version: Command = ()
    present: Command = ()
    answers: str = "exit"
    run_as: str = ""
    proxy: ProxySpec | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    stop_seconds: int = 30
    start_seconds: int = 60
    grace_seconds: int = 5
    settle_seconds: int = 1

    @property
    def all_processes(self) -> tuple[ProcessSpec, ...]:
        """Every process, and last the proxy with its commands where there is one."""
        proxy = self.proxy
        return self.processes + ((replace(proxy.process, start=proxy.start, stop=proxy.stop),) if proxy else ())

    def alone(self, name: str) -> "Profile":
        """Return the profile of an agent that consists of this process only.

        Raises:
            ProfileError: there is no such process, or it can't be controlled alone.
        """
        spec = next((spec for spec in self.all_processes if spec.name == name), None)
        if spec is None:
            raise ProfileError(f"Profile {self.name} has no process {name!r}.")
        if not spec.start:
            raise ProfileError(f"Profile {self.name} does not say how to start and stop {name} alone.")
        one = replace(spec, guard=False)
        return replace(self, processes=(one,), proxy=None, start=spec.start, stop=spec.stop, status=(), version=())

    def fill(self, given: Mapping[str, str]) -> "Profile":
        """Return the profile with the host's variables in place of its placeholders.

        Raises:
            ProfileError: an unknown variable, or one that is needed and empty.
        """
        unknown = sorted(given.keys() - self.variables.keys())
        if unknown:
            known = ", ".join(sorted(self.variables))
            raise ProfileError(f"Profile {self.name} has no variable {unknown[0]}; it has {known}.")
        values = {**self.variables, **given}
        for name in sorted(self.required):
            if not values[name]:
                raise ProfileError(f"Profile {self.name} needs the host's variable {name}, which is empty.")
        if self.proxy and not _PORT.fullmatch(_filled(self.proxy.port, values)):
            raise ProfileError(f"Profile {self.name}: the proxy's port ({self.proxy.port}) must be a number.")
        filled = {item.name: _filled(getattr(self, item.name), values) for item in fields(self)}
        return replace(self, **{**filled, "name": self.name, "variables": values, "required": frozenset()})


def load_profile(name: str, own: Path | None = None) -> Profile:
    """Return the profile of this name: the operator's own (in folder `own`) before the built-in one.

    Raises:
        ProfileError: there is none, or its file is malformed; the text names the file and the key.
    """
    return _read(name, *_find(name, own))


def profile_of(host: Host, own: Path | None = None) -> Profile:
    """Return the profile of a host, with its variables filled in; read again when its file has changed.

    Raises:
        ProfileError: as `load_profile` and `Profile.fill`.
    """
    return _fill(host.profile, *_find(host.profile, own), tuple(sorted(host.variables.items())))


def _find(name: str, own: Path | None) -> tuple[Path, int]:
    """Return a profile's file and when it was last changed (ns)."""
    if not _NAME.fullmatch(name):
        raise ProfileError(f"{name!r} can't be the name of a profile: it must match {_NAME.pattern}")
    for folder in (own, BUILTIN):
        path = folder / f"{name}.toml" if folder else None
        if path and path.is_file():
            return path, path.stat().st_mtime_ns
    raise ProfileError(f"There is no profile {name}; there are {', '.join(sorted(profile_names(own)))}.")


def builtin_names() -> list[str]:
    """Return the names of the profiles that come with Muster."""
    return sorted(path.stem for path in BUILTIN.glob("*.toml"))


def profile_folder(settings: WorkerSettings) -> Path | None:
    """Return the operator's own folder of profiles, None where there is none."""
    return Path(settings.profile_dir) if settings.profile_dir else None


def profile_names(own: Path | None = None) -> frozenset[str]:
    """Return the names of all profiles, those in the operator's own folder among them."""
    folders = [folder for folder in (own, BUILTIN) if folder]
    return frozenset(path.stem for folder in folders for path in folder.glob("*.toml"))


# Reading one takes half a millisecond, filling it a tenth: more than all else that a node costs a worker.
@lru_cache(maxsize=64)
def _read(name: str, path: Path, _changed_at: int) -> Profile:
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{path.name}: {error}") from None
    return _Reader(name, path.name, document).profile()


@lru_cache(maxsize=2048)
def _fill(name: str, path: Path, changed_at: int, variables: tuple[tuple[str, str], ...]) -> Profile:
    return _read(name, path, changed_at).fill(dict(variables))


class _Reader:
    """Checks a profile's document key by key; every error names the file and the key."""

    def __init__(self, name: str, file: str, document: dict[str, Any]) -> None:
        self._name, self._file, self._document = name, file, document

    def profile(self) -> Profile:
        d = dict(self._document)
        d.pop("description", "")
        variables = self._texts(d.pop("variables", {}), "variables")
        required = frozenset(self._command(d.pop("required", []), "required"))
        processes = tuple(self._process(p, f"process[{at}]") for at, p in enumerate(d.pop("process", [])))
        proxy = self._proxy(d.pop("proxy")) if "proxy" in d else None
        rest: dict[str, Any] = {key: self._command(d.pop(key, []), key) for key in _COMMANDS}
        rest |= {key: self._plain(key, d.pop(key)) for key in list(d) if key in _PLAIN}
        if d:
            raise self._error(next(iter(d)), "is no key of a profile")
        profile = Profile(self._name, processes=processes, proxy=proxy, variables=variables, required=required, **rest)
        return self._checked(profile)

    def _checked(self, profile: Profile) -> Profile:
        for key in ("start", "stop", "processes"):
            if not getattr(profile, key):
                raise self._error("process" if key == "processes" else key, "is missing")
        if profile.answers not in ANSWERS:
            raise self._error("answers", f"must be one of {', '.join(ANSWERS)}, not {profile.answers!r}")
        names = [spec.name for spec in profile.processes]
        if len(set(names)) < len(names):
            raise self._error("process", "names a process twice")
        used = set(_placeholders({item.name: getattr(profile, item.name) for item in fields(profile)}))
        unknown = sorted((used | profile.required) - profile.variables.keys())
        if unknown:
            raise self._error("variables", f"lacks {unknown[0]}, which the profile uses")
        return profile

    def _process(self, value: Any, key: str) -> ProcessSpec:
        if not isinstance(value, dict):
            raise self._error(key, "must be a table")
        known = {item.name for item in fields(ProcessSpec)}
        for name in value:
            if name not in known:
                raise self._error(f"{key}.{name}", "is no key of a process")
        guard = value.get("guard", False)
        start, stop = (self._command(value.get(k, []), f"{key}.{k}") for k in ("start", "stop"))
        if bool(start) != bool(stop):
            raise self._error(key, "needs both start and stop, or neither")
        texts = self._texts({k: v for k, v in value.items() if k not in ("guard", "start", "stop")}, key)
        if not isinstance(guard, bool) or not _NAME.fullmatch(texts.get("name", "")):
            raise self._error(key, f"needs a name that matches {_NAME.pattern}, and guard must be true or false")
        path, pattern, pid_file = (texts.get(name, "") for name in ("path", "pattern", "pid_file"))
        if (path and pattern) or not (path or pattern or pid_file):
            raise self._error(key, "needs either path or pattern, or a pid_file alone")
        return ProcessSpec(guard=guard, start=start, stop=stop, **texts)

    def _proxy(self, value: Any) -> ProxySpec:
        if not isinstance(value, dict):
            raise self._error("proxy", "must be a table")
        port = value.get("port", "0")
        if not isinstance(port, str):
            raise self._error("proxy.port", f"must be a text, not {port!r}")
        start, stop = (self._command(value.get(k, []), f"proxy.{k}") for k in ("start", "stop"))
        if not start or not stop:
            raise self._error("proxy", "needs start and stop")
        process = {k: v for k, v in value.items() if k not in ("port", "start", "stop")}
        return ProxySpec(self._process(process, "proxy"), start, stop, port)

    def _plain(self, key: str, value: Any) -> Any:
        wanted = _PLAIN[key]
        if type(value) is not wanted or (isinstance(value, int) and value < 0):
            raise self._error(key, f"must be a {'text' if wanted is str else 'number of seconds'}, not {value!r}")
        return value

    def _command(self, value: Any, key: str) -> Command:
        if not isinstance(value, list) or not all(isinstance(word, str) and word.isprintable() for word in value):
            raise self._error(key, "must be a list of texts")
        return tuple(value)

    def _texts(self, value: Any, key: str) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(v, str) and v.isprintable() for v in value.values()):
            raise self._error(key, "must hold texts")
        return value

    def _error(self, key: str, fault: str) -> ProfileError:
        return ProfileError(f"{self._file}: {key} {fault}")


_COMMANDS = ("start", "stop", "status", "version", "present")
_PLAIN: dict[str, type] = {
    "answers": str,
    "run_as": str,
    "stop_seconds": int,
    "start_seconds": int,
    "grace_seconds": int,
    "settle_seconds": int,
}


def _placeholders(value: Any) -> list[str]:
    if isinstance(value, str):
        return _PLACEHOLDER.findall(value)
    if isinstance(value, (ProcessSpec, ProxySpec)):
        return _placeholders([getattr(value, item.name) for item in fields(value)])
    if isinstance(value, dict):
        return _placeholders([inner for key, inner in value.items() if key not in ("variables", "required")])
    if isinstance(value, (list, tuple)):
        return [name for inner in value for name in _placeholders(inner)]
    return []


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        # One pass: what a variable holds is text, whatever braces are in it.
        return _PLACEHOLDER.sub(lambda found: values[found.group(1)], value)
    if isinstance(value, (ProcessSpec, ProxySpec)):
        return replace(value, **{item.name: _filled(getattr(value, item.name), values) for item in fields(value)})
    if isinstance(value, tuple):
        return tuple(_filled(inner, values) for inner in value)
    return value
