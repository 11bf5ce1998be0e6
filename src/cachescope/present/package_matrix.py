"""Where a package is built: versions and systems down, targets across, each cell leading to the query that finds it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cachescope.model.facets import BuiltCell
from cachescope.model.results import PackageReport
from cachescope.present import urls
from cachescope.present.urls import Scope
from cachescope.query.choosing import exactly
from cachescope.query.grammar import parse_query

__all__ = ["Matrix", "MatrixCell", "MatrixRow", "matrix_of"]

_VERSIONS_AT_ONCE = 6
_NEWEST_VERSIONS = 3
_CELLS = 200
"""Cells that a page can bear; of the newest version at least its first systems are shown."""

_ROWS = 24
"""Rows that are looked over at a glance: older versions are left out where there would be more, unless all are asked for."""

_CELLS_WITH_COMPILERS = 90
"""In a smaller matrix the cells name their compilers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """Binaries of one version, system and target; ``specs`` 0 is an empty cell."""

    target: str
    specs: int
    compilers: tuple[str, ...]
    href: str
    """The page of the package, narrowed to this cell; empty for an empty cell, or where no query can say it."""


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
    """Versions and systems down, targets across."""

    targets: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    versions: int
    """Versions that match; the matrix shows the newest of them."""

    versions_left_out: int
    systems_left_out: int
    """Of the newest version, those of fewest binaries."""

    with_compilers: bool


def matrix_of(result: PackageReport, scope: Scope, *, all_versions: bool) -> Matrix:
    """Lay the cells of a package out; more than six versions are cut to the newest unless all are asked for."""
    cells = result.cells
    targets = _by_specs((one.target, one.specs) for one in cells)
    versions = tuple(dict.fromkeys(one.version for one in cells))
    systems = {version: _systems(cells, version) for version in versions}
    shown = _versions_shown(versions, systems, len(targets), all_versions=all_versions)
    places = {(one.version, one.os, one.target): one for one in cells}
    query = parse_query(result.query or result.name)

    def cell(version: str, os: str, target: str) -> MatrixCell:
        found = places.get((version, os, target))
        if found is None:
            return MatrixCell(target=target, specs=0, compilers=(), href="")
        narrowed = exactly(query, version=version, os=os, target=target)
        return MatrixCell(
            target=target,
            specs=found.specs,
            compilers=found.compilers,
            href=urls.package(result.name, scope, query=str(narrowed)) if narrowed is not None else "",
        )

    most = max(1, _CELLS // max(1, len(targets)))
    left_out = max(0, len(systems[shown[0]]) - most) if shown else 0
    if left_out:
        systems[shown[0]] = systems[shown[0]][:most]
    rows = [
        MatrixRow(
            version=version,
            span=0 if place else len(systems[version]),
            os=os,
            cells=tuple(cell(version, os, target) for target in targets),
        )
        for version in shown
        for place, os in enumerate(systems[version])
    ]
    return Matrix(
        targets=targets,
        rows=tuple(rows),
        versions=len(versions),
        versions_left_out=len(versions) - len(shown),
        systems_left_out=left_out,
        with_compilers=len(rows) * len(targets) <= _CELLS_WITH_COMPILERS,
    )


def _versions_shown(
    versions: Sequence[str], systems: dict[str, tuple[str, ...]], targets: int, *, all_versions: bool
) -> Sequence[str]:
    most = len(versions) if all_versions or len(versions) <= _VERSIONS_AT_ONCE else _NEWEST_VERSIONS
    rows = 0
    for place, version in enumerate(versions[:most]):
        rows += len(systems[version])
        if place and (rows * targets > _CELLS or (rows > _ROWS and not all_versions)):
            return versions[:place]
    return versions[:most]


def _systems(cells: Sequence[BuiltCell], version: str) -> tuple[str, ...]:
    return _by_specs((one.os, one.specs) for one in cells if one.version == version)


def _by_specs(named: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Order names by how many specs they have, the most first, then by name."""
    sizes: Counter[str] = Counter()
    for name, specs in named:
        sizes[name] += specs
    return tuple(sorted(sizes, key=lambda name: (-sizes[name], name)))
