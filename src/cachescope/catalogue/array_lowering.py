"""A spec query over the arrays of a catalogue: the same meaning as ``query.matching`` and as ``catalogue.lowering``.

Conditions on small tables (versions, variant sets, compilers) are asked of the database, in the statements that the SQL
lowering has as parts of its own. What is asked of each spec or edge is asked of all at once. As there, what only the
reference can decide is let through and told of as unsure.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, select, true

from cachescope.catalogue import schema as t
from cachescope.catalogue.field_conditions import sets_that_hold, sets_where, sets_with, version_condition
from cachescope.catalogue.lowering import compiler_conditions, hash_starts_with
from cachescope.catalogue.spec_arrays import Column, Mask, SpecArrays, fulfils
from cachescope.model.spec import RUNTIME, Deptype
from cachescope.query.spec_query import DependencyQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.targets import target_matches

__all__ = ["LoweredToArrays", "lower_to_arrays"]

_BUILD_OR_TEST = Deptype.BUILD | Deptype.TEST
_UNKNOWN = -1
_NO_KEY = -2
_KEY_OF_NAME = select(t.name.c.id).where(t.name.c.text == bindparam("name"))
_FEW = 10_000
"""Specs whose own edges are looked up; of more, looking at all edges takes no longer."""


@dataclass(frozen=True, slots=True)
class LoweredToArrays:
    """Which specs fulfil a condition, and where it does not say all that the query does."""

    fulfilling: Mask
    """Every spec that matches is among them."""

    unsure: Mask | None = None
    """Those among them that may not match; none, if there is no such mask."""


def lower_to_arrays(
    connection: Connection, arrays: SpecArrays, query: SpecQuery, among: Mask | None = None
) -> LoweredToArrays:
    """Answer a query about all specs, or about some of them. At most 3 small statements for each node that is asked for, and 1 for each of its variants and flags."""
    return _Lowering(connection, arrays).query(query, among)


class _Fulfilling:
    """The specs that fulfil all that was asked up to now, by their places; None while nothing was asked."""

    def __init__(self) -> None:
        self._places: Column | None = None

    def keep(self, column: Column, keys: Iterable[int]) -> None:
        """Keep those that have one of these keys."""
        if self._places is None:
            self._places = np.flatnonzero(fulfils(column, keys))
        else:
            self._places = self._places[fulfils(column[self._places], keys)]

    def mask(self, arrays: SpecArrays) -> Mask:
        """Return them as a mask."""
        if self._places is None:
            return arrays.all()
        found = arrays.none()
        found[self._places] = True
        return found


class _Lowering:
    def __init__(self, connection: Connection, arrays: SpecArrays) -> None:
        self._connection = connection
        self._arrays = arrays
        self._unsure: list[Mask] = []
        self._names: dict[str, int] = {}

    def query(self, query: SpecQuery, among: Mask | None = None) -> LoweredToArrays:
        found = self._node(query.node)
        if among is not None:
            found &= among
        if not self._is_virtual(query.node.name):
            for edge in query.dependencies:
                found &= self._edge(edge, query.node, found)
        if not self._unsure:
            return LoweredToArrays(found)
        return LoweredToArrays(found, found & np.logical_or.reduce(self._unsure))

    # -- small tables --------------------------------------------------------------------------------------------

    def _asked(self, statement: Any) -> Collection[int]:
        return self._connection.execute(statement).scalars().all()

    def _name_id(self, name: str) -> int:
        """Return the key of a name; one that no spec has, where the name is unknown."""
        if name not in self._names:
            key = self._connection.execute(_KEY_OF_NAME, {"name": name}).scalar()
            self._names[name] = _NO_KEY if key is None else int(key)
        return self._names[name]

    def _is_virtual(self, name: str | None) -> bool:
        """Say whether some edge carries the name and no spec has it, as ``query.universe`` does."""
        if name is None or not self._is_carried(name):
            return False
        return not bool(np.any(self._arrays.name == self._name_id(name)))

    def _is_carried(self, name: str) -> bool:
        return any(name in kind.virtuals for kind in self._arrays.kinds)

    def _carrying(self, virtual: str | None) -> list[int]:
        return [kind.id for kind in self._arrays.kinds if virtual in kind.virtuals]

    def _typed(self, deptypes: Deptype) -> list[int]:
        return [kind.id for kind in self._arrays.kinds if kind.deptypes & deptypes]

    # -- one node ------------------------------------------------------------------------------------------------

    def _node(self, node: NodeQuery) -> Mask:
        """Return which specs fulfil it: each condition is asked of those that fulfil the ones before."""
        arrays, found = self._arrays, _Fulfilling()
        if node.hash is not None:
            begun = select(t.spec.c.id).where(hash_starts_with(t.spec.c.hash, node.hash))
            found.keep(arrays.ids, self._asked(begun))
        if node.name is not None and self._is_virtual(node.name):
            # A provider satisfies the virtual, and nothing else is asked of it.
            found.keep(arrays.name, arrays.providers.get(node.name, ()))
            return found.mask(arrays)
        if node.name is not None:
            found.keep(arrays.name, [self._name_id(node.name)])
        self._keep_attributes(node, found)
        mask = found.mask(arrays)
        for variant in node.variants:
            if variant.propagate:
                mask &= self._propagated(variant)
        return mask

    def _keep_attributes(self, node: NodeQuery, found: _Fulfilling) -> None:
        arrays = self._arrays
        if node.namespace is not None:
            found.keep(arrays.namespace, [_UNKNOWN, self._name_id(node.namespace), self._name_id("")])
        if node.version is not None:
            versions = version_condition(node.version, t.version.c.key, t.version.c.text)
            found.keep(arrays.version, self._asked(select(t.version.c.id).where(versions)))
        if node.platform is not None or node.os is not None or node.target is not None:
            found.keep(arrays.architecture, self._architectures(node))
        for flag in node.flags:
            for item in flag.items:
                found.keep(arrays.variant_set, self._asked(sets_where(flag.name, ("flag",), value=item)))
        for variant in node.variants:
            if not variant.propagate:
                found.keep(arrays.variant_set, self._asked(sets_that_hold(variant)))

    def _architectures(self, node: NodeQuery) -> Iterable[int]:
        return [
            row.id
            for row in self._arrays.architectures
            if node.platform in {None, "*", row.platform}
            and node.os in {None, "*", row.os}
            and (node.target is None or target_matches(node.target, row.target))
        ]

    def _propagated(self, asked: VariantQuery) -> Mask:
        """Return below which specs, themselves counted, no node has the variant with another value."""
        arrays = self._arrays
        holding = set(self._asked(sets_that_hold(asked)))
        unfit = fulfils(
            arrays.variant_set, [one for one in self._asked(sets_with(asked.name)) if one not in holding]
        )
        # Of a dependency without a record nothing is known, so nothing is said to fit.
        known: Mask = arrays.variant_set != _UNKNOWN
        return known & ~arrays.edges.with_all_above(unfit, runtime=False)

    # -- edges ---------------------------------------------------------------------------------------------------

    def _edge(self, edge: DependencyQuery, parent: NodeQuery, among: Mask) -> Mask:
        found = self._transitive(edge) if edge.sigil == "^" else self._direct(edge, parent, among)
        if edge.when is not None:
            when = _Lowering(self._connection, self._arrays).query(edge.when)
            found = found | ~when.fulfilling
            if when.unsure is not None:
                self._unsure.append(when.unsure)
                found |= when.unsure
        # The edges behind it are asked for whether its own condition holds or not.
        return found & self._behind(edge) if edge.direct else found

    def _direct(self, edge: DependencyQuery, parent: NodeQuery, among: Mask) -> Mask:
        own = self._edges_of(among)
        found = self._has_edge(edge, own)
        if parent.name is not None and parent.name != edge.node.name:
            itself = self._built_with(parent.name, own)
            self._unsure.append(itself)
            found |= itself
        return found

    def _edges_of(self, specs: Mask) -> Column | None:
        """Return the edges that begin at these specs; None where they are so many that all edges are looked at."""
        if np.count_nonzero(specs) > _FEW:
            return None
        return self._arrays.edges.of(np.flatnonzero(specs))

    def _built_with(self, name: str, own: Column | None) -> Mask:
        """Return which specs of a name were built with another one of it: then ``name %x`` may mean that one in Spack."""
        arrays, edges = self._arrays, self._arrays.edges
        called: Mask = arrays.name == self._name_id(name)
        if own is None:
            own = np.flatnonzero(called[edges.parent])
        itself = called[edges.child[own]] | fulfils(edges.kind[own], self._carrying(name))
        built = fulfils(edges.kind[own], self._typed(_BUILD_OR_TEST))
        return edges.parents_of(own[itself & built], len(arrays.ids))

    def _has_edge(self, edge: DependencyQuery, own: Column | None) -> Mask:
        """Return which specs have such an edge themselves, or were built with such a compiler; ``own`` are their edges."""
        arrays, node = self._arrays, edge.node
        asked = {*edge.virtuals, node.name} if self._is_virtual(node.name) else set(edge.virtuals)
        kinds = [
            kind.id
            for kind in arrays.kinds
            if kind.deptypes & edge.deptypes == edge.deptypes and (not asked or asked & kind.virtuals)
        ]
        fitting, child = self._node(node), arrays.edges.child
        places = np.flatnonzero(fitting[child]) if own is None else own[fitting[child[own]]]
        linked = self._parents(places, kinds)
        if not arrays.by_compiler.any():
            return linked
        return np.where(arrays.by_compiler, self._compiler(node), linked)

    def _compiler(self, node: NodeQuery) -> Mask:
        conditions = compiler_conditions(node)
        if conditions is None:
            return self._arrays.none()
        compilers = select(t.compiler.c.id).where(true(), *conditions)
        return fulfils(self._arrays.compiler, self._asked(compilers))

    def _behind(self, edge: DependencyQuery) -> Mask:
        """Return which have some node of the name with the ``%`` edges behind a ``^`` edge; unsure if another has not.

        The reference looks at one node of that name, whichever it finds first. A DAG seldom holds two that differ.
        """
        name = edge.node.name
        plain = all(below.when is None and below.node.name != name for below in edge.direct)
        if name is None or not plain or self._is_carried(name):
            self._unsure.append(self._arrays.all())
            return self._arrays.all()
        named = self._arrays.name == self._name_id(name)
        fitting = named.copy()
        own = self._edges_of(named)
        for below in edge.direct:
            fitting &= self._has_edge(below, own)
        self._unsure.append(self._meets(named & ~fitting))
        return self._meets(fitting)

    def _meets(self, ends: Mask) -> Mask:
        """Return which specs are such nodes or have one where a name is looked up: below them, or built with it."""
        return ends | self._reaches(ends[self._arrays.edges.child], own=_BUILD_OR_TEST)

    def _transitive(self, edge: DependencyQuery) -> Mask:
        node, edges = edge.node, self._arrays.edges
        fitting = self._node(node)[edges.child]
        if self._is_virtual(node.name):
            fitting &= fulfils(edges.kind, self._carrying(node.name))
        found = self._reaches(fitting)
        # As in Spack, the virtuals may be provided by several edges to that name, and the attributes fit yet another.
        for virtual in edge.virtuals:
            if virtual != node.name:
                provides = self._named(virtual)
                found &= self._reaches(provides if node.name is None else provides & self._named(node.name))
        return found

    def _named(self, name: str) -> Mask:
        """Return which edges a name may mean: those that carry it, and those that lead to a package called so."""
        edges = self._arrays.edges
        called: Mask = self._arrays.name == self._name_id(name)
        return fulfils(edges.kind, self._carrying(name)) | called[edges.child]

    def _reaches(self, edges: Mask, *, own: Deptype = Deptype.BUILD) -> Mask:
        """Return which specs have such an edge among their runtime edges, or among their own of these types."""
        places = np.flatnonzero(edges)
        above = self._parents(places, self._typed(RUNTIME))
        above = self._arrays.edges.with_all_above(above, runtime=True)
        return above | self._parents(places, self._typed(own))

    def _parents(self, edges: Column, kinds: list[int]) -> Mask:
        """Return which specs have one of these edges, if it is of one of these kinds."""
        if len(kinds) < len(self._arrays.kinds):
            edges = edges[fulfils(self._arrays.edges.kind[edges], kinds)]
        return self._arrays.edges.parents_of(edges, len(self._arrays.ids))
