"""A spec query as SQL: the same meaning as ``query.matching``, for hundreds of thousands of specs.

What is small is looked at in Python while the statement is made (architectures, kinds of edges); what is large stays in
the database (versions by their keys, interned variant sets, edges by recursive statements). Where SQL would have to know
which of several nodes of one name Spack looks at first, the condition lets more specs through, and ``exact`` is False:
then ``query.matching`` decides about each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    FromClause,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from cachescope.catalogue import schema as t
from cachescope.catalogue.spec_writer import Knowledge
from cachescope.model.spec import RUNTIME, Deptype
from cachescope.query.constraints import ExactVersion, GitReference, VersionItem, VersionList, VersionRange
from cachescope.query.grammar import LEGACY_COMPILERS
from cachescope.query.spec_query import DependencyQuery, FlagQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.targets import target_matches
from cachescope.query.versions import parse_git_version, version_key

__all__ = ["Lowered", "hash_starts_with", "lower"]

Condition = ColumnElement[bool]

_DAG_HASH = 32
_FORMAT_5 = 5
_BUILD_OR_TEST = Deptype.BUILD | Deptype.TEST
_VALUED = ("single", "multi")
_EMPTY = ("single",)  # an empty text of kind 'multi' stands for a list without values, which holds no text
_ANY_VARIANT = ("bool", *_VALUED)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A condition on ``spec``, and whether it says all that the query does."""

    condition: Condition
    exact: bool


def lower(connection: Connection, query: SpecQuery) -> Lowered:
    """Lower a query. At most 6 small statements are made on the way."""
    return _Lowering(connection).query(query)


def hash_starts_with(column: ColumnElement[str], prefix: str) -> Condition:
    """Return the condition for a beginning of a hash, as a range that the index on hashes answers."""
    if len(prefix) >= _DAG_HASH:
        return column == prefix
    return column.between(prefix, prefix + "~")  # '~' sorts after every character of a hash


