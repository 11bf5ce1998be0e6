"""How many binaries of a package a scope had over time."""

from collections import Counter

from sqlalchemy import Connection, case, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.times import from_stored
from cachescope.model.facets import HistoryPoint
from cachescope.model.record import Presence

__all__ = ["package_history"]


def package_history(connection: Connection, name_id: int | None, scope: Scope) -> tuple[HistoryPoint, ...]:
    """Return what each moment changed, oldest first. 1 statement.

    A binary counts once for the scope, from its first to its last sight in any of its mirrors.
    """
    since, until = t.snapshot.alias("since"), t.snapshot.alias("until")
    # A null among the ends means that it is still there.
    left = case((func.count(t.presence.c.until) == func.count(), func.max(until.c.taken_at)), else_=None)
    tables = (
        t.presence.join(t.spec, t.spec.c.id == t.presence.c.spec_id)
        .join(since, since.c.id == t.presence.c.since)
        .outerjoin(until, until.c.id == t.presence.c.until)
    )
    conditions = [t.spec.c.name_id == name_id, t.presence.c.state == int(Presence.PRESENT)]
    if scope.conditions():
        sources = select(t.source.c.id).join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        conditions.append(t.presence.c.source_id.in_(sources.where(*scope.conditions())))
    spans = (
        select(func.min(since.c.taken_at).label("came"), left.label("gone"))
        .select_from(tables)
        .where(*conditions)
        .group_by(t.presence.c.spec_id)
        .subquery("spans")
    )
    rows = connection.execute(
        select(spans.c.came, spans.c.gone, func.count()).group_by(spans.c.came, spans.c.gone)
    )
    came: Counter[int] = Counter()
    gone: Counter[int] = Counter()
    for first, last, number in rows:
        came[first] += number
        if last is not None:
            gone[last] += number
    points, present = [], 0
    for at in sorted({*came, *gone}):
        present += came[at] - gone[at]
        points.append(HistoryPoint(at=from_stored(at), came=came[at], gone=gone[at], present=present))
    return tuple(points)
