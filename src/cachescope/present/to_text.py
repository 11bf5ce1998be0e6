"""Results as text for a terminal, for a pipe, and for pages asked as plain text.

On a terminal a row may take several lines, so that it fits 80 columns; elsewhere one row is one line, however long. No
hash is ever cut. All text out of records is shown with its control characters made visible.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cachescope.model.errors import CachescopeError, QuerySyntaxError
from cachescope.model.mirrors import MirrorReport
from cachescope.model.record import Presence
from cachescope.model.results import (
    AttemptOutcome,
    Counts,
    NoMatch,
    PackageList,
    PackageReport,
    Place,
    RefStacks,
    SearchResult,
    SourceStatus,
    SpecReport,
    SpecSummary,
)
from cachescope.model.spec import deptype_names
from cachescope.present import wording
from cachescope.present.dependency_tree import TreeRow, dependency_trees
from cachescope.present.package_page import chief_differences, compiler_shown, separation
from cachescope.present.spec_page import (
    DEPENDENTS_SHOWN,
    closure_words,
    headline,
    size_words,
    verdict_reason,
    verdict_words,
)
from cachescope.present.terminal import cell, new_table, room, say, write_aligned

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = [
    "NO_CACHES",
    "caches",
    "error",
    "figures",
    "home",
    "mirror",
    "names",
    "package",
    "packages",
    "search",
    "spec",
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


def packages(console: "Console", result: PackageList) -> None:
    """Print the packages of a scope by name."""
    if not result.packages:
        beginning = f" beginning with {result.prefix}" if result.prefix else ""
        say(console, f"No packages{beginning} here. Read a cache first: cachescope sync")
        return
    with room(console) as roomy:
        head = ("Versions", "Compilers", "Systems", "Targets") if roomy else ("Versions", "Targets")
        columns = ("Package", "Newest", *head, "Binaries", "Unstated")
        table = new_table(*columns, numbers=range(2, len(columns)))
        for one in result.packages:
            built = (one.versions, one.compilers, one.systems, one.targets)
            figures = (
                *(built if roomy else (one.versions, one.targets)),
                one.counts.present,
                one.counts.unstated,
            )
            table.add_row(*map(cell, [one.name, one.newest_version, *map(wording.count, figures)]))
        console.print(table)
    if result.total > len(result.packages):
        first = result.offset + 1
        last = result.offset + len(result.packages)
        say(console, f"{first} to {last} of {wording.count(result.total, 'package')}.")
    else:
        say(console, wording.count(result.total, "package") + ".")


def package(console: "Console", result: PackageReport) -> None:
    """Print one package: its counts, and its look-alikes with what separates them."""
    scope = (
        "all refs" if result.ref is None else f"{result.ref}/{result.stack}" if result.stack else result.ref
    )
    say(console, f"{result.name}, {scope}", bold=True)
    say(console, ", ".join(_package_figures(result)))
    if result.stacks:
        say(console, "In " + ", ".join(_stack_words(result)))
    if result.sizes is not None and result.sizes.total:
        say(console, f"Size: {wording.size_sum(result.sizes)}")
    for group in result.groups:
        first = group.specs[0]
        say(console, "")
        say(
            console,
            _identity(first) + f"  {wording.count(len(group.specs), 'binary', 'binaries')}",
            bold=True,
        )
        if first.variant_texts:
            say(console, "  " + " ".join(first.variant_texts))
        if apart := separation(group):
            say(console, f"  {apart}")
        with room(console):
            differences = chief_differences(group)
            sized = result.sizes is not None and result.sizes.known
            sizes = ("Size", "To run") if sized else ()
            table = new_table("Hash", *map(wording.difference_name, differences), *sizes, "Where")
            for place, one in enumerate(group.specs):
                values = [difference.values[place] for difference in differences]
                values = [wording.ABSENT if value == "-" else value for value in values]
                figures = (wording.size(one.size), wording.short_sum(one.closure)) if sized else ()
                table.add_row(*map(cell, [one.hash, *values, *figures, _where(one)]))
            console.print(table)
    if result.shown < result.counts.present + result.counts.unstated:
        say(console, f"The first {wording.count(result.shown, 'binary', 'binaries')} are shown.")


def spec(console: "Console", result: SpecReport) -> None:
    """Print everything known of one spec."""
    one = result.spec
    say(console, _identity(one), bold=True)
    say(console, f"/{one.hash}")
    say(console, headline(result))
    say(console, "")
    with room(console) as roomy:
        console.print(_facts(result))
        if result.places:
            console.print()
            console.print(_places(result.places, roomy=roomy))
    _dependencies(console, result)
    if result.dependents_total:
        say(console, f"\nNeeded by {wording.count(result.dependents_total, 'spec')}:", bold=True)
        for dependent in result.dependents[:DEPENDENTS_SHOWN]:
            types = " ".join(deptype_names(dependent.kind.deptypes))
            say(console, f"  {_named(dependent.spec)}  {types}")
        more = result.dependents_total - min(len(result.dependents), DEPENDENTS_SHOWN)
        if more > 0:
            say(console, f"  and {wording.count(more)} more")
    if result.commands:
        say(console, "\nTo use exactly this binary:", bold=True)
        for command in result.commands:
            say(console, f"  {command}")


def error(console: "Console", problem: CachescopeError) -> None:
    """Print what is wrong, where, and what to do."""
    if isinstance(problem, QuerySyntaxError):
        say(console, problem.query)
        say(console, " " * problem.start + "^" * max(1, problem.end - problem.start))
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
    return (one.hash, named, compiler_shown(one), runs_on.os, runs_on.target, _where(one), variants)


def _few_columns(one: SpecSummary) -> Sequence[str | tuple[str, ...]]:
    runs_on, named = one.architecture, f"{one.name}@{one.version}"
    where = wording.count(len(one.mirrors), "mirror") if len(one.mirrors) > 1 else _where(one)
    return (one.hash, (named, f"%{compiler_shown(one)}"), (runs_on.os, runs_on.target), where)


def _where(one: SpecSummary) -> str:
    if one.mirrors:
        return ", ".join(map(str, one.mirrors))
    return one.presence.word


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


def _places(places: Sequence[Place], *, roomy: bool) -> "Table":
    sized = any(place.archive is not None for place in places)
    columns = ("Where", "Layout", "Said", "Since", "Until", *(["Size"] if sized else []))
    table = new_table(*columns, *(["URL"] if roomy else []))
    for place in places:
        until = wording.moment(place.until) if place.until is not None else "now"
        url = str(place.url) if place.url is not None else wording.NOT_RECORDED
        size = [_archive_words(place)] if sized else []
        said = (place.layout.value, place.presence.word, wording.moment(place.since), until, *size)
        first, last = (str(place.source), [url]) if roomy else ((str(place.source), url), [])
        table.add_row(cell(first), *map(cell, (*said, *last)))
    return table


def _archive_words(place: Place) -> str:
    one = place.archive
    if one is None:
        return ""
    if one.size is None:
        return one.state.word
    return wording.size(one.size) + (", signed" if one.signed else ", unsigned")


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


def _package_figures(result: PackageReport) -> list[str]:
    counts = result.counts
    figures = [wording.count(counts.present, "binary", "binaries")]
    figures += [f"{wording.count(counts.unstated)} unstated"] if counts.unstated else []
    figures += [f"{wording.count(counts.mentioned)} only mentioned"] if counts.mentioned else []
    return [
        *figures,
        wording.count(len(result.versions), "version"),
        wording.count(len(result.compilers), "compiler"),
        wording.count(len(result.systems), "system"),
        wording.count(len(result.targets), "target"),
    ]


def _stack_words(result: PackageReport) -> list[str]:
    words: list[str] = []
    for name, present, unstated in result.stacks:
        figures = [wording.count(present)] if present or not unstated else []
        figures += [f"{wording.count(unstated)} unstated"] if unstated else []
        words.append(f"{name} ({', '.join(figures)})")
    return words


def _named(one: SpecSummary) -> str:
    return f"{one.name}@{one.version}  /{one.hash}"


def _identity(one: SpecSummary) -> str:
    return f"{one.name}@{one.version} %{compiler_shown(one)} {wording.system(one)}"


def _facts(result: SpecReport) -> "Table":
    from rich.table import Table

    one = result.spec
    verdict = verdict_words(result) or "not checked"
    flags = [f"{name}={' '.join(values)}" for name, values in one.variants.flags]
    facts = {
        "Verification": ": ".join(part for part in (verdict, verdict_reason(result)) if part),
        "Variants": " ".join(one.variant_texts) or "none",
        "Flags": "; ".join(flags) or "none",
        "Namespace": result.namespace or wording.NOT_RECORDED,
        "Recipe": result.package_hash or wording.NOT_RECORDED,
        "Format": str(one.spec_format) if one.spec_format else wording.NOT_RECORDED,
        "Size": size_words(result),
    }
    if closure := closure_words(result):
        facts["To run"] = closure
    if result.external:
        facts["External"] = "yes: the host provides it, there is nothing to download"
    if result.build_spec is not None:
        facts["Built as"] = f"/{result.build_spec} (spliced)"
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(cell(name), cell(value))
    return table


def _dependencies(console: "Console", result: SpecReport) -> None:
    if not result.dependencies_known:
        say(console, "\nDependencies: not recorded (known from a published page only)")
        return
    trees = dependency_trees(result)
    if not trees.to_run and not trees.only_to_build:
        say(console, "\nDependencies: none")
    for title, rows, total in (
        ("Needed to run", trees.to_run, trees.to_run_total),
        ("Only to build", trees.only_to_build, trees.only_to_build_total),
    ):
        if rows:
            say(console, f"\n{title}: {wording.count(total)}", bold=True)
        for row in rows:
            say(console, _tree_line(row))


def _tree_line(row: TreeRow) -> str:
    types = " ".join(deptype_names(row.kind.deptypes))
    virtuals = f" as {', '.join(row.kind.virtuals)}" if row.kind.virtuals else ""
    reason = f", for {row.needed_by.name}" if row.needed_by is not None else ""
    again = " (above)" if row.repeated else ""
    spec = row.spec
    # An external, or one that no mirror holds: it is not downloaded with the rest.
    absent = "" if spec.mirrors or spec.presence is Presence.UNSTATED else " (no binary)"
    return f"{'  ' * row.depth}{spec.name}@{spec.version} /{spec.hash[:7]} {types}{virtuals}{reason}{again}{absent}"
