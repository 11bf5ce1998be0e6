"""The bar of ``sync`` on a terminal: bytes while an index is read, records and their rate while it is written.

Elsewhere nothing is drawn: the report at the end has one line for each source.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from cachescope.cli.context import error_console
from cachescope.jobs.progress import NoProgress, SizesProgress, SyncProgress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from cachescope.model.sources import SourceOutcome

__all__ = ["Bars", "sync_progress"]


class Bars(SyncProgress, SizesProgress, Protocol):
    """Drawn for all that a sync does."""


@contextmanager
def sync_progress() -> Iterator[Bars]:
    """Draw bars on standard error while the block runs, if somebody looks."""
    if not sys.stderr.isatty():
        yield NoProgress()
        return
    console = error_console()
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def reading(self, name: str, done: int, total: int | None) -> None:
        figures = f"{done / 1e6:,.1f} MB" + (f" of {total / 1e6:,.1f}" if total else "")
        self._show(name, "reading", done, total, figures)

    def writing(self, name: str, done: int, total: int) -> None:
        task = self._show(name, "writing", done, total, "")
        speed = self._bars.tasks[self._bars.task_ids.index(task)].speed
        rate = f", {speed:,.0f} a second" if speed else ""
        self._bars.update(task, figures=f"{done:,} of {total:,} records{rate}")

    def sized(self, name: str, done: int, total: int) -> None:
        task = self._show(name, "sizes", done, total, "")
        speed = self._bars.tasks[self._bars.task_ids.index(task)].speed
        rate = f", {speed:,.0f} a second" if speed else ""
        self._bars.update(task, figures=f"{done:,} of {total:,} binaries{rate}")
        if done >= total:
            self._bars.remove_task(self._tasks.pop((name, "sizes")))

    def finished(self, outcome: "SourceOutcome") -> None:
        for key in [key for key in list(self._tasks) if key[0] == str(outcome.name)]:
            self._bars.remove_task(self._tasks.pop(key))

    def _show(self, name: str, verb: str, done: int, total: int | None, figures: str) -> "TaskID":
        key = (name, verb)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(f"{name}: {verb}", total=total, figures=figures)
        self._bars.update(self._tasks[key], completed=done, total=total, figures=figures)
        return self._tasks[key]
