"""Which mirrors and sources the catalogue knows, what was read last of each, and how the last attempt ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import fast_rows
from cachescope.catalogue.highest_presence import renew_presence
from cachescope.catalogue.orphans import forget_orphans_among
from cachescope.catalogue.summaries import summarise_ref
from cachescope.catalogue.times import from_stored, to_stored
from cachescope.model.errors import NotInCatalogue, UserInputError
from cachescope.model.identity import ROOT, MirrorName, PackageName, Ref, SourceName, Stack, ViewName
from cachescope.model.mirror import Layout, Mirror, MirrorUrl
from cachescope.model.record import Validator
from cachescope.model.results import Counts
from cachescope.model.sources import Attempt, AttemptOutcome, SourceStatus
from cachescope.model.standing import KnownDocument, KnownSource, StandingMirror

__all__ = [
    "KnownPage",
    "add_mirror",
    "counts_of",
    "documents",
    "ensure_mirror",
    "ensure_source",
    "find_mirror",
    "forget_page",
    "known_sources",
    "mirrors",
    "note_attempt",
    "note_failed_mirror",
    "note_probe",
    "page_documents",
    "page_sources",
    "remember_document",
    "remove_mirror",
    "set_address",
    "set_page_address",
    "source_statuses",
    "sources_of",
    "standing_mirror",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPage:
    """A published page that was read before, and of what it spoke then."""

    ref: Ref
    package: PackageName
    document: KnownDocument


def _mirror_is(name: MirrorName) -> tuple[ColumnElement[bool], ...]:
    return (t.mirror.c.ref == name.ref, t.mirror.c.stack == name.stack)


def _next_id(connection: Connection, table: Table) -> int:
    found = connection.execute(select(func.max(table.c.id))).scalar()
    return int(found or 0) + 1


def mirrors(connection: Connection) -> Sequence[Mirror]:
    """Return all mirrors, by name."""
    rows = connection.execute(
        select(t.mirror.c.ref, t.mirror.c.stack, t.mirror.c.url).order_by(t.mirror.c.ref, t.mirror.c.stack)
    )
    return [
        Mirror(name=MirrorName(Ref(ref), Stack(stack)), url=MirrorUrl(url) if url else None)
        for ref, stack, url in rows
    ]


def find_mirror(connection: Connection, name: MirrorName) -> Mirror | None:
    """Return one mirror, or None."""
    row = connection.execute(select(t.mirror.c.url).where(*_mirror_is(name))).one_or_none()
    return Mirror(name=name, url=MirrorUrl(row.url) if row.url else None) if row is not None else None


def add_mirror(connection: Connection, name: MirrorName, url: MirrorUrl) -> bool:
    """Register a mirror; returns False if it stands there already with this address.

    Raises ``UserInputError`` if the name is taken by another address.
    """
    known = find_mirror(connection, name)
    if known is None:
        ensure_mirror(connection, name, url)
        return True
    if known.url == url:
        return False
    if known.url is not None:
        raise UserInputError(
            f"{name} is registered already, for {known.url}",
            hint=f"choose another name, or 'cachescope remove {name}' first",
        )
    connection.execute(update(t.mirror).where(*_mirror_is(name)).values(url=url.text))
    return True


def set_address(connection: Connection, name: MirrorName, url: MirrorUrl) -> None:
    """Keep where a registered mirror is."""
    connection.execute(update(t.mirror).where(*_mirror_is(name)).values(url=url.text))


def ensure_mirror(connection: Connection, name: MirrorName, url: MirrorUrl | None) -> int:
    """Return the key of a mirror, registering it if need be."""
    found = connection.execute(select(t.mirror.c.id).where(*_mirror_is(name))).scalar()
    if found is not None:
        return int(found)
    key = _next_id(connection, t.mirror)
    connection.execute(
        insert(t.mirror).values(id=key, ref=name.ref, stack=name.stack, url=url.text if url else None)
    )
    return key


def ensure_source(connection: Connection, name: SourceName, layout: Layout, *, url: str | None = None) -> int:
    """Return the key of a source, adding it (and its mirror) if need be."""
    mirror_id = ensure_mirror(connection, name.mirror, None)
    view = name.view or ""
    found = connection.execute(
        select(t.source.c.id).where(
            t.source.c.mirror_id == mirror_id, t.source.c.layout == layout, t.source.c.view == view
        )
    ).scalar()
    if found is not None:
        if url is not None:
            connection.execute(update(t.source).where(t.source.c.id == found).values(url=url))
        return int(found)
    key = _next_id(connection, t.source)
    connection.execute(
        insert(t.source).values(id=key, mirror_id=mirror_id, layout=layout, view=view, url=url)
    )
    return key


def remove_mirror(connection: Connection, name: MirrorName) -> None:
    """Forget a mirror with all its sources, snapshots and presence. Raises ``NotInCatalogue``."""
    mirror_id = connection.execute(select(t.mirror.c.id).where(*_mirror_is(name))).scalar()
    if mirror_id is None:
        raise NotInCatalogue(f"there is no mirror {name}", hint="'cachescope caches' lists the mirrors")
    ids = select(t.source.c.id).where(t.source.c.mirror_id == mirror_id)
    listed = select(t.presence.c.spec_id, t.presence.c.until).where(t.presence.c.source_id.in_(ids))
    rows = list(fast_rows(connection, listed))
    told = {key for key, _ in rows}
    standing = sorted({key for key, until in rows if until is None})
    for table in (t.presence, t.snapshot, t.document, t.archive, t.named_blob):
        connection.execute(delete(table).where(table.c.source_id.in_(ids)))
    connection.execute(delete(t.source).where(t.source.c.mirror_id == mirror_id))
    connection.execute(delete(t.mirror).where(t.mirror.c.id == mirror_id))
    connection.execute(
        delete(t.package_summary).where(
            t.package_summary.c.ref == name.ref, t.package_summary.c.stack == name.stack
        )
    )
    forget_orphans_among(connection, told)
    renew_presence(connection, standing)
    summarise_ref(connection, name.ref)


def known_sources(connection: Connection, name: MirrorName) -> Sequence[KnownSource]:
    """Return the sources of a mirror that were found before, pages left out."""
    rows = connection.execute(
        select(t.source)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(*_mirror_is(name), t.source.c.layout != Layout.PAGES)
        .order_by(t.source.c.id)
    )
    return [
        KnownSource(
            id=row.id,
            layout=Layout(row.layout),
            view=ViewName(row.view) if row.view else None,
            counts=Counts(row.present, row.mentioned, row.unstated),
            rejected=row.rejected,
            document=documents(connection, row.id).get(""),
        )
        for row in rows.all()
    ]


def standing_mirror(connection: Connection, name: MirrorName) -> StandingMirror | None:
    """Return what is known of a mirror, or None if it is not registered. At most 2 statements, and one a source."""
    row = connection.execute(
        select(t.mirror.c.url, t.mirror.c.probed_at).where(*_mirror_is(name))
    ).one_or_none()
    if row is None:
        return None
    return StandingMirror(
        name=name,
        url=MirrorUrl(row.url) if row.url else None,
        probed_at=from_stored(row.probed_at) if row.probed_at is not None else None,
        sources=tuple(known_sources(connection, name)),
    )


def counts_of(connection: Connection, source_ids: Sequence[int]) -> dict[int, Counts]:
    """Return how many specs sources have, by presence."""
    rows = connection.execute(select(t.source).where(t.source.c.id.in_(source_ids)))
    return {row.id: Counts(row.present, row.mentioned, row.unstated) for row in rows}


def documents(connection: Connection, source_id: int) -> dict[str, KnownDocument]:
    """Return what was read last for a source, by scope (empty for an index)."""
    rows = connection.execute(select(t.document).where(t.document.c.source_id == source_id))
    return {
        row.scope: KnownDocument(
            url=row.url, validator=Validator(row.etag, row.last_modified), digest=row.digest
        )
        for row in rows
    }


def page_documents(
    connection: Connection, *, ref: Ref | None = None, url: str | None = None
) -> dict[str, KnownPage]:
    """Return the published pages that were read before, by their place: all, those of a ref, or the one at ``url``."""
    statement = (
        select(t.document, t.mirror.c.ref)
        .join(t.source, t.source.c.id == t.document.c.source_id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(t.source.c.layout == Layout.PAGES)
        .order_by(t.document.c.url)
    )
    if ref is not None:
        statement = statement.where(t.mirror.c.ref == ref)
    if url is not None:
        statement = statement.where(t.document.c.url == url)
    return {
        row.url: KnownPage(
            ref=Ref(row.ref),
            package=PackageName(row.scope),
            document=KnownDocument(
                url=row.url, validator=Validator(row.etag, row.last_modified), digest=row.digest
            ),
        )
        for row in connection.execute(statement)
    }


def page_sources(connection: Connection, ref: Ref) -> dict[Stack, int]:
    """Return the keys of the sources of a ref of which published pages speak, ``root`` first, then by stack."""
    rows = connection.execute(
        select(t.mirror.c.stack, t.source.c.id)
        .join(t.source, t.source.c.mirror_id == t.mirror.c.id)
        .where(t.mirror.c.ref == ref, t.source.c.layout == Layout.PAGES)
        .order_by(t.mirror.c.stack != ROOT, t.mirror.c.stack)
    )
    return {Stack(row.stack): int(row.id) for row in rows}


def sources_of(connection: Connection, ref: Ref) -> Sequence[int]:
    """Return the keys of all sources of a ref."""
    statement = (
        select(t.source.c.id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(t.mirror.c.ref == ref)
        .order_by(t.source.c.id)
    )
    return connection.execute(statement).scalars().all()


def set_page_address(connection: Connection, source_id: int, url: MirrorUrl) -> None:
    """Keep where the pages of a source were read: one page, or a folder."""
    connection.execute(update(t.source).where(t.source.c.id == source_id).values(url=url.text))


def forget_page(connection: Connection, page: KnownPage) -> None:
    """Forget that a page was read, unless another one took its place since."""
    sources = (
        select(t.source.c.id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(t.mirror.c.ref == page.ref, t.source.c.layout == Layout.PAGES)
    )
    connection.execute(
        delete(t.document).where(
            t.document.c.source_id.in_(sources),
            t.document.c.scope == page.package,
            t.document.c.url == page.document.url,
        )
    )


def remember_document(
    connection: Connection, source_id: int, scope: str, *, url: str, validator: Validator, digest: str
) -> None:
    """Keep what lets one ask next time whether the document changed."""
    key = (t.document.c.source_id == source_id, t.document.c.scope == scope)
    values = {"url": url, "etag": validator.etag, "last_modified": validator.last_modified, "digest": digest}
    if connection.execute(update(t.document).where(*key).values(values)).rowcount == 0:
        connection.execute(insert(t.document).values(source_id=source_id, scope=scope, **values))


def note_probe(connection: Connection, name: MirrorName, now: datetime) -> None:
    """Keep that all layouts of a mirror were asked for."""
    connection.execute(update(t.mirror).where(*_mirror_is(name)).values(probed_at=to_stored(now)))


def note_attempt(connection: Connection, source_id: int, attempt: Attempt) -> None:
    """Keep how the last attempt at a source ended."""
    at = to_stored(attempt.at) if attempt.at is not None else None
    connection.execute(
        update(t.source)
        .where(t.source.c.id == source_id)
        .values(attempted_at=at, outcome=attempt.outcome, reason=attempt.reason)
    )


def note_failed_mirror(connection: Connection, name: MirrorName, attempt: Attempt | None) -> None:
    """Keep the failure of a mirror of which no source is known yet; None clears it."""
    at = to_stored(attempt.at) if attempt is not None and attempt.at is not None else None
    reason = attempt.reason if attempt is not None else None
    connection.execute(update(t.mirror).where(*_mirror_is(name)).values(attempted_at=at, reason=reason))


def source_statuses(connection: Connection) -> Sequence[SourceStatus]:
    """Return all sources, and mirrors without one, by name, layout (v3 before v2) and view."""
    rows = connection.execute(
        select(
            t.mirror.c.ref,
            t.mirror.c.stack,
            t.mirror.c.url.label("mirror_url"),
            t.mirror.c.attempted_at.label("mirror_attempted_at"),
            t.mirror.c.reason.label("mirror_reason"),
            t.source,
        )
        .select_from(t.mirror.outerjoin(t.source, t.source.c.mirror_id == t.mirror.c.id))
        .order_by(
            t.mirror.c.ref,
            t.mirror.c.stack,
            t.source.c.layout.desc().nulls_last(),
            t.source.c.view.nulls_first(),
        )
    )
    return [_status(row) for row in rows]


def _status(row: Row[Any]) -> SourceStatus:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    name = MirrorName(Ref(values["ref"]), Stack(values["stack"]))
    if values["id"] is None:
        failed = values["mirror_attempted_at"]
        attempt = (
            Attempt(from_stored(failed), AttemptOutcome.FAILED, values["mirror_reason"])
            if failed is not None
            else Attempt(None, AttemptOutcome.NEVER)
        )
        return SourceStatus(
            name=name,
            url=_url(values["mirror_url"]),
            layout=None,
            view=None,
            index_version=None,
            counts=Counts(),
            snapshot_at=None,
            last_attempt=attempt,
        )
    attempted, taken = values["attempted_at"], values["snapshot_at"]
    return SourceStatus(
        name=name,
        url=_url(values["url"] or values["mirror_url"]),
        layout=Layout(values["layout"]),
        view=ViewName(values["view"]) if values["view"] else None,
        index_version=values["index_version"],
        counts=Counts(values["present"], values["mentioned"], values["unstated"]),
        snapshot_at=from_stored(taken) if taken is not None else None,
        last_attempt=Attempt(
            from_stored(attempted) if attempted is not None else None, values["outcome"], values["reason"]
        ),
        rejected=values["rejected"],
        warnings=tuple(values["warnings"].splitlines()),
    )


def _url(text: str | None) -> MirrorUrl | None:
    return MirrorUrl(text) if text else None
