"""The way down from specs that differ, to where they differ.

A DAG hash covers a spec's dependencies by their hashes, so equal hashes end the comparison: from the specs down, only
dependencies whose hashes differ are looked at, level by level. Pairs and groups of look-alikes go the same way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.stored_specs import decode_variant_set
from cachescope.catalogue.summaries import chunks
from cachescope.model.spec import RUNTIME, Deptype, EdgeKind, VariantSet

__all__ = ["Edge", "Nodes", "Slot", "children", "descend", "descend_together"]


class Edge(NamedTuple):
    """An edge below a node that was read."""

    name: str
    child: int
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in the DAGs that are compared: the path of names to it, and what each DAG has there."""

    path: tuple[str, ...]
    specs: tuple[int | None, ...]
    kinds: tuple[EdgeKind | None, ...] = ()
    """Of the edges that lead here; none for the specs themselves."""

    @property
    def differs(self) -> bool:
        """Whether not all have the same spec here."""
        return len(set(self.specs)) > 1


def descend(nodes: "Nodes", spec_ids: Sequence[int], *, levels: int, enters: Callable[[Slot], bool]) -> bool:
    """Visit each combination of specs that differ once, nearest first; ``enters`` says whether to go below it.

    At most 2 statements a level for 500 specs. Returns whether the way ended before the levels did.
    """
    return descend_together(nodes, [(spec_ids, enters)], levels=levels)


def descend_together(
    nodes: "Nodes", ways: Sequence[tuple[Sequence[int], Callable[[Slot], bool]]], *, levels: int
) -> bool:
    """Go down several ways at once, so that one level of all of them is read by the same statements.

    At most 2 statements a level for 500 specs, and 1 for their variant sets where several ways are gone.
    """
    levels_of = [[Slot((), tuple(spec_ids))] for spec_ids, _ in ways]
    seen: list[set[tuple[int | None, ...]]] = [set() for _ in ways]
    for _ in range(levels):
        fresh = [_fresh(level, met) for level, met in zip(levels_of, seen, strict=True)]
        keys = {key for slots in fresh for specs in slots for key in specs if key is not None}
        if not keys:
            return True
        nodes.load(keys)
        if len(ways) > 1:
            nodes.variant_sets({one for key in keys if (one := nodes.rows[key].variant_set_id) is not None})
        for place, (_, enters) in enumerate(ways):
            levels_of[place] = [
                below for slot in fresh[place].values() if enters(slot) for below in children(nodes, slot)
            ]
    return not any(levels_of)


def _fresh(level: Sequence[Slot], seen: set[tuple[int | None, ...]]) -> dict[tuple[int | None, ...], Slot]:
    found: dict[tuple[int | None, ...], Slot] = {}
    for slot in level:
        if slot.differs and slot.specs not in seen:
            found.setdefault(slot.specs, slot)
    seen.update(found)
    return found


def children(nodes: "Nodes", slot: Slot) -> list[Slot]:
    """Return the dependencies of a slot, matched by name.

    Of several with one name, equal specs are matched first, then those needed at run time with each other, then by order.
    """
    columns: dict[str, list[dict[int, Edge]]] = {}
    for position, key in enumerate(slot.specs):
        pending = list(nodes.edges.get(key, ())) if key is not None else []
        for fits in (_same_spec, _same_use, _any):
            pending = [
                edge
                for edge in pending
                if not _place(edge, position, columns.setdefault(edge.name, []), fits)
            ]
        for edge in pending:
            columns[edge.name].append({position: edge})
    return [
        Slot(
            (*slot.path, name),
            tuple(column[place].child if place in column else None for place in range(len(slot.specs))),
            tuple(column[place].kind if place in column else None for place in range(len(slot.specs))),
        )
        for name, found in columns.items()
        for column in found
    ]


def _place(
    edge: Edge, position: int, columns: Sequence[dict[int, Edge]], fits: Callable[[Edge, Edge], bool]
) -> bool:
    for column in columns:
        if position not in column and any(fits(edge, other) for other in column.values()):
            column[position] = edge
            return True
    return False


def _same_spec(one: Edge, other: Edge) -> bool:
    return one.child == other.child


def _same_use(one: Edge, other: Edge) -> bool:
    return bool(one.kind.deptypes & RUNTIME) == bool(other.kind.deptypes & RUNTIME)


def _any(_one: Edge, _other: Edge) -> bool:
    return True


class Nodes:
    """Fields and edges of the specs that were met, read level by level."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.rows: dict[int, Row[Any]] = {}
        self.edges: dict[int, list[Edge]] = {}
        self._sets: dict[int, VariantSet] = {}
        self._kinds: dict[tuple[int, str], EdgeKind] = {}

    def load(self, keys: set[int]) -> None:
        """Read those that were not read yet."""
        missing = sorted(keys - self.rows.keys())
        namespace = t.name.alias("namespace")
        for some in chunks(missing):
            rows = self._connection.execute(
                select(
                    t.spec.c.id,
                    t.spec.c.hash,
                    t.spec.c.knowledge,
                    t.name.c.text.label("name"),
                    t.version.c.text.label("version"),
                    (t.compiler.c.name + "@" + t.compiler.c.version).label("compiler"),
                    t.architecture.c.os,
                    t.architecture.c.target,
                    t.architecture.c.platform,
                    namespace.c.text.label("namespace"),
                    t.spec.c.external,
                    t.spec.c.build_spec,
                    t.spec.c.package_hash,
                    t.spec.c.spec_format,
                    t.spec.c.variant_set_id,
                )
                .join(t.name, t.name.c.id == t.spec.c.name_id)
                .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
                .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
                .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
                .outerjoin(namespace, namespace.c.id == t.spec.c.namespace_id)
                .where(t.spec.c.id.in_(some))
            )
            self.rows.update({row.id: row for row in rows})
            self._load_edges(some)

    def _load_edges(self, keys: Sequence[int]) -> None:
        edges = self._connection.execute(
            select(
                t.edge.c.parent_id,
                t.name.c.text,
                t.edge.c.child_id,
                t.edge_kind.c.deptypes,
                t.edge_kind.c.virtuals,
            )
            .join(t.spec, t.spec.c.id == t.edge.c.child_id)
            .join(t.name, t.name.c.id == t.spec.c.name_id)
            .join(t.edge_kind, t.edge_kind.c.id == t.edge.c.kind_id)
            .where(t.edge.c.parent_id.in_(keys))
            .order_by(t.edge.c.parent_id, t.edge.c.position)
        )
        for parent, name, child, deptypes, virtuals in edges:
            kind = self._kinds.get((deptypes, virtuals))
            if kind is None:
                kind = EdgeKind(Deptype(deptypes), tuple(filter(None, virtuals.split(","))))
                self._kinds[deptypes, virtuals] = kind
            self.edges.setdefault(parent, []).append(Edge(name, child, kind))

    def variant_sets(self, sets: set[int]) -> dict[int, VariantSet]:
        """Return variant sets by key; at most 1 statement for 500 that were not read yet."""
        for some in chunks(sorted(sets - self._sets.keys())):
            rows = self._connection.execute(
                select(t.variant_set.c.id, t.variant_set.c.key, t.variant_set.c.content).where(
                    t.variant_set.c.id.in_(some)
                )
            )
            self._sets.update({key: decode_variant_set(text, content) for key, text, content in rows})
        return {key: self._sets[key] for key in sets}
