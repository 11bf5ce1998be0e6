"""The specs among which a query is asked, as the reference matcher needs them: all nodes by hash, and the virtuals.

Spack asks its recipes what is virtual and who provides it; a catalogue knows what edges carry. A name is virtual if some
edge carries it and no node has it; its providers are the packages that such edges lead to, used by somebody or not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cachescope.model.identity import DagHash
from cachescope.model.spec import RUNTIME, ConcreteSpec, DependencyEdge, Deptype

__all__ = ["Universe"]

_BUILD_OR_TEST = Deptype.BUILD | Deptype.TEST


@dataclass(frozen=True, slots=True)
class Universe:
    """All nodes, and who provides which virtual."""

    specs: Mapping[DagHash, ConcreteSpec]
    providers: Mapping[str, frozenset[str]]
    """Names of packages by virtual."""

    @staticmethod
    def of(specs: Iterable[ConcreteSpec]) -> "Universe":
        """Make a universe of nodes."""
        nodes = {spec.hash: spec for spec in specs}
        names: set[str] = {spec.name for spec in nodes.values()}
        names.update(edge.name for spec in nodes.values() for edge in spec.edges)
        providers: dict[str, set[str]] = {}
        for spec in nodes.values():
            for edge in spec.edges:
                for virtual in edge.kind.virtuals:
                    if virtual not in names:
                        providers.setdefault(virtual, set()).add(edge.name)
        return Universe(nodes, {virtual: frozenset(packages) for virtual, packages in providers.items()})

    def is_virtual(self, name: str | None) -> bool:
        """Say whether a name is that of a virtual package."""
        return name is not None and name in self.providers

    def children(self, spec: ConcreteSpec) -> Iterator[tuple[DependencyEdge, ConcreteSpec | None]]:
        """Return the edges of a node with their ends; None for an end that no record describes."""
        return ((edge, self.specs.get(edge.hash)) for edge in spec.edges)

    def dag(self, root: ConcreteSpec) -> Iterator[ConcreteSpec]:
        """Return all nodes of a DAG, along edges of every type, the root first."""
        seen = {root.hash}
        pending = [root]
        while pending:
            spec = pending.pop()
            yield spec
            for edge, child in self.children(spec):
                if child is not None and edge.hash not in seen:
                    seen.add(edge.hash)
                    pending.append(child)

    def runtime_edges(self, root: ConcreteSpec) -> Iterator[tuple[DependencyEdge, ConcreteSpec | None]]:
        """Return the link and run edges that are reachable from the root along such edges, breadth first."""
        seen = {root.hash}
        level = [root]
        while level:
            below: list[ConcreteSpec] = []
            for spec in level:
                for edge, child in self.children(spec):
                    if edge.kind.deptypes & RUNTIME:
                        yield edge, child
                        if child is not None and edge.hash not in seen:
                            seen.add(edge.hash)
                            below.append(child)
            level = below

    def candidates(self, root: ConcreteSpec) -> list[tuple[DependencyEdge, ConcreteSpec | None]]:
        """Return the edges that ``^`` may mean: the runtime edges, and the root's own build edges."""
        own = [(edge, child) for edge, child in self.children(root) if edge.kind.deptypes & Deptype.BUILD]
        return [*self.runtime_edges(root), *own]

    def lookup(self, root: ConcreteSpec, name: str) -> ConcreteSpec | None:
        """Return the node that a name means within a DAG: direct build and test edges first, then breadth first."""
        for edge, child in self.children(root):
            if edge.kind.deptypes & _BUILD_OR_TEST and (edge.name == name or name in edge.kind.virtuals):
                return child
        if root.name == name:
            return root
        for edge, child in self.runtime_edges(root):
            if edge.name == name or name in edge.kind.virtuals:
                return child
        return None
