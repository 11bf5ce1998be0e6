"""Upkeep: how large a catalogue is, history that is no longer wanted, and room that is given back."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.engine import Catalogue, usable
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.orphans import forget_orphans
from cachescope.catalogue.revisions import REVISIONS
from cachescope.catalogue.times import from_stored, to_stored
from cachescope.model.upkeep import CatalogueStatus, VacuumReport

__all__ = ["status", "vacuum"]


def status(catalogue: Catalogue) -> CatalogueStatus:
    """Count what is in a catalogue. Walks through its indexes: seconds for tens of millions of edges."""
    with catalogue.reading() as connection:

        def count(table: Table, *conditions: Any) -> int:
            found = connection.execute(
                select(func.count()).select_from(table).where(*conditions)
            ).scalar_one()
            return int(found)

        def moment(statement: Any) -> datetime | None:
            stored = connection.execute(statement).scalar()
            return from_stored(stored) if stored is not None else None

        standing = count(t.presence, t.presence.c.until.is_(None))
        return CatalogueStatus(
            where=catalogue.database.shown,
            database=catalogue.database.product(connection),
            revision=REVISIONS[-1],
            size=catalogue.database.size(connection),
            mirrors=count(t.mirror),
            sources=count(t.source),
            specs=count(t.spec),
            records=count(t.spec, t.spec.c.knowledge > int(Knowledge.NAMED)),
            edges=count(t.edge),
            snapshots=count(t.snapshot),
            standing=standing,
            closed=count(t.presence) - standing,
            last_sync=moment(select(func.max(t.source.c.attempted_at))),
            oldest_snapshot=moment(select(func.min(t.snapshot.c.taken_at))),
        )


def vacuum(catalogue: Catalogue, *, now: datetime, keep: timedelta | None) -> VacuumReport:
    """Remove history that ended longer ago than ``keep`` (None keeps all), then give room back to the disk.

    Raises ``CatalogueUnusable``, also where another process keeps the catalogue busy.
    """
    before = now - keep if keep is not None else None
    intervals = snapshots = 0
    with catalogue.reading() as connection:
        size_before = catalogue.database.size(connection)
    with catalogue.writing() as connection:
        if before is not None:
            intervals, snapshots = _forget_history(connection, to_stored(before))
        specs = forget_orphans(connection)
    with usable(catalogue.database):
        catalogue.database.compact(catalogue.engine)
    with catalogue.reading() as connection:
        size_after = catalogue.database.size(connection)
    return VacuumReport(
        where=catalogue.database.shown,
        before=before,
        intervals=intervals,
        snapshots=snapshots,
        specs=specs,
        size_before=size_before,
        size_after=size_after,
    )


def _forget_history(connection: Connection, before: int) -> tuple[int, int]:
    """Remove the intervals that ended before a time, and the snapshots of before that nothing needs any more.

    A snapshot is needed while an interval begins or ends with it, and the newest one of a source always.
    """
    old = select(t.snapshot.c.id).where(t.snapshot.c.taken_at < before)
    intervals = connection.execute(delete(t.presence).where(t.presence.c.until.in_(old))).rowcount
    newer = t.snapshot.alias("newer")
    newest = (
        select(func.max(newer.c.id))
        .where(newer.c.source_id == t.snapshot.c.source_id, newer.c.scope == t.snapshot.c.scope)
        .correlate(t.snapshot)
        .scalar_subquery()
    )
    begun = select(t.presence.c.since).distinct()
    ended = select(t.presence.c.until).where(t.presence.c.until.is_not(None)).distinct()
    snapshots = connection.execute(
        delete(t.snapshot).where(
            t.snapshot.c.taken_at < before,
            t.snapshot.c.id.not_in(begun),
            t.snapshot.c.id.not_in(ended),
            t.snapshot.c.id < newest,
        )
    ).rowcount
    return intervals, snapshots
