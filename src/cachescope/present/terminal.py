"""How text gets onto a terminal or into a pipe: width, tables, and text that is nothing but text.

rich is imported where it is used: commands that print nothing with it need not wait for it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from cachescope.present.wording import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["cell", "new_table", "printable", "room", "say", "write_aligned"]

_UNBOUNDED = 100_000
"""Columns where nothing is to be wrapped."""

_ROOMY = 150
"""Columns from which on a terminal, too, shows one row on one line."""

_LINES_AT_ONCE = 500

_WHOLE = {"Hash", "Cache", "Package"}
"""Columns that are never wrapped, on no terminal: they are copied from."""


@contextmanager
def room(console: "Console") -> Iterator[bool]:
    """Take the terminal's width, and without a terminal as much as a row needs. Yields whether a row fits one line."""
    if console.is_terminal:
        yield console.width >= _ROOMY
        return
    width = console.width
    console.width = _UNBOUNDED
    try:
        yield True
    finally:
        console.width = width


def say(console: "Console", text: str, *, bold: bool = False) -> None:
    """Print a line of text, below empty ones if it begins so; the terminal wraps what is too long."""
    from rich.text import Text

    console.print(Text(printable(text), style="bold" if bold else ""), soft_wrap=True)


def printable(text: str) -> str:
    """Write a line, below empty ones if it begins so: only these ends of lines are ours."""
    bare = text.lstrip("\n")
    return "\n" * (len(text) - len(bare)) + one_line(bare)


def cell(text: str | tuple[str, ...]) -> "Text":
    """Make a cell of a table, of one line or several; nothing in it is taken for markup or for control of the terminal."""
    from rich.text import Text

    return Text("\n".join(map(one_line, (text,) if isinstance(text, str) else text)))


def new_table(*columns: str, numbers: Sequence[int] = ()) -> "Table":
    """Make a table without frame; ``numbers`` are the places of the columns with figures."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        is_number = place in numbers
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(cell(name), justify=justify, no_wrap=is_number or name in _WHOLE, overflow="fold")
    return table


def write_aligned(console: "Console", rows: Sequence[Sequence[str]]) -> None:
    """Write rows in aligned columns, for output that is no terminal: no colour, no wrapping, one line a row."""
    shown = [[one_line(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    for start in range(0, len(lines), _LINES_AT_ONCE):
        console.out("\n".join(lines[start : start + _LINES_AT_ONCE]), highlight=False)
