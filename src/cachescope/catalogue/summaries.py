"""Counts for each package of a ref and of each mirror, written in the transaction of the snapshot that changes them.

A spec counts once in a scope, with the highest presence that any source of the scope gives it. Versions, compilers,
systems and targets are those of binaries (present or unstated), or of the mentions where there is no binary.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Label,
    Select,
    Subquery,
    case,
    delete,
    distinct,
    func,
    insert,
    literal,
    select,
)

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert
from cachescope.model.identity import MirrorName, Ref
from cachescope.model.record import Presence

if TYPE_CHECKING:
    from cachescope.catalogue.summary_arrays import ScopeCounter

__all__ = ["CHUNK", "chunks", "package_counts", "summarise", "summarise_ref"]

CHUNK = 500
"""How many keys one statement lists; below the limits of every database."""

_MANY_NAMES = CHUNK
"""Where more packages changed than one statement lists, one pass over the whole scope is cheaper than several."""

_MANY_RECORDS = 20_000
"""Records from which on arrays count a scope faster, their library's import included."""

_SOME_RECORDS = 1000
"""The same once the library is there."""

Key = TypeVar("Key")


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut a sequence into pieces that one statement can list."""
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def summarise(connection: Connection, touched: Mapping[MirrorName, Collection[int]]) -> None:
    """Count these packages of mirrors anew: for each mirror, then once for each of their refs and for the whole catalogue."""
    recount = _Recount(connection)
    of_refs: dict[Ref, set[int]] = {}
    for mirror, names in touched.items():
        of_refs.setdefault(mirror.ref, set()).update(names)
        for some in _name_groups(names):
            recount.replace(mirror.ref, mirror.stack, some)
    for ref, names in of_refs.items():
        only = _only_mirror(connection, ref)
        if only is not None:
            # The figures of the one mirror are those of its ref; likewise below of a catalogue with one ref.
            _copy(connection, (ref, only), (ref, ""))
            continue
        for some in _name_groups(names):
            recount.replace(ref, "", some)
    refs = connection.execute(select(t.mirror.c.ref).distinct().limit(2)).scalars().all()
    if len(refs) == 1 and refs[0] in of_refs:
        _copy(connection, (refs[0], ""), ("", ""))
    else:
        for some in _name_groups(set().union(*of_refs.values())):
            recount.replace("", "", some)


def summarise_ref(connection: Connection, ref: Ref) -> None:
    """Count all packages of a ref and of the catalogue anew, after a mirror was removed."""
    recount = _Recount(connection)
    recount.replace(ref, "", None)
    recount.replace("", "", None)


def _name_groups(names: Collection[int]) -> Iterator[Sequence[int] | None]:
    return iter([None]) if len(names) > _MANY_NAMES else chunks(sorted(names))


def _only_mirror(connection: Connection, ref: Ref) -> str | None:
    """Return the stack of the one mirror of a ref; None where there are several."""
    stacks = (
        connection.execute(select(t.mirror.c.stack).where(t.mirror.c.ref == ref).limit(2)).scalars().all()
    )
    return stacks[0] if len(stacks) == 1 else None


def _copy(connection: Connection, source: tuple[str, str], scope: tuple[str, str]) -> None:
    summary = t.package_summary
    connection.execute(delete(summary).where(summary.c.ref == scope[0], summary.c.stack == scope[1]))
    constants = {"ref": literal(scope[0]).label("ref"), "stack": literal(scope[1]).label("stack")}
    copied = [constants.get(column.name, column) for column in summary.c]
    connection.execute(
        insert(summary).from_select(
            list(summary.c.keys()),
            select(*copied).where(summary.c.ref == source[0], summary.c.stack == source[1]),
        )
    )


class _Recount:
    """Counts scopes of one state anew: small ones by SQL, large ones from arrays."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._arrays: ScopeCounter | None = None

    def replace(self, ref: str, stack: str, names: Sequence[int] | None) -> None:
        """Count packages of a scope; None is all of them."""
        summary = t.package_summary
        scope = [summary.c.ref == ref, summary.c.stack == stack]
        if names is not None:
            scope.append(summary.c.name_id.in_(names))
        self._connection.execute(delete(summary).where(*scope))
        sources = [] if names is not None else self._sources_of_large(ref, stack)
        if sources:
            bulk_insert(self._connection, summary, self._counter().count(ref, stack, sources))
        else:
            rows = package_counts(ref, stack, names)
            self._connection.execute(insert(summary).from_select(list(summary.c.keys()), rows))

    def _counter(self) -> "ScopeCounter":
        if self._arrays is None:
            # With it comes numpy, which takes longer to import than a small sync takes.
            from cachescope.catalogue.summary_arrays import ScopeCounter

            self._arrays = ScopeCounter(self._connection)
        return self._arrays

    def _sources_of_large(self, ref: str, stack: str) -> Sequence[int]:
        """Return the sources of a scope that have so many records that arrays count them faster; none of a smaller one."""
        counts = t.source.c.present + t.source.c.mentioned + t.source.c.unstated
        statement = select(t.source.c.id, counts).join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        if ref:
            statement = statement.where(t.mirror.c.ref == ref)
        if stack:
            statement = statement.where(t.mirror.c.stack == stack)
        rows = self._connection.execute(statement).all()
        enough = _SOME_RECORDS if "numpy" in sys.modules else _MANY_RECORDS
        return [key for key, _ in rows] if sum(records for _, records in rows) >= enough else []


