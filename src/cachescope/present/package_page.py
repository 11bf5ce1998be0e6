"""The page of one package: where it is built, and what separates the binaries that look alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.facets import FacetValue, HistoryPoint
from cachescope.model.identity import MirrorName
from cachescope.model.record import Presence
from cachescope.model.results import DependencyDifference, LookAlikes, PackageReport, RefStacks, SpecSummary
from cachescope.present import urls, wording
from cachescope.present.package_matrix import Matrix, matrix_of
from cachescope.present.pages import Frame, Pager, PageRequest, pager
from cachescope.present.sparkline import Sparkline, sparkline
from cachescope.present.urls import Scope
from cachescope.query.grammar import parse_query
from cachescope.query.relaxing import constraints, without
from cachescope.query.sentences import describe
from cachescope.query.spec_query import SpecQuery

__all__ = [
    "MEMBERS_PER_GROUP",
    "Choice",
    "Choices",
    "Group",
    "PackagePage",
    "chief_differences",
    "package_page",
    "separation",
]

MEMBERS_PER_GROUP = 50
_DIFFERENCES_SHOWN = 6
_VALUES_SHOWN = 8
_VALUES_LISTED = 40
_CHANGES_SHOWN = 8
_DROPS_SHOWN = 12
_VARIANTS_PLACE = 4
_HEADINGS = {
    "version": "Version",
    "compiler": "Compiler",
    "os": "System",
    "target": "Target",
    "variant": "Variants",
    "stack": "Stack",
}
_RANK = {"version": 0, "recipe": 2}
"""Which differences are named first; all others stand between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Look-alikes as the page shows them."""

    number: int
    """Place among all groups, from 1; the anchor is ``g`` and this."""

    result: LookAlikes
    first: SpecSummary
    """Stands for all in the columns in which they agree."""

    members: tuple[SpecSummary, ...]
    """The first of them; the rest is only counted."""

    variants: tuple[str, ...]
    """Variants in which this group differs from another group of the page."""

    mirrors: tuple[MirrorName, ...]
    """Where members are present, sorted."""

    unstated: int
    """Members whose presence no source states."""

    summary: str
    """What separates the members, in one line."""

    differences: tuple[DependencyDifference, ...]
    """Those that are named and have a column."""

    mirrors_vary: bool
    newest: datetime | None
    """When the last of the members was first seen; None where that was not asked."""

    hash_length: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, with where it leads."""

    value: FacetValue
    href: str
    """Empty where no query can say it."""

    share: int
    """Of the shown specs, in steps of 5 per cent from 0 to 20."""


