"""A catalogue in a file, asked for what a sync needs that finds nothing changed: by the standard library alone.

Importing SQLAlchemy takes longer than to ask a mirror whether it changed, so these few statements are written out here.
A test holds that they leave a catalogue as ``registry`` does. Whatever is not plain (another database, older tables,
another writer) is answered with None or False: then the usual way is taken, which can tell what is wrong.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cachescope.catalogue.revisions import REVISIONS
from cachescope.catalogue.times import from_stored, to_stored
from cachescope.model.identity import MirrorName, Ref, Stack, ViewName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Validator
from cachescope.model.results import Counts
from cachescope.model.sources import AttemptOutcome
from cachescope.model.standing import KnownDocument, KnownSource, StandingMirror

__all__ = ["FreshnessFile", "UnchangedSource"]

_REVISION = "SELECT version_num FROM alembic_version"
_MIRRORS = "SELECT id, ref, stack, url, probed_at FROM mirror ORDER BY ref, stack"
_SOURCES = """
    SELECT s.id, s.layout, s.view, s.present, s.mentioned, s.unstated, s.rejected,
           d.url, d.etag, d.last_modified, d.digest
    FROM source AS s LEFT JOIN document AS d ON d.source_id = s.id AND d.scope = ''
    WHERE s.mirror_id = ? AND s.layout <> ? ORDER BY s.id
"""
_PAGES = "SELECT count(*) FROM source WHERE layout = ?"
_NO_FAILURE = "UPDATE mirror SET attempted_at = NULL, reason = NULL WHERE ref = ? AND stack = ?"
_PROBED = "UPDATE mirror SET probed_at = ? WHERE ref = ? AND stack = ?"
_ATTEMPT = "UPDATE source SET attempted_at = ?, outcome = ?, reason = NULL WHERE id = ?"
_VALIDATOR = """
    UPDATE document SET url = ?, etag = ?, last_modified = ? WHERE source_id = ? AND scope = '' AND digest = ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnchangedSource:
    """A source whose index is the known one."""

    id: int
    path: str
    validator: Validator
    """What to ask with next time."""

    digest: str
    """Of the index that is known: if another sync has read another one meanwhile, its validator stays."""


class FreshnessFile:
    """What a catalogue in a file says of registered mirrors, and the note that they did not change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mirrors(self) -> Sequence[StandingMirror] | None:
        """Return all registered mirrors by name; None if they cannot be told here, or if there are published pages."""
        if not self._path.is_file():
            return None
        try:
            with closing(self._connected("ro")) as connection:
                connection.execute("BEGIN")
                if connection.execute(_REVISION).fetchall() != [(REVISIONS[-1],)]:
                    return None
                if connection.execute(_PAGES, (Layout.PAGES,)).fetchone() != (0,):
                    return None
                return [self._standing(connection, row) for row in connection.execute(_MIRRORS).fetchall()]
        except sqlite3.Error:
            return None

    def note_unchanged(
        self, name: MirrorName, sources: Sequence[UnchangedSource], *, at: datetime, probed: bool
    ) -> bool:
        """Keep that these sources of a mirror did not change; False if that cannot be done now. ``probed``: all layouts were asked."""
        moment, place = to_stored(at), (name.ref, name.stack)
        try:
            with closing(self._connected("rw")) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute(_NO_FAILURE, place).rowcount != 1:
                    return False  # removed meanwhile
                for one in sources:
                    validator = (one.validator.etag, one.validator.last_modified)
                    connection.execute(_VALIDATOR, (one.path, *validator, one.id, one.digest))
                    connection.execute(_ATTEMPT, (moment, AttemptOutcome.UNCHANGED, one.id))
                if probed:
                    connection.execute(_PROBED, (moment, *place))
                connection.execute("COMMIT")
        except sqlite3.Error:
            return False
        return True

    def _connected(self, mode: str) -> sqlite3.Connection:
        # Nobody is waited for here.
        address = f"{self._path.resolve().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)

    @staticmethod
    def _standing(
        connection: sqlite3.Connection, row: tuple[int, str, str, str | None, int | None]
    ) -> StandingMirror:
        key, ref, stack, url, probed = row
        found = connection.execute(_SOURCES, (key, Layout.PAGES)).fetchall()
        return StandingMirror(
            name=MirrorName(Ref(ref), Stack(stack)),
            url=MirrorUrl(url) if url else None,
            probed_at=from_stored(probed) if probed is not None else None,
            sources=tuple(
                KnownSource(
                    id=one[0],
                    layout=Layout(one[1]),
                    view=ViewName(one[2]) if one[2] else None,
                    counts=Counts(*one[3:6]),
                    rejected=one[6],
                    document=KnownDocument(url=one[7], validator=Validator(*one[8:10]), digest=one[10])
                    if one[7] is not None
                    else None,
                )
                for one in found
            ),
        )
