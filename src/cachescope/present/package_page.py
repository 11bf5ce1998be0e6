"""The page of one package: where it is built, and what separates the binaries that look alike."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cachescope.model.identity import MirrorName
from cachescope.model.record import Presence
from cachescope.model.results import DependencyDifference, LookAlikes, PackageReport, RefStacks, SpecSummary
from cachescope.present import urls, wording
from cachescope.present.pages import Frame, Pager, PageRequest, pager
from cachescope.present.urls import Scope

__all__ = [
    "MEMBERS_PER_GROUP",
    "Group",
    "Matrix",
    "MatrixCell",
    "MatrixRow",
    "PackagePage",
    "chief_differences",
    "compiler_shown",
    "package_page",
    "separation",
]

MEMBERS_PER_GROUP = 50
_MEMBERS_PER_PAGE = 160
_GROUPS_PER_PAGE = 40
_VERSIONS_AT_ONCE = 6
_NEWEST_VERSIONS = 3
_DIFFERENCES_SHOWN = 6
_RANK = {"version": 0, "recipe": 2}
"""Which differences are named first; all others stand between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """Binaries of one version, system and target; ``specs`` 0 is an empty cell."""

    target: str
    specs: int
    compilers: tuple[str, ...]
    href: str
    """The first group that the cell counts; empty for an empty cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One system of one version; cells in the order of the targets."""

    version: str
    span: int
    """Rows of this version, on its first row; 0 on the others."""

    os: str
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Where a package is built: versions and systems down, targets across."""

    targets: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    versions_left_out: int
    """Older versions that the matrix does not show."""


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
    hash_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePage:
    """One package within a scope."""

    frame: Frame
    result: PackageReport
    refs: tuple[RefStacks, ...]
    matrix: Matrix
    common_variants: tuple[str, ...]
    """Variants on which all groups agree."""

    several_platforms: bool
    groups: tuple[Group, ...]
    """Groups of this page."""

    pager: Pager
    all_versions: bool


def package_page(result: PackageReport, refs: Sequence[RefStacks], request: PageRequest) -> PackagePage:
    """Build the page of one package; groups are cut into pages of a bearable weight."""
    scope = Scope(result.ref, result.stack)
    pages = _page_numbers(result.groups)
    variants = [set(group.specs[0].variant_texts) for group in result.groups]
    common = set.intersection(*variants) if variants else set()
    first = result.groups[0].specs[0].variant_texts if result.groups else ()
    return PackagePage(
        frame=Frame(
            title=f"{result.name}, {scope.words}",
            section="packages",
            address=urls.package(result.name, scope, page=request.page, all_versions=request.all_versions),
            scope=scope,
            now=request.now,
        ),
        result=result,
        refs=tuple(refs),
        matrix=_matrix(result, pages, request, scope),
        common_variants=tuple(one for one in first if one in common),
        several_platforms=len({group.specs[0].architecture.platform for group in result.groups}) > 1,
        groups=tuple(
            _group(number, group, common)
            for number, group in enumerate(result.groups, 1)
            if pages[number - 1] == request.page
        ),
        pager=pager(max(pages, default=1), request.page),
        all_versions=request.all_versions,
    )


def _page_numbers(groups: Sequence[LookAlikes]) -> list[int]:
    """Say for each group on which page it stands; a page is full by groups or by members."""
    page, on_page, members = 1, 0, 0
    numbers: list[int] = []
    for group in groups:
        size = min(len(group.specs), MEMBERS_PER_GROUP)
        if on_page and (on_page == _GROUPS_PER_PAGE or members + size > _MEMBERS_PER_PAGE):
            page, on_page, members = page + 1, 0, 0
        on_page, members = on_page + 1, members + size
        numbers.append(page)
    return numbers


def _group(number: int, group: LookAlikes, common: set[str]) -> Group:
    members = group.specs[:MEMBERS_PER_GROUP]
    return Group(
        number=number,
        result=group,
        first=group.specs[0],
        members=members,
        variants=tuple(one for one in group.specs[0].variant_texts if one not in common),
        mirrors=tuple(sorted({name for spec in group.specs for name in spec.mirrors})),
        unstated=sum(spec.presence is Presence.UNSTATED for spec in group.specs),
        summary=separation(group),
        differences=chief_differences(group),
        mirrors_vary=len({spec.mirrors for spec in group.specs}) > 1,
        hash_length=wording.shown_characters([spec.hash for spec in members]),
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
        return "differ in " + "; ".join(shown) + (f"; and in {more} more" if more else "")
    if not group.dependencies_known:
        return "dependencies are not recorded (known from a published page only)"
    if not group.explained:
        return "too many to compare on a page"
    return "no recorded difference"


def _matrix(result: PackageReport, pages: Sequence[int], request: PageRequest, scope: Scope) -> Matrix:
    cut = len(result.versions) > _VERSIONS_AT_ONCE and not request.all_versions
    versions = result.versions[:_NEWEST_VERSIONS] if cut else result.versions
    firsts = [group.specs[0] for group in result.groups]
    targets = _by_specs(
        (one.architecture.target, group) for one, group in zip(firsts, result.groups, strict=True)
    )
    places: dict[tuple[str, str, str], list[int]] = {}
    for index, one in enumerate(firsts):
        places.setdefault((one.version, one.architecture.os, one.architecture.target), []).append(index)

    def cell(version: str, os: str, target: str) -> MatrixCell:
        found = places.get((version, os, target), [])
        return MatrixCell(
            target=target,
            specs=sum(len(result.groups[index].specs) for index in found),
            compilers=wording.distinct([compiler_shown(firsts[index]) for index in found]),
            href=_anchor(result, found[0], pages, request, scope) if found else "",
        )

    rows: list[MatrixRow] = []
    for version in versions:
        of_version = [group for group in result.groups if group.specs[0].version == version]
        systems = _by_specs((group.specs[0].architecture.os, group) for group in of_version)
        rows += [
            MatrixRow(
                version=version,
                span=0 if place else len(systems),
                os=os,
                cells=tuple(cell(version, os, target) for target in targets),
            )
            for place, os in enumerate(systems)
        ]
    return Matrix(targets=targets, rows=tuple(rows), versions_left_out=len(result.versions) - len(versions))


def _by_specs(named: Iterable[tuple[str, LookAlikes]]) -> tuple[str, ...]:
    """Order names by how many specs they have, the most first, then by name."""
    sizes: Counter[str] = Counter()
    for name, group in named:
        sizes[name] += len(group.specs)
    return tuple(sorted(sizes, key=lambda name: (-sizes[name], name)))


def _anchor(
    result: PackageReport, index: int, pages: Sequence[int], request: PageRequest, scope: Scope
) -> str:
    """Link to a group: within the page where it stands here, else to its page."""
    anchor = f"#g{index + 1}"
    if pages[index] == request.page:
        return anchor
    return urls.package(result.name, scope, page=pages[index], all_versions=request.all_versions) + anchor


def compiler_shown(spec: SpecSummary) -> str:
    """Write the compiler."""
    return spec.compiler_name
