"""Which sources name bytes by a digest: kept here, so that it holds over processes and restarts.

Two things name blobs: what ``sync --sizes`` read of archives, and the manifests that a virtual mirror served. A digest
that none of them named has no place, and is not served.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    delete,
    insert,
    literal,
    select,
)

from cachescope.catalogue import schema as t
from cachescope.catalogue.binaries import binary_columns, binary_of, binary_tables
from cachescope.model.errors import UserInputError
from cachescope.model.identity import (
    Digest,
    MirrorName,
    Ref,
    SourceName,
    Stack,
    ViewName,
    parse_digest,
)
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.virtual import BlobPlace

__all__ = ["NamedBlob", "are_blobs_noted", "blob_places", "note_named_blobs"]


class NamedBlob(NamedTuple):
    """A blob as the manifest or spec document of one binary names it."""

    digest: Digest
    size: int | None
    is_archive: bool


def blob_places(
    connection: Connection, algorithm: str, digest: str, *, sources: Sequence[int] = ()
) -> Sequence[BlobPlace]:
    """Return the places of a blob; none for what is no digest, or was not named. 2 statements.

    ``sources`` are keys of sources: only these count, and their order decides. Without them the order is by the name of
    the mirror, v3 before v2, the default index before views.
    """
    try:
        wanted = parse_digest(algorithm, digest)
    except UserInputError:
        return ()
    found = [
        *connection.execute(_from_archives(wanted, sources)),
        *connection.execute(_from_manifests(wanted, sources)),
    ]
    order = {key: place for place, key in enumerate(sources)}
    # Within a source what is known to be an archive comes first: it has what layout v2 makes its path of.
    found.sort(
        key=lambda row: (
            order.get(row.source_id, 0),
            row.ref,
            row.stack,
            row.layout != Layout.V3,
            row.view,
            not row.archive,
            row.hash,
        )
    )
    places: dict[int, BlobPlace] = {}
    for row in found:
        mirror = MirrorName(Ref(row.ref), Stack(row.stack))
        known = places.get(row.source_id)
        if known is None:
            places[row.source_id] = BlobPlace(
                mirror=mirror,
                source=SourceName(mirror, ViewName(row.view) if row.view else None),
                url=MirrorUrl(row.url),
                layout=Layout(row.layout),
                digest=wanted,
                size=row.size,
                binary=binary_of(row) if row.archive else None,
            )
    return tuple(places.values())


def note_named_blobs(
    connection: Connection, *, source_id: int, spec_id: int, blobs: Sequence[NamedBlob]
) -> None:
    """Keep what the manifest of a binary names now, in place of what it named before."""
    of_binary = (t.named_blob.c.spec_id == spec_id, t.named_blob.c.source_id == source_id)
    rows = [
        {
            "spec_id": spec_id,
            "source_id": source_id,
            "algorithm": one.digest.algorithm,
            "digest": bytes.fromhex(one.digest.hexadecimal),
            "size": one.size,
            "archive": int(one.is_archive),
        }
        for one in {one.digest: one for one in sorted(blobs, key=lambda one: one.is_archive)}.values()
    ]
    connection.execute(delete(t.named_blob).where(*of_binary))
    if rows:
        connection.execute(insert(t.named_blob), rows)


def are_blobs_noted(connection: Connection, *, source_id: int, spec_id: int) -> bool:
    """Say whether blobs of the manifest of a binary are kept. 1 statement."""
    statement = select(t.named_blob.c.spec_id).where(
        t.named_blob.c.spec_id == spec_id, t.named_blob.c.source_id == source_id
    )
    return connection.execute(statement.limit(1)).first() is not None


def _from_archives(wanted: Digest, sources: Sequence[int]) -> Select[Any]:
    tables = (
        binary_tables()
        .join(t.archive, t.archive.c.spec_id == t.spec.c.id)
        .join(t.archive_kind, t.archive_kind.c.id == t.archive.c.kind_id)
    )
    return _places(tables, t.archive, literal(1), sources).where(
        t.archive.c.digest == bytes.fromhex(wanted.hexadecimal),
        t.archive_kind.c.algorithm == wanted.algorithm,
    )


def _from_manifests(wanted: Digest, sources: Sequence[int]) -> Select[Any]:
    tables = binary_tables().join(t.named_blob, t.named_blob.c.spec_id == t.spec.c.id)
    return _places(tables, t.named_blob, t.named_blob.c.archive, sources).where(
        t.named_blob.c.digest == bytes.fromhex(wanted.hexadecimal),
        t.named_blob.c.algorithm == wanted.algorithm,
    )


def _places(
    tables: FromClause, names: Table, archive: ColumnElement[int], sources: Sequence[int]
) -> Select[Any]:
    statement = (
        select(
            t.source.c.id.label("source_id"),
            t.source.c.layout,
            t.source.c.view,
            t.mirror.c.ref,
            t.mirror.c.stack,
            t.mirror.c.url,
            names.c.size,
            archive.label("archive"),
            *binary_columns(),
        )
        .select_from(
            tables.join(t.source, t.source.c.id == names.c.source_id).join(
                t.mirror, t.mirror.c.id == t.source.c.mirror_id
            )
        )
        .where(t.mirror.c.url.is_not(None))
    )
    return statement.where(t.source.c.id.in_(sources)) if sources else statement
