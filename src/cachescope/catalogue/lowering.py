"""A spec query as SQL: the same meaning as ``query.matching``, for hundreds of thousands of specs.

What is small is looked at in Python while the statement is made (architectures, kinds of edges); what is large stays in
the database (versions by their keys, interned variant sets, edges by recursive statements). Where SQL would have to know
which of several nodes of one name Spack looks at first, the condition lets more specs through, and ``unsure`` says which:
then ``query.matching`` decides about each of those.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    exists,
    false,
    not_,
    or_,
    select,
    true,
)

from cachescope.catalogue import schema as t
from cachescope.catalogue.field_conditions import sets_that_hold, sets_where, sets_with, version_condition
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.unindexed import unindexed
from cachescope.model.spec import RUNTIME, Deptype
from cachescope.query.grammar import LEGACY_COMPILERS
from cachescope.query.spec_query import DependencyQuery, FlagQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.targets import target_matches

__all__ = ["Lowered", "compiler_conditions", "hash_starts_with", "lower"]

Condition = ColumnElement[bool]

_DAG_HASH = 32
_FORMAT_5 = 5
_BUILD_OR_TEST = Deptype.BUILD | Deptype.TEST


@dataclass(frozen=True, slots=True)
class Lowered:
    """A condition on ``spec``, and where it does not say all that the query does."""

    condition: Condition
    """Every spec that matches fulfils it."""

    unsure: Condition | None = None
    """Those that fulfil it and this one may not match; none, if there is no such condition."""

    @property
    def exact(self) -> bool:
        """Whether the condition says all."""
        return self.unsure is None


def lower(connection: Connection, query: SpecQuery, among: Condition | None = None) -> Lowered:
    """Lower a query. At most 6 small statements are made on the way.

    ``among`` is a condition on ``spec`` that its user adds anyway: of few specs only what is below them is searched.
    """
    return _Lowering(connection, among=among).query(query)


def hash_starts_with(column: ColumnElement[str], prefix: str) -> Condition:
    """Return the condition for a beginning of a hash, as a range that the index on hashes answers."""
    if len(prefix) >= _DAG_HASH:
        return column == prefix
    return column.between(prefix, prefix + "~")  # '~' sorts after every character of a hash


def compiler_conditions(node: NodeQuery) -> Sequence[Condition] | None:
    """Return what must hold of a compiler that has a name and a version alone; None where more is asked than it has."""
    asked = any(not variant.propagate for variant in node.variants)
    if asked or node.flags or node.hash or node.platform or node.os or node.target:
        return None
    conditions: list[Condition] = []
    if node.name is not None:
        old = [legacy for legacy, name in LEGACY_COMPILERS.items() if name == node.name]
        conditions.append(t.compiler.c.name.in_([node.name, *old]))
    if node.version is not None:
        conditions.append(version_condition(node.version, t.compiler.c.version_key, t.compiler.c.version))
    return conditions


class _Lowering:
    def __init__(
        self,
        connection: Connection,
        labels: Iterator[int] | None = None,
        *,
        among: Condition | None = None,
    ) -> None:
        self._connection = connection
        self._among = among
        self._unsure: list[Condition] = []
        self._names: dict[str, int | None] = {}
        self._virtuals: dict[str, bool] = {}
        self._fitting: dict[tuple[object, object, object], list[int]] = {}
        self._labels = count(1) if labels is None else labels

    def query(self, query: SpecQuery) -> Lowered:
        conditions = [self._node(query.node, t.spec)]
        if not self._is_virtual(query.node.name):
            conditions += [self._edge(edge, query.node) for edge in query.dependencies]
        return Lowered(and_(*conditions), or_(*self._unsure) if self._unsure else None)

    # -- small tables --------------------------------------------------------------------------------------------

    @cached_property
    def _kinds(self) -> Sequence[tuple[int, Deptype, frozenset[str]]]:
        rows = self._connection.execute(
            select(t.edge_kind.c.id, t.edge_kind.c.deptypes, t.edge_kind.c.virtuals)
        )
        return [
            (key, Deptype(deptypes), frozenset(filter(None, virtuals.split(","))))
            for key, deptypes, virtuals in rows
        ]

    @cached_property
    def _runtime_kinds(self) -> list[int]:
        return [key for key, deptypes, _ in self._kinds if deptypes & RUNTIME]

    def _name_id(self, name: str) -> int | None:
        if name not in self._names:
            self._names[name] = self._connection.execute(
                select(t.name.c.id).where(t.name.c.text == name)
            ).scalar()
        return self._names[name]

    def _is_virtual(self, name: str | None) -> bool:
        """Say whether some edge carries the name and no spec has it, as ``query.universe`` does."""
        if name is None:
            return False
        if name not in self._virtuals:
            named = select(t.spec.c.id).where(t.spec.c.name_id == self._name_id(name)).limit(1)
            carried = any(name in virtuals for _, _, virtuals in self._kinds)
            self._virtuals[name] = carried and self._connection.execute(named).first() is None
        return self._virtuals[name]

    # -- one node ------------------------------------------------------------------------------------------------

    def _node(self, node: NodeQuery, spec: FromClause) -> Condition:
        conditions: list[Condition] = []
        if node.hash is not None:
            conditions.append(hash_starts_with(spec.c.hash, node.hash))
        if node.name is not None and self._is_virtual(node.name):
            # A provider satisfies the virtual, and nothing else is asked of it.
            providers = select(t.provider.c.name_id).where(t.provider.c.virtual == node.name)
            return and_(spec.c.name_id.in_(providers), *conditions)
        if node.name is not None:
            name_id = self._name_id(node.name)
            conditions.append(spec.c.name_id == name_id if name_id is not None else false())
        if node.namespace is not None:
            known = [one for one in (self._name_id(node.namespace), self._name_id("")) if one is not None]
            conditions.append(or_(spec.c.namespace_id.is_(None), spec.c.namespace_id.in_(known)))
        if node.version is not None:
            versions = select(t.version.c.id).where(
                version_condition(node.version, t.version.c.key, t.version.c.text)
            )
            conditions.append(spec.c.version_id.in_(versions))
        conditions += [self._variant(variant, spec) for variant in node.variants]
        conditions += [self._flag(flag, spec) for flag in node.flags]
        if node.platform is not None or node.os is not None or node.target is not None:
            conditions.append(spec.c.architecture_id.in_(self._architectures(node)))
        return and_(true(), *conditions)

    def _architectures(self, node: NodeQuery) -> list[int]:
        asked = (node.platform, node.os, node.target)
        if asked not in self._fitting:
            rows = self._connection.execute(select(t.architecture))
            self._fitting[asked] = [
                row.id
                for row in rows
                if node.platform in {None, "*", row.platform}
                and node.os in {None, "*", row.os}
                and (node.target is None or target_matches(node.target, row.target))
            ]
        return self._fitting[asked]

    def _variant(self, asked: VariantQuery, spec: FromClause) -> Condition:
        if not asked.propagate:
            return spec.c.variant_set_id.in_(sets_that_hold(asked))
        other = t.spec.alias()
        unfit = (
            select(other.c.id)
            .where(other.c.variant_set_id.in_(sets_with(asked.name)))
            .where(other.c.variant_set_id.not_in(sets_that_hold(asked)))
        )
        within = self._below(self._among, kinds=None) if self._among is not None else None
        above = self._ancestors(lambda edge: edge.c.child_id.in_(unfit), within, kinds=None)
        # Of a dependency without a record nothing is known, so nothing is said to fit.
        known = spec.c.variant_set_id.is_not(None)
        return and_(known, spec.c.id.not_in(unfit), spec.c.id.not_in(select(above.c.id)))

    @staticmethod
    def _flag(asked: FlagQuery, spec: FromClause) -> Condition:
        return and_(
            *(spec.c.variant_set_id.in_(sets_where(asked.name, ("flag",), value=one)) for one in asked.items)
        )

    # -- edges ---------------------------------------------------------------------------------------------------

    def _edge(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        condition = self._transitive(edge, parent) if edge.sigil == "^" else self._direct(edge, parent)
        if edge.when is not None:
            # Labels are shared: recursive parts of one statement need names of their own.
            when = _Lowering(self._connection, self._labels, among=self._among).query(edge.when)
            if when.exact:
                condition = or_(not_(when.condition), condition)
            else:
                self._unsure.append(true())
                condition = true()
        # The edges behind it are asked for whether its own condition holds or not.
        return and_(condition, self._behind(edge, parent)) if edge.direct else condition

    def _direct(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        if parent.name is not None and parent.name != edge.node.name and self._depends_on_itself(parent):
            self._unsure.append(true())
            return true()
        return self._has_edge(edge, t.spec, few=parent.name is not None or self._among is not None)

    def _has_edge(self, edge: DependencyQuery, spec: FromClause, *, few: bool) -> Condition:
        """Return that a node has such an edge itself, or was built with such a compiler; ``few`` such nodes are asked."""
        node, virtual = edge.node, self._is_virtual(edge.node.name)
        asked = {*edge.virtuals, node.name} if virtual else set(edge.virtuals)
        kinds = [
            key
            for key, deptypes, virtuals in self._kinds
            if deptypes & edge.deptypes == edge.deptypes and (not asked or asked & virtuals)
        ]
        child, link = t.spec.alias(), t.edge.alias()
        fits = self._of_kinds(link, kinds)
        if few:
            # Their edges are looked at; a compiler has far more dependents than a package has specs.
            own = [link.c.parent_id == spec.c.id, fits]
            if not node.is_empty:
                own.append(unindexed(link.c.child_id).in_(select(child.c.id).where(self._node(node, child))))
            linked: Condition = exists(select(link.c.parent_id).where(*own).correlate(spec))
        else:
            links = link.join(child, child.c.id == link.c.child_id)
            ends = select(link.c.parent_id).select_from(links).where(fits, self._node(node, child))
            linked = spec.c.id.in_(ends)
        by_compiler = or_(
            spec.c.spec_format < _FORMAT_5,
            and_(spec.c.knowledge == int(Knowledge.PAGE), spec.c.compiler_id.is_not(None)),
        )
        return or_(and_(by_compiler, self._compiler(node, spec)), and_(not_(by_compiler), linked))

    def _behind(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        """Return that some node of the name has the ``%`` edges behind a ``^`` edge; unsure if another one has not.

        The reference looks at one node of that name, whichever it finds first. A DAG seldom holds two that differ.
        """
        name = edge.node.name
        plain = all(below.when is None and below.node.name != name for below in edge.direct)
        carried = any(name in virtuals for _, _, virtuals in self._kinds)
        if name is None or not plain or carried:
            self._unsure.append(true())
            return true()
        end, other = t.spec.alias(), t.spec.alias()
        built = [self._has_edge(below, end, few=True) for below in edge.direct]
        # As tables of their own: SQLite's parser bears only so many statements within each other.
        fitting = select(end.c.id).where(self._node(NodeQuery(name=name), end), *built)
        fitting_ids = select(fitting.cte(self._label("fitting")).c.id)
        unfit = select(other.c.id).where(self._node(NodeQuery(name=name), other))
        unfit_ids = select(unfit.where(other.c.id.not_in(fitting_ids)).cte(self._label("unfit")).c.id)
        within = self._within(parent)
        self._unsure.append(self._meets(unfit_ids, within))
        return self._meets(fitting_ids, within)

    def _meets(self, ends: Select[tuple[int]], within: CTE | None) -> Condition:
        """Return that a spec is one of these nodes or has one where a name is looked up: below it, or built with it."""
        above = self._ancestors(lambda link: link.c.child_id.in_(ends), within, kinds=self._runtime_kinds)
        link = t.edge.alias()
        built = [key for key, deptypes, _ in self._kinds if deptypes & _BUILD_OR_TEST]
        own = select(link.c.parent_id).where(link.c.child_id.in_(ends), unindexed(link.c.kind_id).in_(built))
        return or_(t.spec.c.id.in_(select(above.c.id)), t.spec.c.id.in_(own), t.spec.c.id.in_(ends))

    @staticmethod
    def _compiler(node: NodeQuery, spec: FromClause) -> Condition:
        conditions = compiler_conditions(node)
        if conditions is None:
            return false()
        return spec.c.compiler_id.in_(select(t.compiler.c.id).where(true(), *conditions))

    def _of_kinds(self, link: FromClause, kinds: list[int]) -> Condition:
        return link.c.kind_id.in_(kinds) if len(kinds) < len(self._kinds) else true()

    def _depends_on_itself(self, node: NodeQuery) -> bool:
        """Say whether some spec that fits was built with another one of its name: then ``name %x`` may mean that one in Spack."""
        parent, other = t.spec.alias(), t.spec.alias()
        build = [key for key, deptypes, _ in self._kinds if deptypes & _BUILD_OR_TEST]
        named = [key for key, _, virtuals in self._kinds if key in build and node.name in virtuals]
        same = select(other.c.id).where(other.c.name_id == self._name_id(node.name or ""))
        # The rarer condition first: SQLite looks at them in this order.
        itself = unindexed(t.edge.c.child_id).in_(same)
        statement = select(
            exists(
                select(t.edge.c.parent_id)
                .join(parent, parent.c.id == t.edge.c.parent_id)
                .where(or_(itself, t.edge.c.kind_id.in_(named)) if named else itself)
                .where(self._node(node, parent), t.edge.c.kind_id.in_(build))
            )
        )
        return bool(self._connection.execute(statement).scalar())

    def _transitive(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        node = edge.node
        within = self._within(parent)
        end = t.spec.alias()
        fitting = select(end.c.id).where(self._node(node, end))

        def fits(link: FromClause) -> Condition:
            fit = link.c.child_id.in_(fitting)
            return and_(fit, self._carries(link, node.name)) if self._is_virtual(node.name) else fit

        def provides(virtual: str, link: FromClause) -> Condition:
            found = or_(self._carries(link, virtual), self._leads_to(link, virtual))
            if node.name is None:
                return found
            return and_(found, or_(self._carries(link, node.name), self._leads_to(link, node.name)))

        # As in Spack, the virtuals may be provided by several edges to that name, and the attributes fit yet another.
        return and_(
            self._reaches(fits, within),
            *(
                self._reaches(partial(provides, virtual), within)
                for virtual in edge.virtuals
                if virtual != node.name
            ),
        )

    def _carries(self, link: FromClause, virtual: str | None) -> Condition:
        carrying = [key for key, _, virtuals in self._kinds if virtual in virtuals]
        return unindexed(link.c.kind_id).in_(carrying)

    def _leads_to(self, link: FromClause, name: str) -> Condition:
        return link.c.child_id.in_(select(t.spec.c.id).where(t.spec.c.name_id == self._name_id(name)))

    def _within(self, parent: NodeQuery) -> CTE | None:
        """Return the nodes that specs of the parent's name reach by runtime edges: the only ones worth looking at."""
        if parent.name is None and self._among is None:
            return None
        name = self._node(NodeQuery(name=parent.name), t.spec)
        return self._below(
            name if self._among is None else and_(name, self._among), kinds=self._runtime_kinds
        )

    def _below(self, roots: Condition, *, kinds: list[int] | None) -> CTE:
        """Return these specs and all that they reach by edges of these kinds (all, if None)."""
        below = select(t.spec.c.id).where(roots).cte(self._label("below"), recursive=True)
        link = t.edge.alias()
        step = select(link.c.child_id).join(below, below.c.id == link.c.parent_id)
        return below.union(step if kinds is None else step.where(unindexed(link.c.kind_id).in_(kinds)))

    def _reaches(self, seed: Callable[[FromClause], Condition], within: CTE | None) -> Condition:
        """Return that a spec has such an edge among its runtime edges or its own build edges."""
        above = self._ancestors(seed, within, kinds=self._runtime_kinds)
        link = t.edge.alias()
        build = [key for key, deptypes, _ in self._kinds if deptypes & Deptype.BUILD]
        own = select(link.c.parent_id).where(seed(link), unindexed(link.c.kind_id).in_(build))
        return or_(t.spec.c.id.in_(select(above.c.id)), t.spec.c.id.in_(own))

    def _ancestors(
        self, seed: Callable[[FromClause], Condition], within: CTE | None, *, kinds: list[int] | None
    ) -> CTE:
        """Return the specs above seed edges, along edges of these kinds (all, if None)."""
        first, link = t.edge.alias(), t.edge.alias()
        base = select(first.c.parent_id.label("id")).where(seed(first))
        if kinds is not None:
            base = base.where(unindexed(first.c.kind_id).in_(kinds))
        if within is not None:
            base = base.where(unindexed(first.c.parent_id).in_(select(within.c.id)))
        above = base.cte(self._label("above"), recursive=True)
        step = select(link.c.parent_id).join(above, above.c.id == link.c.child_id)
        if kinds is not None:
            step = step.where(unindexed(link.c.kind_id).in_(kinds))
        if within is not None:
            step = step.where(unindexed(link.c.parent_id).in_(select(within.c.id)))
        return above.union(step)

    def _label(self, word: str) -> str:
        return f"{word}_{next(self._labels)}"
