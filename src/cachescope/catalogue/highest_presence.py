"""The highest state that any source gives a spec now: it stands in ``spec``, so that most questions need no interval."""

from collections.abc import Sequence

from sqlalchemy import Connection, ScalarSelect, func, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.summaries import chunks

__all__ = ["highest_presence", "renew_presence"]


def highest_presence() -> ScalarSelect[int | None]:
    """Return the highest state of a row of ``spec`` as its intervals tell; null where no source has it now."""
    return (
        select(func.max(t.presence.c.state))
        .where(t.presence.c.spec_id == t.spec.c.id, t.presence.c.until.is_(None))
        .correlate(t.spec)
        .scalar_subquery()
    )


def renew_presence(connection: Connection, spec_ids: Sequence[int]) -> None:
    """Tell these specs what their intervals say, where that is another state than before."""
    highest = highest_presence()
    for some in chunks(spec_ids):
        connection.execute(
            update(t.spec)
            .where(t.spec.c.id.in_(some), t.spec.c.presence.is_distinct_from(highest))
            .values(presence=highest)
        )
