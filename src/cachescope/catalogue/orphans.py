"""Specs that nothing speaks of any more: no source, now or formerly, and no spec that one of them speaks of depends on it."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, exists, func, not_, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.summaries import chunks

__all__ = ["forget_orphans", "forget_orphans_among"]

_FEW = 10
"""Where fewer than one of so many specs is in question, each is asked about; else one walk over all edges is cheaper."""


def forget_orphans_among(connection: Connection, spec_ids: Collection[int]) -> int:
    """Delete those of these specs, and of what they depend on, that are orphans; returns how many.

    Records that depend on each other in a circle, which no Spack writes, are left to ``forget_orphans``.
    """
    specs = int(connection.execute(select(func.max(t.spec.c.id))).scalar() or 0)
    if len(spec_ids) * _FEW > specs:
        return forget_orphans(connection)
    forgotten = 0
    asked: set[int] = set(spec_ids)
    while asked:
        orphans: list[int] = []
        for some in chunks(sorted(asked)):
            orphans += connection.execute(
                select(t.spec.c.id).where(
                    t.spec.c.id.in_(some),
                    not_(exists().where(t.presence.c.spec_id == t.spec.c.id)),
                    not_(exists().where(t.edge.c.child_id == t.spec.c.id)),
                )
            ).scalars()
        asked = set()
        for some in chunks(orphans):
            asked.update(
                connection.execute(
                    select(t.edge.c.child_id).where(t.edge.c.parent_id.in_(some)).distinct()
                ).scalars()
            )
        _forget(connection, orphans)
        forgotten += len(orphans)
    return forgotten


def forget_orphans(connection: Connection) -> int:
    """Delete all orphans; returns how many."""
    kept = select(t.presence.c.spec_id.label("id")).cte("kept", recursive=True)
    kept = kept.union(select(t.edge.c.child_id).join(kept, kept.c.id == t.edge.c.parent_id))
    orphans = (
        connection.execute(select(t.spec.c.id).where(t.spec.c.id.not_in(select(kept.c.id)))).scalars().all()
    )
    _forget(connection, orphans)
    return len(orphans)


def _forget(connection: Connection, spec_ids: Sequence[int]) -> None:
    for some in chunks(spec_ids):
        connection.execute(delete(t.edge).where(t.edge.c.parent_id.in_(some)))
        for table in (t.spec_record, t.archive, t.named_blob):
            connection.execute(delete(table).where(table.c.spec_id.in_(some)))
        connection.execute(delete(t.spec).where(t.spec.c.id.in_(some)))
