"""``export site``: the site as files, written by several processes where it is large.

This process hands out tasks, takes note of the files that belong to the export, and removes at the end what former
exports left. The others render and write: each reads the catalogue by itself.
"""

import atexit
import gc
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, error_console, say, write_bytes
from cachescope.cli.options import as_json as as_json_option
from cachescope.cli.options import ref_option
from cachescope.model.errors import UserInputError
from cachescope.model.identity import Ref, parse_ref
from cachescope.transport.owned_folder import FolderWriter

if TYPE_CHECKING:
    from cachescope.web.static_export import StaticSite, Task

__all__ = ["export_site"]

_WORTH_PROCESSES = 2_000
"""Pages from which on processes gain more than the second that each takes to start."""

_MOST_PROCESSES = 16
_AHEAD = 4
"""Tasks that are handed out before they are asked for, for each process."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be exported, and to where."""

    db: str | None
    """As it was given: each process reads the settings by itself."""

    ref: Ref | None
    with_binaries: bool
    folder: Path


@dataclass(frozen=True, slots=True)
class _Done:
    """A task that was written: its files, and for each whether it is a page, how large, whether it changed."""

    pages: int
    files: tuple[tuple[str, bool, int, bool], ...]


@click.command("site")
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@ref_option
@click.option(
    "--without-binaries",
    is_flag=True,
    help="Leave out the pages of single binaries, which are most of a large site.",
)
@click.option("--processes", type=click.IntRange(1, 64), help="How many write at a time; as many as cores.")
@as_json_option
@click.pass_obj
def export_site(
    context: Context,
    *,
    folder: Path,
    ref: str | None,
    without_binaries: bool,
    processes: int | None,
    as_json: bool,
) -> None:
    """Write the site as files below OUT, to be put on any web server, in any folder of it.

    The same catalogue gives the same bytes; unchanged files are not touched, and files of a former export that no longer
    belong are removed. A folder that holds other files is refused.
    """
    from cachescope.present import to_json, wording
    from cachescope.transport.owned_folder import owned_folder

    gc.enable()
    order = _Order(context.db, parse_ref(ref) if ref else None, not without_binaries, folder)
    with _site(order) as site:
        tasks = list(site.tasks())
        total = sum(one.pages for one in tasks)
        with owned_folder(folder) as owned, _bar(total) as shown:
            done = _carried_out(
                order, site, tasks, processes or (_cores() if total >= _WORTH_PROCESSES else 1)
            )
            counts = _summed(done, owned.belongs, shown)
            removed = owned.finish()
    outcome = {**counts, "unchanged": counts["files"] - counts["written"], "removed": removed}
    if as_json:
        write_bytes(to_json.document({"folder": str(folder), **outcome}))
        return
    say(
        f"{wording.count(outcome['pages'], 'page')} and {wording.count(outcome['files'] - outcome['pages'], 'other file')} "
        f"in {folder}, {wording.size(outcome['bytes'])}; {outcome['written']:,} written, "
        f"{outcome['unchanged']:,} unchanged, {removed:,} removed"
    )


def _site(order: _Order) -> AbstractContextManager["StaticSite"]:
    from cachescope import compose

    chosen = compose.settings({"db": order.db})
    return compose.static_site(chosen, ref=order.ref, with_binaries=order.with_binaries)


def _summed(
    done: Iterable[_Done], belongs: Callable[[str], None], shown: Callable[[int], None]
) -> dict[str, int]:
    counts = dict.fromkeys(("pages", "files", "bytes", "written"), 0)
    for one in done:
        for name, is_page, length, changed in one.files:
            belongs(name)
            counts["pages"] += is_page
            counts["bytes"] += length
            counts["written"] += changed
        counts["files"] += len(one.files)
        shown(one.pages)
    return counts


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PROCESSES)


def _carried_out(
    order: _Order, site: "StaticSite", tasks: Sequence["Task"], processes: int
) -> Iterator[_Done]:
    """Carry out tasks, here or in processes, and yield what became of them in their order."""
    if processes == 1:
        with closing(FolderWriter(order.folder)) as writer:
            yield from (_carry_out(task, site, writer) for task in tasks)
        return
    # Not forked: this process holds an open database.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_start, initargs=(order,))
    waiting: deque[Future[_Done]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(_carry_out_there, task))
            if len(waiting) >= processes * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserInputError(
            "a process that writes pages was ended from outside",
            hint="memory may have run out: try --processes 1; what was written is whole, and is not written again",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _carry_out(task: "Task", site: "StaticSite", writer: FolderWriter) -> _Done:
    files = tuple(
        (one.name, one.is_page, len(one.data), writer.write(one.name, one.data)) for one in site.write(task)
    )
    return _Done(task.pages, files)


_HERE: dict[str, tuple["StaticSite", FolderWriter]] = {}
"""What a process of the pool writes with."""


def _start(order: _Order) -> None:
    """Make a process of the pool ready; its catalogue and its listing are open until it ends."""
    # Ctrl-C reaches all processes of a terminal; the first one ends the others, between two tasks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    stack = ExitStack()
    site = stack.enter_context(_site(order))
    writer = stack.enter_context(closing(FolderWriter(order.folder)))
    atexit.register(stack.close)
    _HERE["site"] = site, writer


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _carry_out_there(task: "Task") -> _Done:
    return _carry_out(task, *_HERE["site"])


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar on standard error while the block runs, if somebody looks; give what tells it of further pages."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("pages"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=error_console(), transient=True) as bars:
        task = bars.add_task("pages", total=total)
        yield lambda pages: bars.update(task, advance=pages)
