"""What is known of the archives of binaries at each source: which are still to be asked for, and what came of it.

Keyed by source and spec: the same DAG hash in two mirrors may be other bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)

from cachescope.catalogue import schema as t
from cachescope.catalogue.binaries import binary_columns, binary_of
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.times import to_stored
from cachescope.model.archive import Archive, ArchiveState, Binary
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import DagHash, MirrorName, Ref, SourceName, Stack, ViewName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Presence

__all__ = [
    "ArchiveCounts",
    "ArchiveSource",
    "archive_counts",
    "archive_sources",
    "binaries_to_ask",
    "readable_sources",
    "share_archives",
    "source_name",
    "write_archives",
]

_PAGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSource:
    """A source whose binaries have archives: an index of layout v3 or v2 that was read, at a mirror with an address."""

    id: int
    name: SourceName
    layout: Layout
    url: MirrorUrl


@dataclass(frozen=True, slots=True)
class ArchiveCounts:
    """Binaries that a source has now."""

    total: int
    stated: int
    """Whose size is known."""

    to_ask: int


def archive_sources(connection: Connection) -> Sequence[ArchiveSource]:
    """Return the sources that can be asked for sizes, by name; v3 before v2, the default index before views."""
    return [
        ArchiveSource(id=row.id, name=source_name(row), layout=Layout(row.layout), url=MirrorUrl(row.url))
        for row in readable_sources(connection)
    ]


def readable_sources(connection: Connection) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return what is needed to ask sources for more than their index, in that order: of those that were read and have an address."""
    return connection.execute(
        select(
            t.source.c.id,
            t.source.c.layout,
            t.source.c.view,
            t.source.c.index_version,
            t.mirror.c.ref,
            t.mirror.c.stack,
            t.mirror.c.url,
        )
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(
            t.source.c.layout.in_([Layout.V3, Layout.V2]),
            t.mirror.c.url.is_not(None),
            t.source.c.snapshot_at.is_not(None),
        )
        .order_by(t.mirror.c.ref, t.mirror.c.stack, t.source.c.layout.desc(), t.source.c.view)
    ).all()


def source_name(row: Row[*tuple[Any, ...]]) -> SourceName:
    """Return the name of a source of ``readable_sources``."""
    return SourceName(MirrorName(Ref(row.ref), Stack(row.stack)), ViewName(row.view) if row.view else None)


def archive_counts(connection: Connection, source: ArchiveSource, *, retry_before: datetime) -> ArchiveCounts:
    """Count the binaries of a source, those whose size is known, and those to be asked for."""
    to_ask = _is_to_ask(retry_before)
    row = connection.execute(
        select(
            func.count(),
            func.sum(case((to_ask, 0), (t.archive.c.state == int(ArchiveState.STATED), 1), else_=0)),
            func.sum(case((to_ask, 1), else_=0)),
        )
        .select_from(_binaries())
        .where(*_stand_in(source.id))
    ).one()
    return ArchiveCounts(*(int(value or 0) for value in row))


def binaries_to_ask(
    connection: Connection, source: ArchiveSource, *, retry_before: datetime, after: int
) -> Sequence[tuple[int, Binary]]:
    """Return binaries that were not asked for yet, with their keys: the next of a page's length with keys above ``after``.

    One that was missing, unreadable or refused is asked for again if that was at ``retry_before`` or earlier; one that
    went and came back since it was asked for is asked for again, as it may be other bytes.
    """
    tables = (
        _binaries()
        .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
        .join(t.name, t.name.c.id == t.spec.c.name_id)
        .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
        .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
        .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
    )
    rows = connection.execute(
        select(
            t.spec.c.id,
            *binary_columns(),
        )
        .select_from(tables)
        .where(*_stand_in(source.id), t.presence.c.spec_id > after, _is_to_ask(retry_before))
        .order_by(t.presence.c.spec_id)
        .limit(_PAGE)
    )
    return [(row.id, binary_of(row)) for row in rows]


def _binaries() -> FromClause:
    return t.presence.join(t.snapshot, t.snapshot.c.id == t.presence.c.since).outerjoin(
        t.archive,
        (t.archive.c.source_id == t.presence.c.source_id) & (t.archive.c.spec_id == t.presence.c.spec_id),
    )


