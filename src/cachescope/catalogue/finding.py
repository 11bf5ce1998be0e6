"""Finding specs: a query or a pattern of names, within a scope, as a selection that is counted or read when it is asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Subquery, func, select, text

from cachescope.catalogue import schema as t
from cachescope.catalogue.host_facts import libc_of
from cachescope.catalogue.lowering import Lowered, lower
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.catalogue.universe_reader import read_universe
from cachescope.model.hosts import Host
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.query.hosts import judge
from cachescope.query.matching import matches
from cachescope.query.spec_query import SpecQuery

__all__ = ["SORTS", "Found", "find", "is_glob"]

_GLOB = re.compile(r"[A-Za-z0-9_.*?-]*[*?][A-Za-z0-9_.*?-]*")

SORTS = {
    "name": (
        t.name.c.text,
        t.version.c.key.desc(),
        t.architecture.c.os,
        t.architecture.c.target,
        t.spec.c.hash,
    ),
    "version": (t.version.c.key.desc(), t.name.c.text, t.spec.c.hash),
    "os": (t.architecture.c.os, t.name.c.text, t.version.c.key.desc(), t.spec.c.hash),
    "target": (t.architecture.c.target, t.name.c.text, t.version.c.key.desc(), t.spec.c.hash),
    "compiler": (t.compiler.c.name, t.compiler.c.version_key.desc(), t.name.c.text, t.spec.c.hash),
    "hash": (t.spec.c.hash,),
}
"""Orders of a list: each ends in the hash, so that the same question has the same answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """The specs of a scope that match, not read yet."""

    presence: Subquery
    wanted: ColumnElement[bool]
    scope: Scope

    def total(self, connection: Connection) -> int:
        """Count them."""
        return int(
            connection.execute(
                select(func.count()).select_from(self.presence).where(self.wanted)
            ).scalar_one()
        )

    def specs(self, connection: Connection, *, limit: int, sort: str = "name") -> list[SpecSummary]:
        """Read the first of them."""
        return read_summaries(connection, self._rows(connection, limit=limit, sort=sort), self.scope)

    def judged(
        self,
        connection: Connection,
        host: Host,
        *,
        limit: int,
        sort: str = "name",
        only_runnable: bool = False,
    ) -> tuple[int, list[SpecSummary]]:
        """Read the first of them with a verdict each, and count them.

        With ``only_runnable`` those that do not run are left out of both, so that all are judged, not only the first.
        """
        rows = self._rows(connection, limit=0 if only_runnable else limit, sort=sort)
        libcs = libc_of(connection, [row.id for row in rows])
        found = [
            replace(spec, verdict=judge(host, spec.architecture, libcs.get(row.id)))
            for row, spec in zip(rows, read_summaries(connection, rows, self.scope), strict=True)
        ]
        if not only_runnable:
            return self.total(connection), found
        runnable = [spec for spec in found if spec.verdict is not None and spec.verdict.runnable]
        return len(runnable), runnable[:limit] if limit else runnable

    def _rows(self, connection: Connection, *, limit: int, sort: str) -> Sequence[Row[Any]]:
        statement = select_specs(self.presence).where(self.wanted).order_by(*SORTS[sort])
        return connection.execute(statement.limit(limit) if limit else statement).all()


def find(connection: Connection, query: SpecQuery | str, scope: Scope, *, mentioned: bool) -> Found:
    """Find what matches a parsed query, or a pattern of names (``*`` and ``?``)."""
    lowest = Presence.MENTIONED if mentioned else Presence.PRESENT
    lowered = Lowered(_named_like(query), exact=True) if isinstance(query, str) else lower(connection, query)
    presence = current_presence(scope, lowered.condition)
    wanted = presence.c.state >= int(lowest)
    if not lowered.exact and isinstance(query, SpecQuery):
        keys = _decided(connection, query, select(presence.c.spec_id).where(wanted))
        wanted = presence.c.spec_id.in_(_numbers(keys))
    return Found(presence, wanted, scope)


def _numbers(keys: Sequence[int]) -> Select[tuple[int]]:
    """Return whole numbers as a statement, for lists that are longer than what a database takes as parameters."""
    listed = ", ".join(f"({key})" for key in keys) or "(NULL)"
    return select(text("column1")).select_from(text(f"(VALUES {listed})"))


def _decided(connection: Connection, query: SpecQuery, candidates: Select[tuple[int]]) -> Sequence[int]:
    """Let the reference decide about each candidate."""
    rows = connection.execute(select(t.spec.c.id, t.spec.c.hash).where(t.spec.c.id.in_(candidates))).all()
    universe = read_universe(connection, [row.id for row in rows])
    return [
        row.id
        for row in rows
        if row.hash in universe.specs and matches(query, universe.specs[row.hash], universe)
    ]


def is_glob(query: str) -> bool:
    """Say whether this is a pattern of names; a lone ``*`` is any spec in both languages."""
    return query != "*" and _GLOB.fullmatch(query) is not None


def _named_like(pattern: str) -> ColumnElement[bool]:
    escaped = pattern.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    like = escaped.replace("*", "%").replace("?", "_")
    return t.spec.c.name_id.in_(select(t.name.c.id).where(t.name.c.text.like(like, escape="\\")))
