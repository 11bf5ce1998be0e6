"""In which state the catalogue is: what was worked out of one state holds until the next."""

from sqlalchemy import Connection, func, select

from cachescope.catalogue import schema as t

__all__ = ["State", "state_of_snapshots"]

State = tuple[int, int, int]


def state_of_snapshots(connection: Connection) -> State:
    """Return what changes whenever presence does: a sync adds a snapshot, and a removed mirror takes its own away. 1 statement.

    The number of a snapshot that was taken away is given again: its time tells it from the one before.
    """
    statement = select(func.max(t.snapshot.c.id), func.count(), func.max(t.snapshot.c.taken_at))
    newest, number, taken_at = connection.execute(statement).one()
    return newest or 0, number, taken_at or 0
