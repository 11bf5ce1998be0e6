"""The dependencies of a spec by what they are needed for: two trees out of one depth-first list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cachescope.model.identity import DagHash
from cachescope.model.results import Dependency, SpecReport, SpecSummary
from cachescope.model.spec import RUNTIME, EdgeKind

__all__ = ["DependencyTrees", "Edge", "TreeRow", "children_of", "dependency_trees"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """One line of a tree; ``depth`` 1 is the outermost."""

    spec: SpecSummary
    kind: EdgeKind
    depth: int
    repeated: bool
    """It stands further up with what it needs itself; only among what is needed on the host."""

    needed_by: SpecSummary | None = None
    """Stated for a build tool of something that is needed on the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyTrees:
    """What is needed on the host (link and run edges alone), and what only a build or a test needs."""

    to_run: tuple[TreeRow, ...]
    to_run_total: int
    """Distinct specs."""

    only_to_build: tuple[TreeRow, ...]
    only_to_build_total: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A dependency and how it is used."""

    spec: SpecSummary
    kind: EdgeKind


_Children = dict[DagHash, list[Edge]]


def dependency_trees(report: SpecReport) -> DependencyTrees:
    """Sort the dependencies of a spec into the two trees."""
    root = report.spec.hash
    children = children_of(root, report.dependencies)
    to_run = tuple(_walk_to_run(root, children))
    needed = {row.spec.hash for row in to_run}
    to_build = tuple(_walk_to_build(report.spec, children, needed))
    return DependencyTrees(
        to_run=to_run,
        to_run_total=len(needed),
        only_to_build=to_build,
        only_to_build_total=len({row.spec.hash for row in to_build}),
    )


def children_of(root: DagHash, dependencies: Sequence[Dependency]) -> "dict[DagHash, list[Edge]]":
    """Return the edges below each spec, from the depth-first walk; a repeated spec has its children at its first place."""
    found: _Children = {}
    above: list[DagHash] = [root]
    for one in dependencies:
        del above[one.depth :]
        found.setdefault(above[-1], []).append(Edge(one.spec, one.kind))
        above.append(one.spec.hash)
    return found


def _walk_to_run(root: DagHash, children: _Children) -> list[TreeRow]:
    rows: list[TreeRow] = []
    met: set[DagHash] = set()
    waiting = [(edge, 1) for edge in reversed(children.get(root, []))]
    while waiting:
        edge, depth = waiting.pop()
        if not edge.kind.deptypes & RUNTIME:
            continue
        repeated = edge.spec.hash in met
        rows.append(TreeRow(spec=edge.spec, kind=edge.kind, depth=depth, repeated=repeated))
        if not repeated:
            met.add(edge.spec.hash)
            waiting += [(below, depth + 1) for below in reversed(children.get(edge.spec.hash, []))]
    return rows


def _walk_to_build(root: SpecSummary, children: _Children, needed: set[DagHash]) -> list[TreeRow]:
    """Name each build tool once: first those of the spec itself, then those of what is needed on the host."""
    own = [edge for edge in children.get(root.hash, []) if edge.spec.hash not in needed]
    met = {edge.spec.hash for edge in own}
    rows = list(_unfold([(edge, 1, None) for edge in reversed(own)], children, needed, met))
    for parent, edge in _edges_below(root, children, needed):
        if edge.spec.hash not in met:
            met.add(edge.spec.hash)
            rows += _unfold([(edge, 1, parent)], children, needed, met)
    return rows


def _unfold(
    waiting: list[tuple[Edge, int, SpecSummary | None]],
    children: _Children,
    needed: set[DagHash],
    met: set[DagHash],
) -> Iterator[TreeRow]:
    """Walk down from build tools that are met already, to others that are not."""
    while waiting:
        edge, depth, parent = waiting.pop()
        yield TreeRow(spec=edge.spec, kind=edge.kind, depth=depth, repeated=False, needed_by=parent)
        below = [
            one
            for one in children.get(edge.spec.hash, [])
            if one.spec.hash not in needed and one.spec.hash not in met
        ]
        met.update(one.spec.hash for one in below)
        waiting += [(one, depth + 1, None) for one in reversed(below)]


def _edges_below(
    root: SpecSummary, children: _Children, needed: set[DagHash]
) -> Iterator[tuple[SpecSummary, Edge]]:
    """Yield the edges from what is needed on the host to build tools."""
    passed: set[DagHash] = set()
    waiting = [edge for edge in reversed(children.get(root.hash, [])) if edge.spec.hash in needed]
    while waiting:
        parent = waiting.pop().spec
        if parent.hash in passed:
            continue
        passed.add(parent.hash)
        for edge in children.get(parent.hash, []):
            if edge.spec.hash not in needed:
                yield parent, edge
        waiting += [edge for edge in reversed(children.get(parent.hash, [])) if edge.spec.hash in needed]
