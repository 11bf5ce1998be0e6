"""One spec as text for a terminal, for a pipe, and for pages asked as plain text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cachescope.model.record import Presence
from cachescope.model.results import Place, SpecReport, SpecSummary
from cachescope.model.spec import deptype_names
from cachescope.present import wording
from cachescope.present.dependency_tree import TreeRow, dependency_trees
from cachescope.present.spec_page import (
    DEPENDENTS_SHOWN,
    closure_words,
    headline,
    size_words,
    verdict_words,
)
from cachescope.present.terminal import cell, new_table, room, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["spec"]

_NAMED = 6


def spec(console: "Console", result: SpecReport) -> None:
    """Print everything known of one spec."""
    one = result.spec
    say(console, wording.identity(one), bold=True)
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
        if lacking := _lacking(result):
            words = "it" if len(lacking) == 1 else "all of them"
            named = f"{', '.join(lacking[:_NAMED])}{_more(lacking)}"
            say(console, f"No mirror has {named}, needed to run: the host must provide {words}.")


def _lacking(result: SpecReport) -> Sequence[str]:
    return wording.distinct(
        [
            f"{one.spec.name}@{one.spec.version}"
            for one in result.dependencies
            if one.needed_at_run and not one.spec.mirrors and one.spec.presence is not Presence.UNSTATED
        ]
    )


def _more(names: Sequence[str]) -> str:
    return f" and {wording.count(len(names) - _NAMED)} more" if len(names) > _NAMED else ""


def _facts(result: SpecReport) -> "Table":
    from rich.table import Table

    one = result.spec
    verdict = verdict_words(result) or "not checked"
    flags = [f"{name}={' '.join(values)}" for name, values in one.variants.flags]
    facts = {
        "Verification": ": ".join(part for part in (verdict, wording.verdict_reason(result)) if part),
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


def _named(one: SpecSummary) -> str:
    return f"{one.name}@{one.version}  /{one.hash}"
