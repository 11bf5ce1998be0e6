"""Finding specs: a query or a pattern of names, within a scope, as a selection that is counted or read when it is asked."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, overload

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    text,
)

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import fast_rows
from cachescope.catalogue.host_facts import libc_of
from cachescope.catalogue.lowering import lower
from cachescope.catalogue.scope import Scope, current_presence, is_known
from cachescope.catalogue.summaries import CHUNK
from cachescope.catalogue.summaries_of_specs import read_rows, read_summaries, select_specs
from cachescope.catalogue.universe_reader import read_universe
from cachescope.model.hosts import Host
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.query.hosts import judge
from cachescope.query.matching import matches
from cachescope.query.spec_query import SpecQuery

if TYPE_CHECKING:
    from cachescope.catalogue.spec_arrays import SpecArrays

__all__ = [
    "SORTS",
    "Found",
    "FoundInTables",
    "Place",
    "find",
    "first_specs",
    "is_glob",
    "judged_specs",
    "names_like",
]

_GLOB = re.compile(r"[A-Za-z0-9_.*?-]*[*?][A-Za-z0-9_.*?-]*")

# What is not known sorts lowest; unsaid, PostgreSQL would have it highest.
_NEWEST = t.version.c.key.desc().nulls_last()
_OS = t.architecture.c.os.nulls_first()
_TARGET = t.architecture.c.target.nulls_first()

SORTS = {
    "name": (
        t.name.c.text,
        _NEWEST,
        _OS,
        _TARGET,
        t.spec.c.hash,
    ),
    "version": (_NEWEST, t.name.c.text, t.spec.c.hash),
    "os": (_OS, t.name.c.text, _NEWEST, t.spec.c.hash),
    "target": (_TARGET, t.name.c.text, _NEWEST, t.spec.c.hash),
    "compiler": (
        t.compiler.c.name.nulls_first(),
        t.compiler.c.version_key.desc().nulls_last(),
        t.name.c.text,
        t.spec.c.hash,
    ),
    "hash": (t.spec.c.hash,),
}
"""Orders of a list: each ends in the hash, so that the same question has the same answer."""


class Place(NamedTuple):
    """Where a spec stands in the order by name; a spec never changes, so the place outlives what a list held then."""

    name: str
    version_key: bytes | None
    os: str | None
    target: str | None
    hash: str

    def beyond(self) -> ColumnElement[bool]:
        """Return the condition that a spec stands behind this place."""
        condition: ColumnElement[bool] = t.spec.c.hash > self.hash
        for column, value in ((t.architecture.c.target, self.target), (t.architecture.c.os, self.os)):
            # What is not known stands first.
            further = column > value if value is not None else column.is_not(None)
            condition = or_(further, and_(_is(column, value), condition))
        version = t.version.c.key
        older = (
            or_(version < self.version_key, version.is_(None)) if self.version_key is not None else false()
        )
        condition = or_(older, and_(_is(version, self.version_key), condition))
        return or_(t.name.c.text > self.name, and_(t.name.c.text == self.name, condition))

    def group_reached(self) -> ColumnElement[int]:
        """Return of a version of a package: 0 that it stands before the place, 1 around it, 2 behind it."""
        version = t.version.c.key
        older = (
            or_(version < self.version_key, version.is_(None)) if self.version_key is not None else false()
        )
        named = t.name.c.text == self.name
        return case(
            (or_(t.name.c.text > self.name, and_(named, older)), 2),
            (and_(named, _is(version, self.version_key)), 1),
            else_=0,
        )


def _is(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


class _Group(NamedTuple):
    """The specs of one version of a package."""

    name_id: int
    version_id: int | None
    version_key: bytes | None
    specs: int
    reached: int
    """0 where all of them stand before the place from which the list goes on, 1 where some may, 2 where none does."""


Part = Literal["version", "architecture", "compiler"]


class Found(Protocol):
    """The specs of a scope that match, not read yet."""

    scope: Scope
    after: Place | None
    """Where a list by name goes on; the total counts all."""

    def total(self, connection: Connection) -> int:
        """Count them."""

    def rows(self, connection: Connection, *, limit: int, sort: str) -> Sequence[Row[Any]]:
        """Read the first of them as ``select_specs`` does; a limit of 0 is all."""

    def counted_by(self, connection: Connection, part: Part) -> Mapping[int | None, int]:
        """Count them by the key of their version, architecture or compiler; None where it is not known."""


@dataclass(slots=True)
class FoundInTables:
    """The specs of a scope that match, as a condition."""

    condition: ColumnElement[bool]
    """On ``spec``; says all: the query, and that a source of the scope has the spec now."""

    among: Callable[[ColumnElement[bool]], ColumnElement[bool]]
    """The same condition, for where another one is added that few specs fulfil."""

    scope: Scope
    is_named: bool = False
    """Whether they are of one package."""

    after: Place | None = None
    """Where a list by name goes on; the total counts all."""

    _groups: Sequence[_Group] | None = field(default=None, init=False)

    def total(self, connection: Connection) -> int:
        """Count them."""
        return sum(group.specs for group in self._counted(connection))

    def counted_by(self, connection: Connection, part: Part) -> Mapping[int | None, int]:
        """Count them by the key of a part."""
        key = t.spec.c[f"{part}_id"]
        return dict(fast_rows(connection, select(key, func.count()).where(self.condition).group_by(key)))

    def _counted(self, connection: Connection) -> Sequence[_Group]:
        """Count by package and version, in the order of a list by name: tells the total, and where its beginning is."""
        if self._groups is None:
            name_id: ColumnElement[int] = t.spec.c.name_id
            version_id: ColumnElement[int] = t.spec.c.version_id
            if not self.is_named:
                # As sums, or SQLite walks through the index by name to have the groups in order, whatever it costs.
                name_id, version_id = name_id + 0, version_id + 0
            counted = (
                select(name_id.label("name_id"), version_id.label("version_id"), func.count().label("specs"))
                .where(self.condition)
                .group_by(name_id, version_id)
                .subquery()
            )
            tables = counted.join(t.name, t.name.c.id == counted.c.name_id).outerjoin(
                t.version, t.version.c.id == counted.c.version_id
            )
            reached = self.after.group_reached() if self.after is not None else literal(2)
            rows = connection.execute(
                select(counted.c.name_id, counted.c.version_id, t.version.c.key, counted.c.specs, reached)
                .select_from(tables)
                .order_by(t.name.c.text, _NEWEST)
            )
            self._groups = [_Group(*row) for row in rows]
        return self._groups

    def rows(self, connection: Connection, *, limit: int, sort: str) -> Sequence[Row[Any]]:
        """Read the first of them."""
        if not limit and self.after is None:
            statement = select_specs(current_presence(self.scope, self.condition)).order_by(*SORTS[sort])
            return connection.execute(statement).all()
        # Sorting whole rows costs most of the time: the keys of the first are found before anything else is read.
        tables = (
            t.spec.join(t.name, t.name.c.id == t.spec.c.name_id)
            .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
            .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
            .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
        )
        among = self._beginning(connection, limit) if limit and sort == "name" else None
        condition = self.condition if among is None else and_(among, self.among(among))
        if self.after is not None:
            condition = and_(condition, self.after.beyond())
        first = select(t.spec.c.id).select_from(tables).where(condition)
        keys = connection.execute(first.order_by(*SORTS[sort]).limit(limit or None)).scalars().all()
        return read_rows(connection, keys, self.scope)

    def _beginning(self, connection: Connection, limit: int) -> ColumnElement[bool]:
        """Return what the first of them by name have in common: only those are worth sorting."""
        names, versions = set[int](), set[int | None]()
        counted, last = 0, None
        for group in self._counted(connection):
            # Versions that are spelt differently may be equal, and then stand among each other.
            if not group.reached:
                continue
            if counted >= limit and (group.name_id, group.version_key) != last:
                break
            # Of what stands around the place, none may be left.
            counted += group.specs if group.reached > 1 else 0
            last = (group.name_id, group.version_key)
            names.add(group.name_id)
            versions.add(group.version_id)
        within = t.spec.c.name_id.in_(names)
        return within if None in versions else and_(within, t.spec.c.version_id.in_(versions))


def first_specs(connection: Connection, found: Found, *, limit: int, sort: str = "name") -> list[SpecSummary]:
    """Read the first of the specs that were found."""
    return read_summaries(connection, found.rows(connection, limit=limit, sort=sort), found.scope)


def judged_specs(
    connection: Connection, found: Found, host: Host, *, limit: int, sort: str, only_runnable: bool
) -> tuple[int, list[SpecSummary]]:
    """Read the first of the specs that were found with a verdict each, and count them.

    With ``only_runnable`` those that do not run are left out of both, so that all are judged, not only the first.
    """
    rows = found.rows(connection, limit=0 if only_runnable else limit, sort=sort)
    libcs = libc_of(connection, [row.id for row in rows])
    specs = [
        replace(spec, verdict=judge(host, spec.architecture, libcs.get(row.id)))
        for row, spec in zip(rows, read_summaries(connection, rows, found.scope), strict=True)
    ]
    if not only_runnable:
        return found.total(connection), specs
    runnable = [spec for spec in specs if spec.verdict is not None and spec.verdict.runnable]
    return len(runnable), runnable[:limit] if limit else runnable


@overload
def find(
    connection: Connection, query: SpecQuery | str, scope: Scope, *, mentioned: bool
) -> FoundInTables: ...


@overload
def find(
    connection: Connection,
    query: SpecQuery | str,
    scope: Scope,
    *,
    mentioned: bool,
    arrays: "SpecArrays | None",
) -> Found: ...


def find(
    connection: Connection,
    query: SpecQuery | str,
    scope: Scope,
    *,
    mentioned: bool,
    arrays: "SpecArrays | None" = None,
) -> Found:
    """Find what matches a parsed query, or a pattern of names (``*`` and ``?``); in the arrays, if they are given."""
    if arrays is not None:
        from cachescope.catalogue.finding_in_arrays import find_in_arrays

        return find_in_arrays(connection, arrays, query, scope, mentioned=mentioned)
    lowest = Presence.MENTIONED if mentioned else Presence.PRESENT
    known = is_known(scope, lowest)
    if isinstance(query, str):
        condition = and_(_named_like(query), known)
        return FoundInTables(condition, lambda _: condition, scope)
    lowered = lower(connection, query)
    condition = and_(lowered.condition, known)
    if lowered.unsure is not None or (query.node.name is not None and query.dependencies):
        # The specs of one name are few: their edges are looked at once, for both the count and the rows.
        keys = _decided(connection, query, condition, lowered.unsure)
        # A short list as parameters: then the statement was compiled before.
        decided = t.spec.c.id.in_(keys if len(keys) <= CHUNK else _numbers(keys))
        return FoundInTables(decided, lambda _: decided, scope)
    if not query.dependencies and not any(variant.propagate for variant in query.node.variants):
        return FoundInTables(condition, lambda _: condition, scope, is_named=query.node.name is not None)
    return FoundInTables(condition, lambda few: and_(lower(connection, query, few).condition, known), scope)


def _decided(
    connection: Connection,
    query: SpecQuery,
    condition: ColumnElement[bool],
    unsure: ColumnElement[bool] | None,
) -> Sequence[int]:
    """Return the keys of the specs that match; where the condition is not sure, the reference decides about each."""
    if unsure is None:
        return connection.execute(select(t.spec.c.id).where(condition)).scalars().all()
    asked = case((unsure, 1), else_=0).label("asked")
    rows = connection.execute(select(t.spec.c.id, t.spec.c.hash, asked).where(condition)).all()
    universe = read_universe(connection, [row.id for row in rows if row.asked])
    return [
        row.id
        for row in rows
        if not row.asked
        or (row.hash in universe.specs and matches(query, universe.specs[row.hash], universe))
    ]


def _numbers(keys: Sequence[int]) -> Select[tuple[int]]:
    """Return whole numbers as a statement, for lists that are longer than what a database takes as parameters."""
    listed = ", ".join(f"({key})" for key in keys) or "(CAST(NULL AS INTEGER))"
    return select(text("column1")).select_from(text(f"(VALUES {listed}) AS listed"))


def is_glob(query: str) -> bool:
    """Say whether this is a pattern of names; a lone ``*`` is any spec in both languages."""
    return query != "*" and _GLOB.fullmatch(query) is not None


def _named_like(pattern: str) -> ColumnElement[bool]:
    return t.spec.c.name_id.in_(names_like(pattern))


def names_like(pattern: str) -> Select[Any]:
    """Return the keys of the names that fit a pattern."""
    escaped = pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    like = escaped.replace("*", "%").replace("?", "_")
    return select(t.name.c.id).where(t.name.c.text.like(like, escape="\\"))
