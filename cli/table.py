"""Tables, drawn on a terminal and plain columns in a pipe, and lists of names that may be long."""

import sys
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

# A pipe has no width; nothing is cut off there.
PIPE_WIDTH = 1000


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print the rows to stdout; cells are taken literally, and in a pipe no line ends with blanks."""
    on_terminal = sys.stdout.isatty()
    table = Table(box=SIMPLE if on_terminal else None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(width=None if on_terminal else PIPE_WIDTH, soft_wrap=not on_terminal)
    if on_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def some(names: Sequence[str], most: int = 3) -> str:
    """Return the first of many names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
