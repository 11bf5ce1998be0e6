"""``search`` and ``query``: specs in Spack's own query language. Neither asks a mirror."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from cachescope.cli.context import Context, console, write_bytes
from cachescope.cli.options import as_json as json_option
from cachescope.cli.options import parse_scope, ref_option, refuse_two_forms, stack_option
from cachescope.model.errors import UserInputError

if TYPE_CHECKING:
    from cachescope.model.hosts import Host
    from cachescope.model.results import SearchResult, SpecSummary

__all__ = ["query", "search"]

_NO_MATCH = 1

_LIMIT = 50
_COLUMNS: "dict[str, Callable[[SpecSummary], str]]" = {
    "hash": lambda spec: spec.hash,
    "name": lambda spec: spec.name,
    "version": lambda spec: spec.version,
    "compiler": lambda spec: spec.compiler_name,
    "os": lambda spec: spec.architecture.os,
    "platform": lambda spec: spec.architecture.platform,
    "target": lambda spec: spec.architecture.target,
    "variants": lambda spec: " ".join(spec.variant_texts),
    "mirrors": lambda spec: " ".join(map(str, spec.mirrors)),
    "presence": lambda spec: spec.presence.word,
    "verdict": lambda spec: spec.verdict.sentence if spec.verdict is not None else "",
}
_CSV_COLUMNS = ("hash", "name", "version", "compiler", "os", "platform", "target", "variants", "mirrors")


@click.command()
@click.argument("query", required=False)
@ref_option
@stack_option
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    show_default=f"{_LIMIT}; with --batch all",
    help="Specs to print; 0 is all.",
)
@click.option(
    "--sort",
    default="name",
    show_default=True,
    metavar="ORDER",
    help="name, version, os, target, compiler or hash.",
)
@click.option(
    "--for",
    "host",
    metavar="HOST",
    help="Say of each whether it runs there: host (this machine), or os=...,target=...,glibc=...",
)
@click.option("--only-runnable", is_flag=True, help="With --for: leave out what does not run there.")
@click.option("--mentioned", is_flag=True, help="Also specs that are not present.")
@click.option("--columns", metavar="NAMES", help=f"Print these, by commas: {', '.join(_COLUMNS)}.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a heading.")
@click.option(
    "--batch", metavar="FILE", help="Answer one query per line of FILE (or -), each with one line of JSON."
)
@json_option
@click.pass_obj
def search(
    context: Context,
    *,
    query: str | None,
    ref: str | None,
    stack: str | None,
    limit: int | None,
    sort: str,
    host: str | None,
    only_runnable: bool,
    mentioned: bool,
    columns: str | None,
    as_csv: bool,
    batch: str | None,
    as_json: bool,
) -> int:
    """Find binaries that match QUERY, in Spack's language: 'hdf5@1.14: +mpi target=x86_64_v3: %gcc@12: ^openmpi'.

    A pattern of names ('py-*') and the beginning of a hash (/33pd4gq) are queries too. The exit code is 1 if nothing
    matches; then it is said what would.

    A plain target=NAME is exact, as in Spack; whether a binary runs on a newer machine is what --for says.
    """
    from cachescope import compose

    if (query is None) == (batch is None):
        raise UserInputError(
            "give one query, or --batch FILE", hint="for example: cachescope search 'hdf5 +mpi'"
        )
    json_form = "--batch, which prints JSON," if batch is not None else "--json" if as_json else None
    refuse_two_forms(json_form, {"--csv": as_csv, "--columns": columns is not None})
    if only_runnable and host is None:
        raise UserInputError(
            "--only-runnable needs a host", hint="add --for host, or --for os=...,target=...,glibc=..."
        )
    chosen_host = _chosen_host(host) if host is not None else None
    chosen_ref, chosen_stack = parse_scope(ref, stack)
    chosen_columns = _chosen_columns(columns)
    if limit is None:
        # A person reads the first ones; what a program asks line by line it wants whole.
        limit = _LIMIT if batch is None else 0
    if query is not None and not (ref or stack or host or mentioned) and sort == "name":
        result = compose.search_by_name(context.settings(), query, limit=limit)
        if result is not None:
            return _print(result, chosen_columns, as_json=as_json, as_csv=as_csv)
    with compose.reading(context.settings()) as (_, reader):

        def answer(asked: str) -> "SearchResult":
            return reader.search(
                asked,
                ref=chosen_ref,
                stack=chosen_stack,
                limit=limit,
                mentioned=mentioned,
                sort=sort,
                host=chosen_host,
                only_runnable=only_runnable,
            )

        if batch is not None:
            return _answer_all(_lines(batch), answer)
        result = answer(query or "")
    return _print(result, chosen_columns, as_json=as_json, as_csv=as_csv)


def _print(result: "SearchResult", chosen_columns: Sequence[str], *, as_json: bool, as_csv: bool) -> int:
    if as_json:
        from cachescope.present import to_json

        write_bytes(to_json.render_search(result))
    elif as_csv or chosen_columns:
        _print_columns(result, chosen_columns or _CSV_COLUMNS, as_csv=as_csv)
    else:
        from cachescope.present import to_text

        to_text.search(console(), result)
    return 0 if result.total else _NO_MATCH


def _chosen_columns(text: str | None) -> Sequence[str]:
    chosen = text.split(",") if text is not None else []
    for name in chosen:
        if name not in _COLUMNS:
            raise UserInputError(f"there is no column {name!r}", hint=f"known are {', '.join(_COLUMNS)}")
    return chosen


def _print_columns(result: "SearchResult", columns: Sequence[str], *, as_csv: bool) -> None:
    from cachescope.present.wording import one_line

    rows = [[_COLUMNS[name](spec) for name in columns] for spec in result.specs]
    if not as_csv or sys.stdout.isatty():
        # A row is a line; and no record drives the terminal. In a file, CSV holds every text as it is.
        rows = [list(map(one_line, row)) for row in rows]
    if as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([columns, *rows])
        write_bytes(text.getvalue().encode("utf-8", "backslashreplace"))
        return
    write_bytes("".join("\t".join(row) + "\n" for row in rows).encode("utf-8", "backslashreplace"))


def _chosen_host(text: str) -> "Host":
    from cachescope.cli.host_detection import detect_host
    from cachescope.query.hosts import parse_host

    return parse_host(text, detect=detect_host)


def _lines(batch: str) -> Iterator[bytes]:
    if batch == "-":
        yield from sys.stdin.buffer
        return
    try:
        with open(batch, "rb") as file:  # noqa: PTH123 - also for /dev/fd/... and the like
            yield from file
    except OSError as error:
        raise UserInputError(f"the queries cannot be read: {error.strerror}", where=batch) from error


def _answer_all(lines: Iterator[bytes], answer: "Callable[[str], SearchResult]") -> int:
    """Answer each query with one line, in one process; a refused one is answered by its error. Empty lines are skipped.

    Each answer is written at once: who asks may wait for it before the next question.
    """
    from cachescope.present import to_json

    for line in lines:
        asked = line.decode("utf-8", "backslashreplace").strip()
        if not asked:
            continue
        try:
            _require_utf8(line)
            data = to_json.render_search_line(answer(asked))
        except UserInputError as error:
            data = to_json.render_error_line(asked, error)
        write_bytes(data)
    return 0


def _require_utf8(line: bytes) -> None:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise UserInputError("the query is not valid UTF-8") from error


@click.command()
@click.option("--explain", "text", required=True, metavar="QUERY", help="The query to explain.")
def query(*, text: str) -> None:
    """Say what a query means, as one sentence."""
    from cachescope.query.grammar import parse_query
    from cachescope.query.sentences import describe

    parsed = parse_query(text)
    console().print(describe(parsed), markup=False, soft_wrap=True)
    if str(parsed) != text:
        console().print(f"Written in full: {parsed}", markup=False, soft_wrap=True)
