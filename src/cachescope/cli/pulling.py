"""``pull``: a mirror on disk with just what is asked for, for a site without a network."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, console, error_console, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.jobs.progress import NoProgress, PullProgress
from cachescope.model.errors import UserInputError

if TYPE_CHECKING:
    from rich.progress import Progress

    from cachescope.catalogue.engine import Catalogue
    from cachescope.catalogue.pull_selection import PullSelection
    from cachescope.settings import Settings
    from cachescope.transport.gpgv import TrustedKeys

__all__ = ["pull"]

_GAPS = 1
_STDIN = "-"
_LOCK_FILE = re.compile(r".*[./](lock|json|yaml|yml|txt)|.*/")


@click.command()
@click.argument("what", metavar="QUERY|LOCKFILE")
@click.option(
    "--from",
    "sources",
    metavar="NAME",
    multiple=True,
    required=True,
    help="A mirror, a view of it (NAME@VIEW), or a whole ref (ref:develop). Several may be given; the first one that has a binary gives it.",
)
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the mirror; of a former pull, or an empty one.",
)
@click.option(
    "--deptypes",
    type=click.Choice(["run", "all"]),
    default="run",
    show_default=True,
    help="What goes along: what is needed to run (link and run), or what building needs as well.",
)
@click.option(
    "--incomplete", is_flag=True, help="Pull what there is where something of the closure is missing."
)
@click.option(
    "--trust",
    metavar="KEYFILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Public keys that signatures are verified by, armoured or not (CACHESCOPE_TRUSTED_KEYS).",
)
@click.option("--no-verify", is_flag=True, help="Take binaries without looking at their signatures.")
@click.option(
    "--url", metavar="URL", help="Where the mirror will be, for its mirrors.yaml; else where DIR is now."
)
@click.option(
    "--tar",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Pack the mirror into one file too.",
)
@click.option("--dry-run", is_flag=True, help="Say how much there is to copy, and copy nothing.")
@json_option
@click.pass_obj
def pull(
    context: Context,
    *,
    what: str,
    sources: Sequence[str],
    folder: Path,
    deptypes: str,
    incomplete: bool,
    trust: Sequence[Path],
    no_verify: bool,
    url: str | None,
    tar: Path | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Copy binaries with all that they need into a mirror on disk.

    QUERY is one in Spack's language ('hdf5@1.14 +mpi', '/33pd4gq'); LOCKFILE is what 'coverage' takes, - for standard
    input. A second pull into the same folder copies what is new alone, and adds to it.
    """
    from cachescope import compose
    from cachescope.jobs.pull import PullOptions
    from cachescope.jobs.pull_choice import refuse_gaps
    from cachescope.present import pull as present

    chosen = context.settings()
    options = PullOptions(
        folder=folder.absolute(),
        asked=what,
        name=re.sub(r"[^A-Za-z0-9_.-]", "_", folder.absolute().name) or "pulled",
        url=url or folder.absolute().as_uri(),
        tar=tar.absolute() if tar is not None else None,
        dry_run=dry_run,
        incomplete=incomplete,
        connections_per_host=chosen.connections_per_host,
        hosts_at_once=chosen.hosts_at_once,
    )
    with ExitStack() as closing:
        keys = _keys(closing, chosen, trust, no_verify=no_verify, dry_run=dry_run)
        catalogue, _ = closing.enter_context(compose.reading(chosen))
        selection = _selection(catalogue, what, sources, with_build=deptypes == "all")
        if not incomplete and not dry_run:
            refuse_gaps(selection)
        progress = closing.enter_context(_progress())
        puller = closing.enter_context(compose.pulling(chosen, catalogue, keys, options, progress))
        report = puller.pull(selection)
    if as_json:
        write_bytes(present.render_json(report))
    else:
        present.render_text(console(), report)
    return report.exit_code or (_GAPS if report.missing and not incomplete else 0)


def _selection(
    catalogue: "Catalogue", what: str, sources: Sequence[str], *, with_build: bool
) -> "PullSelection":
    from cachescope.cli.covering import read_all
    from cachescope.jobs.pull_choice import choose_for_lock, choose_for_query
    from cachescope.model.sightings import parse_against

    chosen = [parse_against(one) for one in sources]
    is_there = os.path.exists(what)  # noqa: PTH110 - Path.exists() raises for a query too long for a name
    is_file = what == _STDIN or is_there or _LOCK_FILE.fullmatch(what) is not None
    lock = read_all([what]) if is_file else None
    with catalogue.reading() as connection:
        if lock is not None:
            return choose_for_lock(connection, lock, chosen, with_build=with_build)
        return choose_for_query(connection, what, chosen, with_build=with_build)


def _keys(
    closing: ExitStack, chosen: "Settings", trust: Sequence[Path], *, no_verify: bool, dry_run: bool
) -> "TrustedKeys | None":
    """Return the keys to verify by; None where nothing is verified."""
    from cachescope.transport.gpgv import TrustedKeys

    if no_verify:
        if trust:
            raise UserInputError("--trust and --no-verify exclude each other", hint="give one of them")
        return None
    files = list(trust) or ([Path(chosen.trusted_keys).expanduser()] if chosen.trusted_keys else [])
    if not files:
        if dry_run:
            return None
        raise UserInputError(
            "no key is trusted, so that no signature can be verified",
            hint="name a file of public keys with --trust or in the setting trusted_keys, or take what comes with --no-verify",
        )
    return closing.enter_context(TrustedKeys(files))


@contextmanager
def _progress() -> Iterator[PullProgress]:
    """Draw a bar on standard error while the block runs, if somebody looks."""
    if not sys.stderr.isatty():
        yield NoProgress()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=error_console(), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar for the documents, then one for the bytes."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._documents = bars.add_task("reading manifests", total=None, figures="")
        self._bytes = bars.add_task("copying", total=None, figures="", visible=False)

    def described(self, done: int, total: int) -> None:
        self._bars.update(
            self._documents,
            completed=done,
            total=total,
            figures=f"{done:,} of {total:,}",
            visible=done < total,
        )

    def copied(self, done: int, total: int) -> None:
        figures = f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
        self._bars.update(self._bytes, completed=done, total=total, figures=figures, visible=True)