@dataclass(frozen=True, slots=True)
class Choices:
    """A facet as the page shows it: the first values, those behind a fold, and how many are left out."""

    heading: str
    first: tuple[Choice, ...]
    more: tuple[Choice, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePage:
    """One package within a scope, narrowed by a query."""

    frame: Frame
    result: PackageReport
    refs: tuple[RefStacks, ...]
    matrix: Matrix
    facets: tuple[Choices, ...]
    query: str
    """What stands in the field above the list."""

    sentence: str
    """What the query means; empty for the name alone."""

    drops: tuple[tuple[str, str], ...]
    """Each constraint of the query, with the address without it."""

    whole: int
    """Specs of the package that could match."""

    common_variants: tuple[str, ...]
    """Variants on which all groups of this page agree."""

    several_platforms: bool
    groups: tuple[Group, ...]
    pager: Pager
    all_versions: bool
    spark: Sparkline | None
    changes: tuple[HistoryPoint, ...]
    """The last of them, newest first."""


def package_page(result: PackageReport, refs: Sequence[RefStacks], request: PageRequest) -> PackagePage:
    """Build the page of one package."""
    scope = Scope(result.ref, result.stack)
    variants = [set(group.specs[0].variant_texts) for group in result.groups]
    common = set.intersection(*variants) if variants else set()
    first = result.groups[0].specs[0].variant_texts if result.groups else ()
    parsed = parse_query(result.query) if result.query else None
    return PackagePage(
        frame=Frame(
            title=f"{result.name}, {scope.words}",
            section="packages",
            address=urls.package(
                result.name,
                scope,
                page=request.page,
                all_versions=request.all_versions,
                query=result.query,
            ),
            scope=scope,
            now=request.now,
        ),
        result=result,
        refs=tuple(refs),
        matrix=matrix_of(result, scope, all_versions=request.all_versions),
        facets=_facets(result, scope),
        query=result.query or result.name,
        sentence=describe(parsed) if parsed is not None else "",
        drops=_drops(result, parsed, scope),
        whole=(result.counts.present + result.counts.unstated) or result.counts.mentioned,
        common_variants=tuple(one for one in first if one in common),
        several_platforms=len({group.specs[0].architecture.platform for group in result.groups}) > 1,
        groups=tuple(
            _group(number, group, common)
            for number, group in enumerate(result.groups, result.groups_before + 1)
        ),
        pager=pager(result.pages, result.page),
        all_versions=request.all_versions,
        spark=sparkline([(one.at, one.present) for one in result.history], until=request.now),
        changes=result.history[: -_CHANGES_SHOWN - 1 : -1],
    )


def _facets(result: PackageReport, scope: Scope) -> tuple[Choices, ...]:
    found = [
        _choices(_HEADINGS[one.field], one.values, result, scope)
        for one in result.facets
        if one.field != "variant"
    ]
    values = [value for one in result.facets if one.field == "variant" for value in one.values]
    if values:
        found.insert(_VARIANTS_PLACE, _choices(_HEADINGS["variant"], values, result, scope))
    return tuple(found)


def _choices(heading: str, values: Sequence[FacetValue], result: PackageReport, scope: Scope) -> Choices:
    whole = max(result.matching, 1)
    choices = [
        Choice(
            value=one,
            href=_choice_href(one, result, scope),
            share=min(20, -(-20 * one.specs // whole)),
        )
        for one in values[:_VALUES_LISTED]
    ]
    # One value more than a fold would save is shown at once.
    shown = len(choices) if len(choices) <= _VALUES_SHOWN + 1 else _VALUES_SHOWN
    first = [one for place, one in enumerate(choices) if place < shown or one.value.chosen]
    return Choices(
        heading,
        tuple(first),
        tuple(one for one in choices if one not in first),
        max(0, len(values) - len(choices)),
    )


def _choice_href(value: FacetValue, result: PackageReport, scope: Scope) -> str:
    if value.mirror is not None:
        chosen = scope.only_ref() if value.chosen else urls.mirror_scope(value.mirror)
        return urls.package(result.name, chosen, query=result.query)
    if not value.query:
        return ""
    return urls.package(result.name, scope, query="" if value.query == result.name else value.query)


def _drops(result: PackageReport, query: SpecQuery | None, scope: Scope) -> tuple[tuple[str, str], ...]:
    if query is None:
        return ()
    found = []
    for one in constraints(query)[:_DROPS_SHOWN]:
        rest = str(without(query, [one]))
        found.append((one.text, urls.package(result.name, scope, query="" if rest == result.name else rest)))
    return tuple(found)


def _group(number: int, group: LookAlikes, common: set[str]) -> Group:
    return Group(
        number=number,
        result=group,
        first=group.specs[0],
        members=group.specs[:MEMBERS_PER_GROUP],
        variants=tuple(one for one in group.specs[0].variant_texts if one not in common),
        mirrors=tuple(sorted({name for spec in group.specs for name in spec.mirrors})),
        unstated=sum(spec.presence is Presence.UNSTATED for spec in group.specs),
        summary=separation(group),
        differences=chief_differences(group),
        mirrors_vary=len({spec.mirrors for spec in group.specs}) > 1,
        newest=max(group.first_seen, default=None),
        hash_length=wording.shown_characters([spec.hash for spec in group.specs[:MEMBERS_PER_GROUP]]),
    )


def chief_differences(group: LookAlikes) -> tuple[DependencyDifference, ...]:
    """Return the first differences to be named: other versions tell a reader more than other recipes."""
    ranked = sorted(group.differences, key=lambda one: _RANK.get(one.field, 1))
    return tuple(ranked[:_DIFFERENCES_SHOWN])


def separation(group: LookAlikes) -> str:
    """Say what separates look-alikes, or why that cannot be said; empty for a spec that has none."""
    if len(group.specs) == 1:
        return ""
    if group.differences:
        shown = [wording.difference(one) for one in chief_differences(group)]
        more = len(group.differences) - len(shown)
        among = f"the newest {len(group.specs)} " if group.total else ""
        return f"{among}differ in " + "; ".join(shown) + (f"; and in {more} more" if more else "")
    if not group.dependencies_known:
        return "dependencies are not recorded (known from a published page only)"
    if not group.explained:
        return "too many to compare on a page"
    return "no recorded difference"
