"""Which hosts a command means: ids, ranges of ids, names and addresses, made one list of hosts."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.client import ApiClient
from cli.error import UsageError

STDIN = Path("-")
_RANGE = re.compile(r"([0-9]{1,19})-([0-9]{1,19})")

Host = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """Hosts by one of four ways: their names, a file of names, labels, or all that are enrolled."""

    names: Sequence[str] = ()
    file: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    everything: bool = False

    def hosts(self, client: ApiClient) -> list[Host]:
        """Return the hosts, each once, in the order in which they are named.

        Raises:
            UsageError: none of the ways or several, a name that stands for no host or for several, or no host at all.

        """
        ways = [bool(self.names), self.file is not None, bool(self.labels), self.everything]
        if sum(ways) != 1:
            raise UsageError("Say which hosts by one of --hosts, --all, --label and --file.")
        if self.everything or self.labels:
            found = list(client.hosts(label=[f"{name}={value}" for name, value in self.labels.items()]))
        else:
            names = read_names(self.file) if self.file else split_names(self.names)
            found = find_hosts(client, names)
        if not found:
            raise UsageError(f"No host {'has these labels' if self.labels else 'is named or enrolled'}.")
        return found


def split_names(texts: Iterable[str]) -> list[str]:
    """Return the names of texts that each hold some, with commas between them."""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def read_names(file: Path) -> list[str]:
    """Return the names in a file ("-": standard input), one a line or with commas; a # begins a comment."""
    try:
        text = sys.stdin.read() if file == STDIN else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--file {file} can't be read: {error}") from None
    return split_names(line.partition("#")[0] for line in text.splitlines())


def find_hosts(client: ApiClient, wanted: Sequence[str]) -> list[Host]:
    """Return the hosts that ids, ranges of ids, names or addresses stand for, each once.

    A range stands for those of its hosts that are enrolled.

    Raises:
        UsageError: one stands for no host, or for several that it does not mean.

    """
    index = _Index(client.hosts())
    return list({host["id"]: host for text in wanted for host in index.find(text)}.values())


class _Index:
    """Hosts by id, and by name and address."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._by_id: dict[int, Host] = {}
        self._by_name: dict[str, list[Host]] = {}
        for host in hosts:
            self._by_id[host["id"]] = host
            for name in {host["name"], host["innerIpAddress"]}:
                self._by_name.setdefault(name, []).append(host)

    def find(self, text: str) -> Iterator[Host]:
        if text.isascii() and text.isdigit() and int(text) in self._by_id:
            yield self._by_id[int(text)]
        elif span := _RANGE.fullmatch(text):
            yield from self._between(int(span[1]), int(span[2]), text)
        else:
            yield self._named(text)

    def _between(self, first: int, last: int, text: str) -> list[Host]:
        if last < first:
            raise UsageError(f"{text} is a range whose end comes before its beginning.")
        if text in self._by_name:
            raise UsageError(f"{text} is a range of ids, and a host is called so, too: name that one by its id.")
        found = [host for id, host in sorted(self._by_id.items()) if first <= id <= last]
        if not found:
            raise UsageError(f"{text} is no host: none with such an id is enrolled.")
        return found

    def _named(self, text: str) -> Host:
        fits = self._by_name.get(text, [])
        if len(fits) != 1:
            which = ", ".join(str(host["id"]) for host in fits)
            raise UsageError(f"{text} is {f'hosts {which}: name one by its id' if fits else 'no host'}.")
        return fits[0]
