"""All that was present in a part of the catalogue at a time: one statement over the intervals of presence."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.catalogue.times import from_stored, to_stored
from cachescope.model.contents import Part
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import DagHash
from cachescope.model.record import Presence

__all__ = ["Held", "check_known", "contents_of"]


class Held(NamedTuple):
    """A present spec, as far as counting needs it."""

    key: int
    name: str
    version: str


def contents_of(connection: Connection, part: Part) -> Mapping[DagHash, Held]:
    """Return what is present in a part of the catalogue, or was at its point in time. 5 statements, and a row for each spec.

    Raises ``NotInCatalogue`` for a part that is unknown, or of which nothing was known yet at that time.
    """
    sources = LockLookup(connection, [part.against]).source_keys
    since, until = t.snapshot.alias("since"), t.snapshot.alias("until")
    statement = (
        select(t.spec.c.id, t.spec.c.hash, t.spec.c.name_id, t.spec.c.version_id)
        .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
        .where(t.presence.c.source_id.in_(sources), t.presence.c.state == int(Presence.PRESENT))
    )
    if part.moment is None:
        statement = statement.where(t.presence.c.until.is_(None))
    else:
        check_known(connection, part, sources)
        stored = to_stored(part.moment)
        statement = (
            statement.join(since, since.c.id == t.presence.c.since)
            .outerjoin(until, until.c.id == t.presence.c.until)
            .where(since.c.taken_at <= stored, (until.c.id.is_(None)) | (until.c.taken_at > stored))
        )
    # Some ten thousand names and versions at the most; so each stands in memory once.
    names = {row.id: row.text for row in connection.execute(select(t.name.c.id, t.name.c.text))}
    versions = {row.id: row.text for row in connection.execute(select(t.version.c.id, t.version.c.text))}
    return {
        DagHash(dag_hash): Held(key, names[name], versions.get(version, ""))
        for key, dag_hash, name, version in connection.execute(statement)
    }


def check_known(connection: Connection, part: Part, sources: list[int]) -> None:
    """Raise ``NotInCatalogue`` where nothing was known of a part at its point in time. 1 statement."""
    first = connection.execute(
        select(func.min(t.snapshot.c.taken_at)).where(t.snapshot.c.source_id.in_(sources))
    ).scalar()
    if first is None or (part.moment is not None and first > to_stored(part.moment)):
        when = (
            f"its first sync was {from_stored(first):%Y-%m-%d %H:%M} UTC"
            if first is not None
            else "it was never read"
        )
        raise NotInCatalogue("nothing is known of that time yet", where=part.text, hint=when)
