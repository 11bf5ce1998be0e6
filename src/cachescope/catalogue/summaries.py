"""Counts for each package of a ref and of each mirror, written in the transaction of the snapshot that changes them.

A spec counts once in a scope, with the highest presence that any source of the scope gives it. Versions, compilers,
systems and targets are those of binaries (present or unstated), or of the mentions where there is no binary.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    case,
    delete,
    distinct,
    func,
    insert,
    literal,
    select,
)

from cachescope.catalogue import schema as t
from cachescope.model.identity import MirrorName, Ref
from cachescope.model.record import Presence

__all__ = ["CHUNK", "chunks", "package_counts", "summarise", "summarise_ref"]

CHUNK = 500
"""How many keys one statement lists; below the limits of every database."""

_MANY_NAMES = 2000
"""From so many changed packages on, one pass over the whole scope is cheaper than many small ones."""

Key = TypeVar("Key")


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut a sequence into pieces that one statement can list."""
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def summarise(connection: Connection, mirror: MirrorName, names: Sequence[int]) -> None:
    """Count these packages anew: for the mirror, for its ref, and for the whole catalogue."""
    mirrors, refs = _how_many(connection, mirror.ref)
    for some in _name_groups(names):
        _replace(connection, mirror.ref, mirror.stack, some)
        if mirrors > 1:
            _replace(connection, mirror.ref, "", some)
        if refs > 1:
            _replace(connection, "", "", some)
    # Of a ref with one mirror, the figures of the mirror are those of the ref; likewise of a catalogue with one ref.
    if mirrors == 1:
        _copy(connection, (mirror.ref, mirror.stack), (mirror.ref, ""))
    if refs == 1:
        _copy(connection, (mirror.ref, ""), ("", ""))


def summarise_ref(connection: Connection, ref: Ref) -> None:
    """Count all packages of a ref and of the catalogue anew, after a mirror was removed."""
    _replace(connection, ref, "", None)
    _replace(connection, "", "", None)


def _name_groups(names: Sequence[int]) -> Iterator[Sequence[int] | None]:
    return iter([None]) if len(names) > _MANY_NAMES else chunks(names)


def _how_many(connection: Connection, ref: Ref) -> tuple[int, int]:
    """Return the number of mirrors of a ref, and of refs."""
    of_ref = case((t.mirror.c.ref == ref, 1), else_=0)
    mirrors, refs = connection.execute(
        select(func.sum(of_ref, type_=Integer), func.count(distinct(t.mirror.c.ref)))
    ).one()
    return int(mirrors or 0), int(refs)


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


def _replace(connection: Connection, ref: str, stack: str, names: Sequence[int] | None) -> None:
    summary = t.package_summary
    scope = [summary.c.ref == ref, summary.c.stack == stack]
    if names is not None:
        scope.append(summary.c.name_id.in_(names))
    connection.execute(delete(summary).where(*scope))
    connection.execute(insert(summary).from_select(list(summary.c.keys()), package_counts(ref, stack, names)))


def package_counts(
    ref: str, stack: str, names: Sequence[int] | None
) -> Select[tuple[object, ...]]:  # one statement
    """Return the rows of ``package_summary`` for a scope: a mirror, a stack of all refs, a ref, or (both empty) all."""
    scope: list[ColumnElement[bool]] = [t.presence.c.until.is_(None)]
    if ref:
        scope.append(t.mirror.c.ref == ref)
    if stack:
        scope.append(t.mirror.c.stack == stack)
    if names is not None:
        scope.append(t.spec.c.name_id.in_(names))
    specs = (
        select(
            t.spec.c.name_id,
            t.spec.c.version_id,
            t.spec.c.compiler_id,
            t.spec.c.architecture_id,
            func.max(t.presence.c.state).label("state"),
        )
        .select_from(
            t.presence.join(t.source, t.source.c.id == t.presence.c.source_id)
            .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
            .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
        )
        .where(*scope)
        .group_by(
            t.spec.c.id, t.spec.c.name_id, t.spec.c.version_id, t.spec.c.compiler_id, t.spec.c.architecture_id
        )
        .subquery("specs")
    )
    binary = case((specs.c.state > int(Presence.MENTIONED), 1), else_=0)
    newest = func.first_value(specs.c.version_id, type_=Integer).over(
        partition_by=specs.c.name_id, order_by=(binary.desc(), t.version.c.key.desc().nulls_last())
    )
    ranked = (
        select(
            specs,
            binary.label("binary"),
            newest.label("newest"),
            t.architecture.c.os,
            t.architecture.c.target,
        )
        .select_from(
            specs.outerjoin(t.version, t.version.c.id == specs.c.version_id).outerjoin(
                t.architecture, t.architecture.c.id == specs.c.architecture_id
            )
        )
        .subquery("ranked")
    )

    def having(presence: Presence) -> ColumnElement[int]:
        return func.sum(case((ranked.c.state == int(presence), 1), else_=0), type_=Integer)

    def different(column: ColumnElement[object]) -> ColumnElement[int]:
        of_binaries = func.count(distinct(case((ranked.c.binary == 1, column))))
        return case((func.max(ranked.c.binary) == 1, of_binaries), else_=func.count(distinct(column)))

    return select(
        literal(ref).label("ref"),
        literal(stack).label("stack"),
        ranked.c.name_id,
        having(Presence.PRESENT),
        having(Presence.MENTIONED),
        having(Presence.UNSTATED),
        different(ranked.c.version_id),
        different(ranked.c.compiler_id),
        different(ranked.c.os),
        different(ranked.c.target),
        func.max(ranked.c.newest),
    ).group_by(ranked.c.name_id)
