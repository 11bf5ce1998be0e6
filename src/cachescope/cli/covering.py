"""``coverage`` and ``why``: what of lock files is in the catalogue, and why the rest is not. Neither asks a mirror."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cachescope.cli.context import Context, console, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.cli.options import refuse_two_forms
from cachescope.model.errors import NotInCatalogue, UserInputError

if TYPE_CHECKING:
    from cachescope.catalogue.lock_lookup import LockLookup
    from cachescope.jobs.coverage import Wanted
    from cachescope.model.coverage import Coverage
    from cachescope.model.lockfile import LockFile

__all__ = ["content", "coverage", "read_all", "why"]

_BELOW_THE_BAR = 1
_LARGEST = 1024**3
"""Bytes of one file: some 700,000 nodes."""

_STDIN = "-"
Command = TypeVar("Command", bound=Callable[..., Any])


def _files(command: Command) -> Command:
    return click.argument("files", metavar="FILES...", nargs=-1, required=True)(command)


def _against(command: Command) -> Command:
    text = "Judge by this mirror alone, a view of it (NAME@VIEW), or a whole ref (ref:develop). Several may be given."
    return click.option("--against", metavar="NAME", multiple=True, help=text)(command)


def _markdown(command: Command) -> Command:
    return click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")(command)


@click.command()
@_files
@_against
@click.option(
    "--deptypes",
    type=click.Choice(["run", "build", "all"]),
    default="all",
    show_default=True,
    help="Count the run closure (link and run from the roots), what only building needs, or both.",
)
@click.option(
    "--for",
    "host",
    metavar="HOST",
    help="Count only what runs there: host (this machine), or os=...,target=...,glibc=...",
)
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 if less than this is present.",
)
@click.option("--installable", is_flag=True, help="Exit with 1 if the run closure has gaps.")
@click.option("--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write a JUnit report too.")
@click.option("--badge", metavar="FILE.svg", type=click.Path(path_type=Path), help="Write a badge too.")
@_markdown
@json_option
@click.pass_obj
def coverage(
    context: Context,
    *,
    files: Sequence[str],
    against: Sequence[str],
    deptypes: str,
    host: str | None,
    fail_under: float | None,
    installable: bool,
    junit: Path | None,
    badge: Path | None,
    markdown: bool,
    as_json: bool,
) -> int:
    """Say how much of lock files is present, in which caches, and what is missing.

    FILES are spack.lock, spec.json or lists of hashes (as 'spack find -L' prints them), folders of environments, single
    hashes, or - for standard input.
    """
    from cachescope.cli.host_detection import detect_host
    from cachescope.jobs.coverage import coverage_of
    from cachescope.present import coverage as present
    from cachescope.query.hosts import parse_host

    refuse_two_forms("--json" if as_json else None, {"--markdown": markdown})
    chosen_host = parse_host(host, detect=detect_host) if host is not None else None
    with _looked_up(context, files, against) as (lookup, wanted):
        result = coverage_of(wanted, lookup, deptypes=deptypes, host=chosen_host)
    passed = result.passes(fail_under, installable=installable)
    _write_files(result, junit, badge)
    barred = fail_under is not None or installable
    if as_json:
        write_bytes(present.render_json(result))
    elif markdown:
        write_bytes(present.render_markdown(result, passed=passed if barred else None))
    else:
        present.render_text(console(), result, target=fail_under / 100 if fail_under is not None else None)
    return 0 if passed else _BELOW_THE_BAR


def _write_files(result: "Coverage", junit: Path | None, badge: Path | None) -> None:
    from cachescope.present.coverage_files import render_badge, render_junit
    from cachescope.transport.writer import write_atomically

    if junit is not None:
        write_atomically(junit, render_junit(result))
    if badge is not None:
        write_atomically(badge, render_badge(result))


@click.command()
@_files
@_against
@click.option("--spec", "query", metavar="QUERY", help="Only missing specs that match, and their causes.")
@click.option(
    "--if",
    "assumed",
    metavar="QUERY",
    help="Estimate coverage if specs fulfilled this, for example target=x86_64_v3 or %gcc@13.2.0.",
)
@_markdown
@json_option
@click.pass_obj
def why(
    context: Context,
    *,
    files: Sequence[str],
    against: Sequence[str],
    query: str | None,
    assumed: str | None,
    markdown: bool,
    as_json: bool,
) -> None:
    """Say why specs of lock files are missing: causes first, what follows from each, and what to do.

    FILES are those of 'coverage'. A spec whose own fields are all cached, and that misses only because a dependency does,
    is a consequence; it is followed down to its causes.
    """
    from cachescope.jobs.what_if import estimate
    from cachescope.jobs.why import explain_missing
    from cachescope.present import why as present
    from cachescope.query.grammar import parse_query

    refuse_two_forms("--json" if as_json else None, {"--markdown": markdown})
    only = parse_query(query) if query is not None else None
    change = parse_query(assumed) if assumed is not None else None
    with _looked_up(context, files, against) as (lookup, wanted):
        report = explain_missing(wanted, lookup, only=only)
        what_if = estimate(wanted, lookup, change) if change is not None else None
    if as_json:
        write_bytes(present.render_json(report, what_if))
    elif markdown:
        write_bytes(present.render_markdown(report, what_if))
    else:
        present.render_text(console(), report, what_if)


@contextmanager
def _looked_up(
    context: Context, files: Sequence[str], against: Sequence[str]
) -> "Iterator[tuple[LockLookup, Wanted]]":
    """Read the files, then ask the catalogue about them; one state of it until the end of the block."""
    from cachescope import compose
    from cachescope.catalogue.lock_lookup import LockLookup
    from cachescope.jobs.coverage import look_up
    from cachescope.model.sightings import parse_against

    chosen = [parse_against(one) for one in against]
    lock = read_all(files)
    with compose.reading(context.settings()) as (catalogue, _), catalogue.reading() as connection:
        lookup = LockLookup(connection, chosen)
        if not lookup.mirrors:
            raise NotInCatalogue(
                "the catalogue has no caches to judge by", hint="read one first: cachescope sync URL"
            )
        yield lookup, look_up(lock, lookup)


def read_all(files: Sequence[str]) -> "LockFile":
    """Read files, folders, hashes or standard input as one lock file."""
    from cachescope.formats.lock_json import read_lock
    from cachescope.model.lockfile import LockFile

    if files.count(_STDIN) > 1:
        raise UserInputError("standard input can be read once", hint="give - once")
    return LockFile.joined([read_lock(*content(name)) for name in files])


def content(name: str) -> tuple[bytes, str]:
    """Return the bytes that an argument names, and what errors call it."""
    from cachescope.model.identity import is_hash_text

    if name == _STDIN:
        return sys.stdin.buffer.read(_LARGEST + 1), "standard input"
    path = Path(name)
    if is_hash_text(name.removeprefix("/")) and not path.exists():
        return name.encode(), name
    try:
        if path.is_dir():
            path = _of_environment(path)
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserInputError(
            f"the file cannot be read: {reason}",
            where=name,
            hint="give a spack.lock, a spec.json, a list of hashes, or - for standard input",
        ) from error
    if len(data) > _LARGEST:
        raise UserInputError("the file has more than 1 GiB", where=name, hint="give one lock file at a time")
    return data, str(path)


def _of_environment(folder: Path) -> Path:
    for place in (folder / "spack.lock", folder / "spec.json", folder / "spack.yaml"):
        if place.is_file():
            return place
    raise UserInputError("the folder holds no spack.lock", where=str(folder), hint="name the file")