def package_counts(
    ref: str, stack: str, names: Sequence[int] | None
) -> Select[tuple[object, ...]]:  # one statement
    """Return the rows of ``package_summary`` for a scope: a mirror, a stack of all refs, a ref, or (both empty) all."""
    specs = _specs(ref, stack, names)
    # Specs that differ in no column that is counted are put together first: they are a twentieth of all, and what
    # follows sorts its rows for each column.
    alike = _alike(specs)
    newest = func.first_value(alike.c.version_id, type_=Integer).over(
        partition_by=alike.c.name_id, order_by=(alike.c.binary.desc(), t.version.c.key.desc().nulls_last())
    )
    ranked = (
        select(alike, newest.label("newest"), t.architecture.c.os, t.architecture.c.target)
        .select_from(
            alike.outerjoin(t.version, t.version.c.id == alike.c.version_id).outerjoin(
                t.architecture, t.architecture.c.id == alike.c.architecture_id
            )
        )
        .subquery("ranked")
    )

    def different(column: ColumnElement[object]) -> ColumnElement[int]:
        of_binaries = func.count(distinct(case((ranked.c.binary == 1, column))))
        return case((func.max(ranked.c.binary) == 1, of_binaries), else_=func.count(distinct(column)))

    return select(
        literal(ref).label("ref"),
        literal(stack).label("stack"),
        ranked.c.name_id,
        func.sum(ranked.c.present, type_=Integer),
        func.sum(ranked.c.mentioned, type_=Integer),
        func.sum(ranked.c.unstated, type_=Integer),
        different(ranked.c.version_id),
        different(ranked.c.compiler_id),
        different(ranked.c.os),
        different(ranked.c.target),
        func.max(ranked.c.newest),
    ).group_by(ranked.c.name_id)


def _specs(ref: str, stack: str, names: Sequence[int] | None) -> Subquery:
    """Return the specs of a scope with the highest state that its sources give them."""
    columns = (t.spec.c.name_id, t.spec.c.version_id, t.spec.c.compiler_id, t.spec.c.architecture_id)
    conditions: list[ColumnElement[bool]] = [] if names is None else [t.spec.c.name_id.in_(names)]
    if not ref and not stack:
        # Of all sources, this stands with the spec.
        statement = select(*columns, t.spec.c.presence.label("state"))
        return statement.where(t.spec.c.presence.is_not(None), *conditions).subquery("specs")
    conditions.append(t.presence.c.until.is_(None))
    if ref:
        conditions.append(t.mirror.c.ref == ref)
    if stack:
        conditions.append(t.mirror.c.stack == stack)
    return (
        select(*columns, func.max(t.presence.c.state).label("state"))
        .select_from(
            t.presence.join(t.source, t.source.c.id == t.presence.c.source_id)
            .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
            .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
        )
        .where(*conditions)
        .group_by(t.spec.c.id)
        .subquery("specs")
    )


def _alike(specs: Subquery) -> Subquery:
    """Count the specs of each name, version, compiler and architecture by presence."""
    columns = (specs.c.name_id, specs.c.version_id, specs.c.compiler_id, specs.c.architecture_id)

    def having(presence: Presence) -> Label[int]:
        counted = func.sum(case((specs.c.state == int(presence), 1), else_=0), type_=Integer)
        return counted.label(presence.name.lower())

    return (
        select(
            *columns,
            *map(having, Presence),
            func.max(case((specs.c.state > int(Presence.MENTIONED), 1), else_=0)).label("binary"),
        )
        .group_by(*columns)
        .subquery("alike")
    )
