"""Results as text for a terminal, for a pipe, and for pages asked as plain text: caches, lists of specs, errors.

Packages are in ``package_text``, one spec in ``spec_text``: what a command does not print it does not load.

On a terminal a row may take several lines, so that it fits 80 columns; elsewhere one row is one line, however long. No
hash is ever cut. All text out of records is shown with its control characters made visible.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cachescope.model.errors import CachescopeError, QuerySyntaxError
from cachescope.model.mirrors import MirrorReport
from cachescope.model.results import Counts, NoMatch, RefStacks, SearchResult, SpecSummary
from cachescope.model.sources import AttemptOutcome, SourceStatus
from cachescope.present import wording
from cachescope.present.terminal import cell, new_table, room, say, write_aligned

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "NO_CACHES",
    "caches",
    "error",
    "figures",
    "home",
    "mirror",
    "names",
    "search",
]

NO_CACHES = "No caches yet: cachescope add NAME URL"


def caches(console: "Console", sources: Sequence[SourceStatus], *, now: datetime) -> None:
    """Print the sources with freshness, counts and the last failure."""
    if not sources:
        say(console, NO_CACHES)
        return
    with room(console) as roomy:
        head = ("Present", "Mentioned", "Unstated", "Copy", "Last try")
        if roomy:
            table = new_table("Cache", "Layout", *head, "URL", numbers=(2, 3, 4))
        else:
            table = new_table("Cache", *head, numbers=(1, 2, 3))
        for one in sources:
            table.add_row(*map(cell, _source_cells(one, now, roomy=roomy)))
        console.print(table)
        for one in sources:
            _trouble(console, one)


def home(
    console: "Console", refs: Sequence[RefStacks], sources: Sequence[SourceStatus], *, now: datetime
) -> None:
    """Print the refs, then the sources."""
    if refs:
        with room(console):
            table = new_table(
                "Ref", "Stacks", "Packages", "Present", "Mentioned", "Unstated", numbers=(1, 2, 3, 4, 5)
            )
            for one in refs:
                figures = [wording.count(len(one.stacks)), wording.count(one.packages), *_counts(one.counts)]
                table.add_row(*map(cell, [one.ref, *figures]))
            console.print(table)
        say(console, "")
    caches(console, sources, now=now)


def mirror(console: "Console", result: MirrorReport, *, now: datetime) -> None:
    """Print one mirror: its sources, compilers by packages, what snapshots changed."""
    caches(console, result.sources, now=now)
    say(
        console,
        f"\n{wording.count(result.packages, 'package')} with {wording.count(result.counts.present)} binaries",
    )
    if result.compilers:
        say(console, "\nCompilers, by packages that were built with them:", bold=True)
        for use in result.compilers:
            say(
                console,
                f"{use.name}  {wording.count(use.packages, 'package')}, {wording.count(use.specs)} specs",
            )
    say(console, "\nSnapshots, newest first:", bold=True)
    for one in result.changes:
        came, gone = wording.signed(one.came), wording.signed(-one.gone)
        say(
            console,
            f"{wording.moment(one.at)}  {one.source} {one.layout.value}  {came} {gone}, then {wording.count(one.present)}",
        )


def figures(console: "Console", definitions: Sequence[tuple[str, str, str]]) -> None:
    """Print what each figure means."""
    for name, text, caution in definitions:
        say(console, name, bold=True)
        say(console, f"  {text} {caution}".rstrip())


def names(console: "Console", found: Sequence[str]) -> None:
    """Print names, one a line."""
    for one in found:
        say(console, one)
    if not found:
        say(console, "No package is named like that.")


def search(console: "Console", result: SearchResult) -> None:
    """Print the specs that match; with none, what is near."""
    if not result.query:
        say(console, "Give a spec query, a name with * and ?, or /hash.")
        return
    for warning in result.warnings:
        say(console, f"Note: {warning}")
    if not result.total:
        say(console, f"Nothing matches {result.query}.")
        if result.no_match is not None:
            _no_match(console, result.no_match)
        return
    _specs(console, result.specs)
    if result.total > len(result.specs):
        say(console, f"{wording.count(len(result.specs))} of {wording.count(result.total)} shown.")
    else:
        say(console, wording.count(result.total, "match", "matches") + ".")


def error(console: "Console", problem: CachescopeError) -> None:
    """Print what is wrong, where, and what to do."""
    if isinstance(problem, QuerySyntaxError):
        for line in wording.marked_query(problem.query, problem.start, problem.end):
            say(console, line)
    say(console, f"Error: {problem}")
    if problem.hint:
        say(console, f"Hint: {problem.hint}")


def _no_match(console: "Console", found: NoMatch) -> None:
    for note in found.notes:
        say(console, f"  {note}")
    if found.suggestions:
        say(console, "Near: " + ", ".join(found.suggestions))
    for one in found.relaxations:
        say(console, f"  {wording.relaxation(one)}")
    if found.nearest:
        say(console, "\nNearest:", bold=True)
        _specs(console, found.nearest)


# -- pieces ---------------------------------------------------------------------------------------------------------


_SPEC_COLUMNS = ("Hash", "Binary", "Compiler", "System", "Target", "Where", "Variants")


def _specs(console: "Console", specs: Sequence[SpecSummary]) -> None:
    judged = any(one.verdict is not None for one in specs)
    verdicts = [
        (one.verdict.sentence,) if one.verdict is not None else ("",) if judged else () for one in specs
    ]
    heading = ("On that host",) if judged else ()
    if not console.is_terminal:
        # Thousands of rows may go into a pipe: they are aligned without measuring every glyph.
        lines = [(*_one_line(one), *verdict) for one, verdict in zip(specs, verdicts, strict=True)]
        write_aligned(console, [(*_SPEC_COLUMNS, *heading), *lines])
        return
    with room(console) as roomy:
        table = new_table(*(_SPEC_COLUMNS if roomy else ("Hash", "Binary", "Runs on", "Where")), *heading)
        for one, verdict in zip(specs, verdicts, strict=True):
            table.add_row(*map(cell, (*(_one_line(one) if roomy else _few_columns(one)), *verdict)))
        console.print(table)


def _one_line(one: SpecSummary) -> Sequence[str]:
    runs_on, named = one.architecture, f"{one.name}@{one.version}"
    variants = " ".join(one.variant_texts)
    return (
        one.hash,
        named,
        wording.compiler_shown(one),
        runs_on.os,
        runs_on.target,
        wording.where(one),
        variants,
    )


def _few_columns(one: SpecSummary) -> Sequence[str | tuple[str, ...]]:
    runs_on, named = one.architecture, f"{one.name}@{one.version}"
    where = wording.count(len(one.mirrors), "mirror") if len(one.mirrors) > 1 else wording.where(one)
    return (one.hash, (named, f"%{wording.compiler_shown(one)}"), (runs_on.os, runs_on.target), where)


def _counts(counts: Counts) -> tuple[str, str, str]:
    return wording.count(counts.present), wording.count(counts.mentioned), wording.count(counts.unstated)


def _source_cells(one: SourceStatus, now: datetime, *, roomy: bool) -> Sequence[str | tuple[str, ...]]:
    name = str(one.name) + (f"@{one.view}" if one.view else "")
    layout = wording.layout_words(one)
    copy, attempt = _freshness(one, now)
    if not roomy:
        return ((name, layout), *_counts(one.counts), copy, one.last_attempt.outcome)
    url = str(one.url) if one.url is not None else wording.NOT_RECORDED
    return (name, layout, *_counts(one.counts), copy, attempt, url)


def _freshness(one: SourceStatus, now: datetime) -> tuple[str, str]:
    copy = wording.age(one.snapshot_at, now) if one.snapshot_at is not None else "none"
    attempt = one.last_attempt
    if attempt.at is None:
        return copy, attempt.outcome
    return copy, f"{attempt.outcome} {wording.age(attempt.at, now)}"


def _trouble(console: "Console", one: SourceStatus) -> None:
    name = str(one.name) + (f"@{one.view}" if one.view else "")
    if one.last_attempt.outcome == AttemptOutcome.FAILED:
        say(console, f"{name}: last try failed: {one.last_attempt.reason or wording.NOT_RECORDED}")
    elif one.last_attempt.outcome == AttemptOutcome.NEVER:
        say(console, f"{name}: not read yet: cachescope sync {name}")
    if one.rejected:
        say(console, f"{name}: {wording.count(one.rejected, 'record')} could not be read")
    for warning in one.warnings:
        say(console, f"{name}: {warning}")
