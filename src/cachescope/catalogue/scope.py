"""What part of the catalogue a question is about: all of it, a ref, or one mirror; and what is known in it now."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select
from sqlalchemy.sql.selectable import Subquery

from cachescope.catalogue import schema as t
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import Ref, Stack
from cachescope.model.record import Presence

__all__ = ["Scope", "checked_scope", "current_presence", "is_known"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A ref, a mirror of it, or (both None) everything. A stack alone is that stack in all refs."""

    ref: Ref | None = None
    stack: Stack | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on ``mirror``."""
        conditions = []
        if self.ref is not None:
            conditions.append(t.mirror.c.ref == self.ref)
        if self.stack is not None:
            conditions.append(t.mirror.c.stack == self.stack)
        return conditions


def checked_scope(connection: Connection, ref: Ref | None, stack: Stack | None) -> Scope:
    """Return the scope. Raises ``NotInCatalogue`` if no mirror is in it, so that a misspelt ref is no empty answer."""
    scope = Scope(ref, stack)
    if ref is None and stack is None:
        return scope
    if connection.execute(select(t.mirror.c.id).where(*scope.conditions()).limit(1)).first() is None:
        text = (
            f"the ref {ref}"
            if stack is None
            else f"the stack {stack}"
            if ref is None
            else f"the mirror {ref}/{stack}"
        )
        raise NotInCatalogue(f"{text} is not in the catalogue", hint="'cachescope caches' lists the mirrors")
    return scope


def is_known(scope: Scope, lowest: Presence) -> ColumnElement[bool]:
    """Return the condition on ``spec`` that a source of the scope gives it this presence now, or a higher one."""
    if not scope.conditions():
        return t.spec.c.presence >= int(lowest)
    sources = select(t.source.c.id).join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
    stands = select(t.presence.c.spec_id).where(
        t.presence.c.spec_id == t.spec.c.id,
        t.presence.c.state >= int(lowest),
        t.presence.c.until.is_(None),
        t.presence.c.source_id.in_(sources.where(*scope.conditions())),
    )
    # What no source gives a spec, none of the scope does: that is known without looking at any interval.
    return and_(t.spec.c.presence >= int(lowest), exists(stands.correlate(t.spec)))


def current_presence(scope: Scope, *conditions: ColumnElement[bool]) -> Subquery:
    """Return ``spec_id`` and the highest ``state`` that a source of the scope gives it now; conditions may name ``spec``."""
    if not scope.conditions():
        standing = select(t.spec.c.id.label("spec_id"), t.spec.c.presence.label("state"))
        return standing.where(t.spec.c.presence.is_not(None), *conditions).subquery("current_presence")
    statement: Select[tuple[int, int]] = (
        select(t.presence.c.spec_id, func.max(t.presence.c.state).label("state"))
        .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
        .where(t.presence.c.until.is_(None), *conditions)
        .group_by(t.presence.c.spec_id)
    )
    if scope.conditions():
        statement = (
            statement.join(t.source, t.source.c.id == t.presence.c.source_id)
            .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
            .where(*scope.conditions())
        )
    return statement.subquery("current_presence")
