"""A catalogue in a file, asked for the specs of one name: by the standard library alone.

Importing SQLAlchemy takes longer than all else that ``search NAME`` does, so these three statements are written out here.
A test holds that they answer as ``search`` does. Whatever is not plain (another database, older tables, a query that says
more than a name, a name without a binary) is answered with None: then the usual way is taken, which can tell what is wrong.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cachescope.catalogue.revisions import REVISIONS
from cachescope.catalogue.stored_specs import spec_summaries
from cachescope.model.errors import QuerySyntaxError
from cachescope.model.identity import MirrorName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import SearchResult
from cachescope.query.grammar import parse_query
from cachescope.query.spec_query import NodeQuery, SpecQuery

__all__ = ["NameSearchFile"]

_REVISION = "SELECT version_num FROM alembic_version"
_COUNT = """
    SELECT n.id, count(*) FROM name AS n JOIN spec AS s ON s.name_id = n.id
    WHERE n.text = ? AND s.presence >= ? GROUP BY n.id
"""
_ROWS = """
    SELECT s.id, s.hash, n.text, v.text, c.name, c.version, a.platform, a.os, a.target, vs.key, vs.content, s.spec_format,
           s.presence
    FROM spec AS s JOIN name AS n ON n.id = s.name_id LEFT JOIN version AS v ON v.id = s.version_id
    LEFT JOIN compiler AS c ON c.id = s.compiler_id LEFT JOIN architecture AS a ON a.id = s.architecture_id
    LEFT JOIN variant_set AS vs ON vs.id = s.variant_set_id
    WHERE s.id IN (
        SELECT s.id FROM spec AS s LEFT JOIN version AS v ON v.id = s.version_id
        LEFT JOIN architecture AS a ON a.id = s.architecture_id
        WHERE s.name_id = ? AND s.presence >= ?
        ORDER BY v.key DESC NULLS LAST, a.os NULLS FIRST, a.target NULLS FIRST, s.hash LIMIT ?
    ) ORDER BY v.key DESC NULLS LAST, a.os NULLS FIRST, a.target NULLS FIRST, s.hash
"""
_PLACES = """
    SELECT m.ref, m.stack FROM presence AS p JOIN source AS o ON o.id = p.source_id JOIN mirror AS m ON m.id = o.mirror_id
    WHERE p.spec_id = ? AND p.until IS NULL AND p.state = ?
"""
_PRESENT = int(Presence.PRESENT)
_ALL = -1
"""As a limit, to SQLite."""


class _Row(NamedTuple):
    """A spec, with the names of ``summaries_of_specs.spec_columns``."""

    id: int
    hash: str
    name: str
    version: str | None
    compiler_name: str | None
    compiler_version: str | None
    platform: str | None
    os: str | None
    target: str | None
    variants_key: bytes | None
    variants_content: bytes | None
    spec_format: int
    state: int


class NameSearchFile:
    """The specs of a catalogue in a file, by name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def search(self, query: str, *, limit: int) -> SearchResult | None:
        """Find the present specs of a name; a limit of 0 is all. None if that cannot be told here."""
        asked = query.strip()
        try:
            parsed = parse_query(asked)
        except QuerySyntaxError:
            return None
        name = parsed.node.name
        if name is None or parsed != SpecQuery(node=NodeQuery(name=name)) or not self._path.is_file():
            return None
        try:
            with closing(self._connected()) as connection:
                connection.execute("BEGIN")
                if connection.execute(_REVISION).fetchall() != [(REVISIONS[-1],)]:
                    return None
                found = connection.execute(_COUNT, (name, _PRESENT)).fetchone()
                if found is None:
                    return None
                key, total = found
                rows = [_Row(*row) for row in connection.execute(_ROWS, (key, _PRESENT, limit or _ALL))]
                specs = spec_summaries(rows, _places(connection, [row.id for row in rows]))
        except sqlite3.Error:
            return None
        return SearchResult(query=asked, total=total, specs=tuple(specs))

    def _connected(self) -> sqlite3.Connection:
        # Nobody is waited for here.
        address = f"{self._path.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)


def _places(connection: sqlite3.Connection, spec_ids: Sequence[int]) -> Mapping[int, tuple[MirrorName, ...]]:
    found = {}
    for key in spec_ids:
        rows = connection.execute(_PLACES, (key, _PRESENT))
        found[key] = tuple(sorted({MirrorName(Ref(ref), Stack(stack)) for ref, stack in rows}))
    return found
