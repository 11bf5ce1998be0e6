"""A spec query over the arrays of a catalogue: the same meaning as ``query.matching`` and as ``catalogue.lowering``.

Conditions on small tables (versions, variant sets, compilers) are asked of the database, in the statements that the SQL
lowering has as parts of its own. What is asked of each spec or edge is asked of all at once. As there, what only the
reference can decide is let through and told of as unsure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, select, true

from cachescope.catalogue import schema as t
from cachescope.catalogue.field_conditions import sets_that_hold, sets_where, sets_with, version_condition
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.lowering import compiler_conditions, hash_starts_with
from cachescope.catalogue.spec_arrays import Column, Mask, SpecArrays, fulfils
from cachescope.model.spec import RUNTIME, Deptype
from cachescope.query.spec_query import DependencyQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.targets import target_matches

__all__ = ["LoweredToArrays", "lower_to_arrays"]

_FORMAT_5 = 5
_BUILD_OR_TEST = Deptype.BUILD | Deptype.TEST
_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class LoweredToArrays:
    """Which specs fulfil a condition, and where it does not say all that the query does."""

    fulfilling: Mask
    """Every spec that matches is among them."""

    unsure: Mask | None = None
    """Those among them that may not match; none, if there is no such mask."""


def lower_to_arrays(connection: Connection, arrays: SpecArrays, query: SpecQuery) -> LoweredToArrays:
    """Answer a query. At most 3 small statements for each node that is asked for, and 1 for each of its variants and flags."""
    return _Lowering(connection, arrays).query(query)


class _Lowering:
    def __init__(self, connection: Connection, arrays: SpecArrays) -> None:
        self._connection = connection
        self._arrays = arrays
        self._unsure: list[Mask] = []

    def query(self, query: SpecQuery) -> LoweredToArrays:
        found = self._node(query.node)
        if not self._is_virtual(query.node.name):
            for edge in query.dependencies:
                found &= self._edge(edge, query.node)
        if not self._unsure:
            return LoweredToArrays(found)
        return LoweredToArrays(found, found & np.logical_or.reduce(self._unsure))

    # -- small tables --------------------------------------------------------------------------------------------

    def _asked(self, statement: Any) -> Iterable[int]:
        return self._connection.execute(statement).scalars().all()

    def _name_id(self, name: str) -> int:
        """Return the key of a name; one that no spec has, where the name is unknown."""
        key = self._connection.execute(select(t.name.c.id).where(t.name.c.text == name)).scalar()
        return -2 if key is None else int(key)

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
        arrays = self._arrays
        found = arrays.all()
        if node.hash is not None:
            begun = select(t.spec.c.id).where(hash_starts_with(t.spec.c.hash, node.hash))
            found &= arrays.with_keys(self._asked(begun))
        if node.name is not None and self._is_virtual(node.name):
            # A provider satisfies the virtual, and nothing else is asked of it.
            return found & fulfils(arrays.name, arrays.providers.get(node.name, ()))
        if node.name is not None:
            found &= arrays.name == self._name_id(node.name)
        if node.namespace is not None:
            known = (_UNKNOWN, self._name_id(node.namespace), self._name_id(""))
            found &= np.isin(arrays.namespace, known)
        if node.version is not None:
            versions = version_condition(node.version, t.version.c.key, t.version.c.text)
            found &= fulfils(arrays.version, self._asked(select(t.version.c.id).where(versions)))
        for variant in node.variants:
            found &= self._variant(variant)
        for flag in node.flags:
            for item in flag.items:
                sets = sets_where(flag.name, ("flag",), value=item)
                found &= fulfils(arrays.variant_set, self._asked(sets))
        if node.platform is not None or node.os is not None or node.target is not None:
            found &= fulfils(arrays.architecture, self._architectures(node))
        return found

    def _architectures(self, node: NodeQuery) -> Iterable[int]:
        return [
            row.id
            for row in self._arrays.architectures
            if node.platform in {None, "*", row.platform}
            and node.os in {None, "*", row.os}
            and (node.target is None or target_matches(node.target, row.target))
        ]

    def _variant(self, asked: VariantQuery) -> Mask:
        arrays = self._arrays
        holding = fulfils(arrays.variant_set, self._asked(sets_that_hold(asked)))
        if not asked.propagate:
            return holding
        unfit = fulfils(arrays.variant_set, self._asked(sets_with(asked.name))) & ~holding
        # Of a dependency without a record nothing is known, so nothing is said to fit.
        known: Mask = arrays.variant_set != _UNKNOWN
        return known & ~arrays.edges.with_all_above(unfit, runtime=False)

    # -- edges ---------------------------------------------------------------------------------------------------

    def _edge(self, edge: DependencyQuery, parent: NodeQuery) -> Mask:
        found = self._transitive(edge) if edge.sigil == "^" else self._direct(edge, parent)
        if edge.when is not None:
            when = _Lowering(self._connection, self._arrays).query(edge.when)
            found = found | ~when.fulfilling
            if when.unsure is not None:
                self._unsure.append(when.unsure)
                found |= when.unsure
        # The edges behind it are asked for whether its own condition holds or not.
        return found & self._behind(edge) if edge.direct else found

    def _direct(self, edge: DependencyQuery, parent: NodeQuery) -> Mask:
        found = self._has_edge(edge)
        if parent.name is not None and parent.name != edge.node.name:
            itself = self._built_with(parent.name)
            self._unsure.append(itself)
            found |= itself
        return found

    def _built_with(self, name: str) -> Mask:
        """Return the specs of a name built with another one of it: then ``name %x`` may mean that one in Spack."""
        arrays, edges = self._arrays, self._arrays.edges
        called: Mask = arrays.name == self._name_id(name)
        own = np.flatnonzero(called[edges.parent])
        itself = called[edges.child[own]] | fulfils(edges.kind[own], self._carrying(name))
        built = fulfils(edges.kind[own], self._typed(_BUILD_OR_TEST))
        return edges.parents_of(own[itself & built], len(arrays.ids))

    def _has_edge(self, edge: DependencyQuery) -> Mask:
        """Return which specs have such an edge themselves, or were built with such a compiler."""
        arrays, node = self._arrays, edge.node
        asked = {*edge.virtuals, node.name} if self._is_virtual(node.name) else set(edge.virtuals)
        kinds = [
            kind.id
            for kind in arrays.kinds
            if kind.deptypes & edge.deptypes == edge.deptypes and (not asked or asked & kind.virtuals)
        ]
        linked = self._parents(self._node(node)[arrays.edges.child], kinds)
        by_page = (arrays.knowledge == int(Knowledge.PAGE)) & (arrays.compiler != _UNKNOWN)
        by_compiler: Mask = (arrays.spec_format < _FORMAT_5) | by_page
        if not by_compiler.any():
            return linked
        return np.where(by_compiler, self._compiler(node), linked)

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
        for below in edge.direct:
            fitting &= self._has_edge(below)
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
        above = self._parents(edges, self._typed(RUNTIME))
        above = self._arrays.edges.with_all_above(above, runtime=True)
        return above | self._parents(edges, self._typed(own))

    def _parents(self, edges: Mask, kinds: list[int]) -> Mask:
        """Return which specs have such an edge of one of these kinds."""
        places: Column = np.flatnonzero(edges)
        if len(kinds) < len(self._arrays.kinds):
            places = places[fulfils(self._arrays.edges.kind[places], kinds)]
        return self._arrays.edges.parents_of(places, len(self._arrays.ids))
