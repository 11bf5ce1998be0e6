"""What is new in a scope or of a package: versions by the snapshot that first had a binary of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.times import from_stored
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import MirrorName, PackageName, Ref, Stack
from cachescope.model.news import NewMirror, News, NewVersion
from cachescope.model.record import Presence

__all__ = ["package_news", "scope_news"]

_SNAPSHOTS = 100
"""How many of the last snapshots are looked through."""


def scope_news(connection: Connection, scope: Scope, *, limit: int) -> News:
    """Return what the last snapshots of a scope brought for the first time. 5 statements, of which 1 looks at all that it has.

    What the first snapshot of a source brings is no news one by one: the mirror is.
    """
    first = (
        select(func.min(t.snapshot.c.id))
        .group_by(t.snapshot.c.source_id, t.snapshot.c.scope)
        .scalar_subquery()
    )
    snapshots = connection.execute(
        select(
            t.snapshot.c.id,
            t.snapshot.c.taken_at,
            t.snapshot.c.scope,
            t.mirror.c.ref,
            t.mirror.c.stack,
            case((t.snapshot.c.id.in_(first), 1), else_=0).label("is_first"),
        )
        .join(t.source, t.source.c.id == t.snapshot.c.source_id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(*scope.conditions())
        .order_by(t.snapshot.c.id.desc())
    ).all()
    later = [row.id for row in snapshots if not row.is_first][:_SNAPSHOTS]
    came = (
        select(t.spec.c.name_id, t.spec.c.version_id)
        .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
        .where(
            t.presence.c.since.in_(later),
            t.presence.c.state == int(Presence.PRESENT),
            t.presence.c.source_id.in_(_sources(scope)),
        )
        .distinct()
        .subquery("came")
    )
    of_came = and_(came.c.name_id == t.spec.c.name_id, came.c.version_id == t.spec.c.version_id)
    found = _first_seen(connection, scope, limit=limit, among=(came, of_came), since=later) if later else []
    entries: list[NewVersion | NewMirror] = [
        *_versions(connection, scope, found),
        *_mirrors(connection, snapshots, limit),
    ]
    entries.sort(key=_by_time)
    return News(
        entries=tuple(entries[:limit]),
        read_at=from_stored(max(row.taken_at for row in snapshots)) if snapshots else None,
    )


def package_news(connection: Connection, name: PackageName, scope: Scope, *, limit: int) -> News:
    """Return the versions of a package, those that a snapshot of the scope had last for the first time first. 4 statements.

    Raises ``NotInCatalogue`` for a package of which the scope never had a binary.
    """
    name_id = connection.execute(select(t.name.c.id).where(t.name.c.text == name)).scalar()
    found = _first_seen(connection, scope, limit=limit, name_id=name_id) if name_id is not None else []
    if not found:
        raise NotInCatalogue(f"there is no {name} there", hint="the list of packages has all names")
    entries = sorted(_versions(connection, scope, found), key=_by_time)
    return News(entries=tuple(entries), read_at=entries[0].at)


def _by_time(one: NewVersion | NewMirror) -> tuple[float, str, str]:
    if isinstance(one, NewMirror):
        return (-one.at.timestamp(), "", str(one.name))
    return (-one.at.timestamp(), one.package, one.version)


def _sources(scope: Scope) -> Any:
    return (
        select(t.source.c.id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(*scope.conditions())
        .scalar_subquery()
    )


def _first_seen(
    connection: Connection,
    scope: Scope,
    *,
    limit: int,
    among: tuple[Any, ColumnElement[bool]] | None = None,
    since: Sequence[int] = (),
    name_id: int | None = None,
) -> Sequence[Any]:
    """Return name, version, first time and binaries of versions, newest first.

    Among those of ``among`` it is only who was first seen by one of the snapshots ``since``.
    """
    tables = t.presence.join(t.spec, t.spec.c.id == t.presence.c.spec_id).join(
        t.snapshot, t.snapshot.c.id == t.presence.c.since
    )
    if among is not None:
        tables = tables.join(*among)
    first = func.min(t.snapshot.c.taken_at)
    statement = (
        select(t.spec.c.name_id, t.spec.c.version_id, first, func.count(t.spec.c.id.distinct()))
        .select_from(tables)
        .where(
            t.presence.c.state == int(Presence.PRESENT),
            t.presence.c.source_id.in_(_sources(scope)),
            t.spec.c.version_id.is_not(None),
        )
        .group_by(t.spec.c.name_id, t.spec.c.version_id)
        .order_by(first.desc(), t.spec.c.name_id, t.spec.c.version_id)
        .limit(limit)
    )
    if name_id is not None:
        statement = statement.where(t.spec.c.name_id == name_id)
    if among is not None:
        by_later = func.min(case((t.snapshot.c.id.in_(since), t.snapshot.c.taken_at)))
        statement = statement.having(by_later == first)
    found: Sequence[Any] = connection.execute(statement).all()
    return found


def _versions(connection: Connection, scope: Scope, rows: Sequence[Any]) -> list[NewVersion]:
    names = {row.name_id for row in rows}
    texts = dict(connection.execute(select(t.name.c.id, t.name.c.text).where(t.name.c.id.in_(names))).all())
    version_ids = [row.version_id for row in rows]
    versions = dict(
        connection.execute(
            select(t.version.c.id, t.version.c.text).where(t.version.c.id.in_(version_ids))
        ).all()
    )
    packages = dict(
        connection.execute(
            select(t.spec.c.name_id, func.min(t.snapshot.c.taken_at))
            .select_from(
                t.presence.join(t.spec, t.spec.c.id == t.presence.c.spec_id).join(
                    t.snapshot, t.snapshot.c.id == t.presence.c.since
                )
            )
            .where(
                t.spec.c.name_id.in_(names),
                t.presence.c.state == int(Presence.PRESENT),
                t.presence.c.source_id.in_(_sources(scope)),
            )
            .group_by(t.spec.c.name_id)
        ).all()
    )
    return [
        NewVersion(
            at=from_stored(at),
            package=PackageName(texts[name_id]),
            version=versions[version_id],
            binaries=number,
            is_new_package=packages[name_id] == at,
        )
        for name_id, version_id, at, number in rows
    ]


def _mirrors(connection: Connection, snapshots: Sequence[Any], limit: int) -> list[NewMirror]:
    """Return the mirrors by their first snapshot of all, with what they have now."""
    oldest = {(row.ref, row.stack): row.taken_at for row in snapshots}
    newest = sorted(oldest.items(), key=lambda one: -one[1])[:limit]
    counted = {
        (ref, stack): number
        for ref, stack, number in connection.execute(
            select(t.package_summary.c.ref, t.package_summary.c.stack, func.sum(t.package_summary.c.present))
            .where(
                t.package_summary.c.stack != "", t.package_summary.c.ref.in_({ref for (ref, _), _ in newest})
            )
            .group_by(t.package_summary.c.ref, t.package_summary.c.stack)
        )
    }
    return [
        NewMirror(
            at=from_stored(at),
            name=MirrorName(Ref(ref), Stack(stack)),
            binaries=int(counted.get((ref, stack), 0)),
        )
        for (ref, stack), at in newest
    ]