class _Lowering:
    def __init__(self, connection: Connection, labels: Iterator[int] | None = None) -> None:
        self._connection = connection
        self._exact = True
        self._names: dict[str, int | None] = {}
        self._labels = count(1) if labels is None else labels

    def query(self, query: SpecQuery) -> Lowered:
        conditions = [self._node(query.node, t.spec)]
        if not self._is_virtual(query.node.name):
            conditions += [self._edge(edge, query.node) for edge in query.dependencies]
        return Lowered(and_(*conditions), self._exact)

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
        if name is None or not any(name in virtuals for _, _, virtuals in self._kinds):
            return False
        name_id = self._name_id(name)
        if name_id is None:
            return True
        return (
            self._connection.execute(select(t.spec.c.id).where(t.spec.c.name_id == name_id).limit(1)).first()
            is None
        )

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
                _version_condition(node.version, t.version.c.key, t.version.c.text)
            )
            conditions.append(spec.c.version_id.in_(versions))
        conditions += [self._variant(variant, spec) for variant in node.variants]
        conditions += [self._flag(flag, spec) for flag in node.flags]
        if node.platform is not None or node.os is not None or node.target is not None:
            conditions.append(spec.c.architecture_id.in_(self._architectures(node)))
        return and_(true(), *conditions)

    def _architectures(self, node: NodeQuery) -> list[int]:
        rows = self._connection.execute(select(t.architecture))
        return [
            row.id
            for row in rows
            if node.platform in {None, "*", row.platform}
            and node.os in {None, "*", row.os}
            and (node.target is None or target_matches(node.target, row.target))
        ]

    def _variant(self, asked: VariantQuery, spec: FromClause) -> Condition:
        if not asked.propagate:
            return spec.c.variant_set_id.in_(_sets_that_hold(asked))
        other = t.spec.alias()
        unfit = (
            select(other.c.id)
            .where(other.c.variant_set_id.in_(_sets_with(asked.name)))
            .where(other.c.variant_set_id.not_in(_sets_that_hold(asked)))
        )
        above = self._ancestors(lambda edge: edge.c.child_id.in_(unfit), None, kinds=None)
        # Of a dependency without a record nothing is known, so nothing is said to fit.
        known = spec.c.variant_set_id.is_not(None)
        return and_(known, spec.c.id.not_in(unfit), spec.c.id.not_in(select(above.c.id)))

    @staticmethod
    def _flag(asked: FlagQuery, spec: FromClause) -> Condition:
        return and_(
            *(spec.c.variant_set_id.in_(_sets_where(asked.name, ("flag",), value=one)) for one in asked.items)
        )

    # -- edges ---------------------------------------------------------------------------------------------------

    def _edge(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        if edge.direct:
            self._exact = False  # which of several nodes of that name is meant is for the reference to say
        condition = self._transitive(edge, parent) if edge.sigil == "^" else self._direct(edge, parent)
        if edge.when is not None:
            # Labels are shared: recursive parts of one statement need names of their own.
            when = _Lowering(self._connection, self._labels).query(edge.when)
            if not when.exact:
                self._exact = False
                return true()
            condition = or_(not_(when.condition), condition)
        return condition

    def _direct(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        if parent.name is not None and parent.name != edge.node.name and self._depends_on_itself(parent.name):
            self._exact = False
            return true()
        node, virtual = edge.node, self._is_virtual(edge.node.name)
        asked = {*edge.virtuals, node.name} if virtual else set(edge.virtuals)
        kinds = [
            key
            for key, deptypes, virtuals in self._kinds
            if deptypes & edge.deptypes == edge.deptypes and (not asked or asked & virtuals)
        ]
        child, link = t.spec.alias(), t.edge.alias()
        links = link.join(child, child.c.id == link.c.child_id)
        fits = and_(link.c.kind_id.in_(kinds), self._node(node, child))
        if parent.name is not None:
            # Few specs, so their edges are looked at; a compiler has far more dependents than a package has specs.
            linked: Condition = exists(
                select(link.c.parent_id).select_from(links).where(link.c.parent_id == t.spec.c.id, fits)
            )
        else:
            linked = t.spec.c.id.in_(select(link.c.parent_id).select_from(links).where(fits))
        by_compiler = or_(
            t.spec.c.spec_format < _FORMAT_5,
            and_(t.spec.c.knowledge == int(Knowledge.PAGE), t.spec.c.compiler_id.is_not(None)),
        )
        return or_(and_(by_compiler, self._compiler(node)), and_(not_(by_compiler), linked))

    def _compiler(self, node: NodeQuery) -> Condition:
        asked = any(not variant.propagate for variant in node.variants)
        if asked or node.flags or node.hash or node.platform or node.os or node.target:
            return false()
        conditions: list[Condition] = []
        if node.name is not None:
            old = [legacy for legacy, name in LEGACY_COMPILERS.items() if name == node.name]
            conditions.append(t.compiler.c.name.in_([node.name, *old]))
        if node.version is not None:
            conditions.append(
                _version_condition(node.version, t.compiler.c.version_key, t.compiler.c.version)
            )
        return t.spec.c.compiler_id.in_(select(t.compiler.c.id).where(true(), *conditions))

    def _depends_on_itself(self, name: str) -> bool:
        """Say whether some spec of this name was built with another one: then ``name %x`` may mean that one in Spack."""
        parent, child = t.spec.alias(), t.spec.alias()
        kinds = [key for key, deptypes, virtuals in self._kinds if deptypes & _BUILD_OR_TEST]
        named = [
            key for key, deptypes, virtuals in self._kinds if deptypes & _BUILD_OR_TEST and name in virtuals
        ]
        name_id = self._name_id(name)
        statement = select(
            exists(
                select(t.edge.c.parent_id)
                .join(parent, parent.c.id == t.edge.c.parent_id)
                .join(child, child.c.id == t.edge.c.child_id)
                .where(parent.c.name_id == name_id, t.edge.c.kind_id.in_(kinds))
                .where(or_(child.c.name_id == name_id, t.edge.c.kind_id.in_(named)))
            )
        )
        return bool(self._connection.execute(statement).scalar())

    def _transitive(self, edge: DependencyQuery, parent: NodeQuery) -> Condition:
        node = edge.node
        within = self._below(parent) if parent.name is not None else None
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
        return link.c.kind_id.in_([key for key, _, virtuals in self._kinds if virtual in virtuals])

    def _leads_to(self, link: FromClause, name: str) -> Condition:
        return link.c.child_id.in_(select(t.spec.c.id).where(t.spec.c.name_id == self._name_id(name)))

    def _below(self, parent: NodeQuery) -> CTE:
        """Return the nodes that specs of the parent's name reach by runtime edges: the only ones worth looking at."""
        root = t.spec.alias()
        below = (
            select(root.c.id)
            .where(self._node(NodeQuery(name=parent.name), root))
            .cte(self._label("below"), recursive=True)
        )
        link = t.edge.alias()
        return below.union(
            select(link.c.child_id)
            .join(below, below.c.id == link.c.parent_id)
            .where(link.c.kind_id.in_(self._runtime_kinds))
        )

    def _reaches(self, seed: Callable[[FromClause], Condition], within: CTE | None) -> Condition:
        """Return that a spec has such an edge among its runtime edges or its own build edges."""
        above = self._ancestors(seed, within, kinds=self._runtime_kinds)
        link = t.edge.alias()
        build = [key for key, deptypes, _ in self._kinds if deptypes & Deptype.BUILD]
        own = select(link.c.parent_id).where(seed(link), link.c.kind_id.in_(build))
        return or_(t.spec.c.id.in_(select(above.c.id)), t.spec.c.id.in_(own))

    def _ancestors(
        self, seed: Callable[[FromClause], Condition], within: CTE | None, *, kinds: list[int] | None
    ) -> CTE:
        """Return the specs above seed edges, along edges of these kinds (all, if None)."""
        first, link = t.edge.alias(), t.edge.alias()
        base = select(first.c.parent_id.label("id")).where(seed(first))
        if kinds is not None:
            base = base.where(first.c.kind_id.in_(kinds))
        if within is not None:
            base = base.where(first.c.parent_id.in_(select(within.c.id)))
        above = base.cte(self._label("above"), recursive=True)
        step = select(link.c.parent_id).join(above, above.c.id == link.c.child_id)
        if kinds is not None:
            step = step.where(link.c.kind_id.in_(kinds))
        if within is not None:
            # '+ 0': the parents of a node are few and are looked up in 'within', not the other way round.
            step = step.where((link.c.parent_id + 0).in_(select(within.c.id)))
        return above.union(step)

    def _label(self, word: str) -> str:
        return f"{word}_{next(self._labels)}"


def _version_condition(asked: VersionList, key: ColumnElement[bytes], text: ColumnElement[str]) -> Condition:
    return or_(*(_item_condition(item, key, text) for item in asked.items))


def _item_condition(item: VersionItem, key: ColumnElement[bytes], text: ColumnElement[str]) -> Condition:
    match item:
        case VersionRange():
            high = item.high_key
            return and_(key >= item.low_key, *([key < high] if high is not None else []))
        case ExactVersion():
            return key == version_key(item.text)
        case GitReference():
            asked = parse_git_version(item.text)
            if asked is None:
                return false()
            if asked.standard:
                return key == version_key(item.text)
            # A commit may stand without 'git.'; a branch may not: 'main' is a version of its own.
            names = [f"git.{asked.ref}", *([asked.ref] if parse_git_version(asked.ref) else [])]
            return or_(*(or_(text == name, text.startswith(f"{name}=", autoescape=True)) for name in names))


def _sets_where(name: str, kinds: Sequence[str], *, value: str | None = None, prefix: bool = False) -> Any:
    """Return the variant sets with such a member."""
    conditions: list[Condition] = [t.variant.c.name == name, t.variant.c.kind.in_(kinds)]
    if value is not None:
        conditions.append(
            and_(t.variant.c.value.startswith(value, autoescape=True), t.variant.c.value != "")
            if prefix
            else t.variant.c.value == value
        )
    return (
        select(t.variant_set_member.c.set_id)
        .join(t.variant, t.variant.c.id == t.variant_set_member.c.variant_id)
        .where(*conditions)
    )


def _sets_with(name: str) -> Any:
    return _sets_where(name, _ANY_VARIANT)


def _sets_that_hold(asked: VariantQuery) -> Any:
    """Return the variant sets that satisfy a variant, propagated or not."""
    if isinstance(asked.value, bool):
        return _sets_where(asked.name, ("bool",), value="true" if asked.value else "false")
    if not asked.value:
        return _sets_with(asked.name)
    sets = t.variant_set.alias()
    prefix = asked.name == "patches" and not asked.exact
    conditions: list[Condition] = [
        sets.c.id.in_(_sets_where(asked.name, _VALUED if one or prefix else _EMPTY, value=one, prefix=prefix))
        for one in asked.value
    ]
    if asked.exact:
        counted = (
            select(func.count())
            .select_from(
                t.variant_set_member.join(t.variant, t.variant.c.id == t.variant_set_member.c.variant_id)
            )
            .where(
                t.variant_set_member.c.set_id == sets.c.id,
                t.variant.c.name == asked.name,
                t.variant.c.kind.in_(_VALUED),
            )
            .scalar_subquery()
        )
        conditions.append(counted == len(asked.value))
    return select(sets.c.id).where(*conditions)