def _stand_in(source_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        t.presence.c.source_id == source_id,
        t.presence.c.until.is_(None),
        t.presence.c.state == int(Presence.PRESENT),
    )


def _is_to_ask(retry_before: datetime) -> ColumnElement[bool]:
    again = (t.archive.c.state != int(ArchiveState.STATED)) & (
        t.archive.c.asked_at <= to_stored(retry_before)
    )
    return or_(t.archive.c.spec_id.is_(None), again, t.snapshot.c.taken_at > t.archive.c.asked_at)


def share_archives(connection: Connection, source: ArchiveSource) -> None:
    """Take over what is known from the other sources of the same mirror and layout: a view has no manifests of its own."""
    other, here = t.source.alias("other"), t.source.alias("here")
    known, mine = t.archive.alias("known"), t.archive.alias("mine")
    siblings = select(other.c.id).where(
        here.c.id == source.id,
        other.c.mirror_id == here.c.mirror_id,
        other.c.layout == here.c.layout,
        other.c.id != here.c.id,
    )
    keys = connection.execute(siblings.order_by(other.c.id)).scalars().all()
    for key in keys:
        values = [literal(source.id, Integer), *(column for column in known.c if column.name != "source_id")]
        connection.execute(
            insert(t.archive).from_select(
                [column.name for column in t.archive.c],
                select(*values)
                .select_from(
                    t.presence.join(
                        known, (known.c.spec_id == t.presence.c.spec_id) & (known.c.source_id == key)
                    )
                    .join(t.snapshot, t.snapshot.c.id == t.presence.c.since)
                    .outerjoin(
                        mine, (mine.c.source_id == source.id) & (mine.c.spec_id == t.presence.c.spec_id)
                    )
                )
                .where(*_stand_in(source.id), mine.c.spec_id.is_(None)),
            )
        )


def write_archives(connection: Connection, source: ArchiveSource, found: Mapping[DagHash, Archive]) -> None:
    """Keep what was found, in place of what was known; binaries that the source lost meanwhile are left out.

    Keys are looked up anew: another process may have removed the mirror since. Raises ``NotInCatalogue`` then.
    """
    if source not in archive_sources(connection):
        raise NotInCatalogue(
            f"{source.name} was removed while its binaries were asked for",
            hint=f"cachescope add {source.name.mirror} URL",
        )
    kinds = _KindKeys(connection)
    for hashes in chunks(list(found)):
        rows = connection.execute(
            select(t.presence.c.spec_id, t.spec.c.hash)
            .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
            .where(*_stand_in(source.id), t.spec.c.hash.in_(hashes))
        ).all()
        if not rows:
            continue
        connection.execute(
            delete(t.archive).where(
                t.archive.c.source_id == source.id, t.archive.c.spec_id.in_([row.spec_id for row in rows])
            )
        )
        connection.execute(
            insert(t.archive), [_row(source.id, row.spec_id, found[row.hash], kinds) for row in rows]
        )


def _row(source_id: int, spec_id: int, one: Archive, kinds: "_KindKeys") -> dict[str, object]:
    return {
        "source_id": source_id,
        "spec_id": spec_id,
        "state": int(one.state),
        "asked_at": to_stored(one.asked_at),
        "size": one.size,
        "kind_id": kinds.key(one),
        "digest": bytes.fromhex(one.digest.hexadecimal) if one.digest is not None else None,
        "signed": int(one.signed) if one.signed is not None else None,
        "reason": one.reason or None,
    }


class _KindKeys:
    """Keys of media type, compression and algorithm, which repeat in every archive."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keys: dict[tuple[str, str, str], int] = {
            (row.media_type, row.compression, row.algorithm): row.id
            for row in connection.execute(select(t.archive_kind))
        }

    def key(self, one: Archive) -> int | None:
        if one.digest is None:
            return None
        kind = (one.media_type, one.compression, one.digest.algorithm)
        if kind not in self._keys:
            self._keys[kind] = max(self._keys.values(), default=0) + 1
            self._connection.execute(
                insert(t.archive_kind).values(
                    id=self._keys[kind], media_type=kind[0], compression=kind[1], algorithm=kind[2]
                )
            )
        return self._keys[kind]
