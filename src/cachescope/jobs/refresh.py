"""Reads mirrors into the catalogue: the main job.

One transaction a mirror. What fails leaves the former snapshot as it was, and the failure is stated beside it.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.registry import KnownDocument, KnownSource
from cachescope.catalogue.snapshots import SnapshotChange, SnapshotWriter
from cachescope.formats.layouts import VIEWS_FOLDER, IndexLocation, index_locations, view_location
from cachescope.jobs.index_reading import Absent, IndexRead, IndexReader, ReadResult, Same
from cachescope.jobs.progress import SyncProgress
from cachescope.model.errors import (
    AccessDenied,
    CachescopeError,
    MalformedDocument,
    MirrorUnavailable,
    NotInCatalogue,
)
from cachescope.model.identity import MirrorName, SourceName, ViewName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.results import Attempt, AttemptOutcome, Counts, SourceOutcome
from cachescope.transport.source import ByteSource

__all__ = ["FetchedMirror", "PlannedMirror", "RefreshOptions", "Refresher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshOptions:
    """How to read."""

    probe: bool = False
    """Ask for layouts again that a mirror did not have."""

    probe_after: timedelta = timedelta(days=7)
    strict: bool = False
    """Refuse a snapshot with even one record that cannot be read."""

    allow_empty: bool = False
    """Accept an index without records where the former one had some."""

    max_unpacked_bytes: int = 4 * 1024**3
    temporary_folder: Path | None = None
    """Where a large index is held while it is unpacked; None is the system's choice."""


@dataclass(slots=True)
class _Reading:
    """One source of a mirror during a sync."""

    name: SourceName
    location: IndexLocation
    known: KnownSource | None
    document: KnownDocument | None
    result: ReadResult | CachescopeError | None = None


@dataclass(slots=True)
class PlannedMirror:
    """Which sources of a mirror to ask, with what the catalogue knows of them."""

    name: MirrorName
    url: MirrorUrl
    readings: list[_Reading]


@dataclass(slots=True)
class FetchedMirror:
    """What was read of a mirror and is not written yet; holds its bytes until it is closed."""

    planned: PlannedMirror
    held: ExitStack

    def close(self) -> None:
        """Give the bytes back. A second call does nothing."""
        self.held.close()


class Refresher:
    """Refreshes mirrors; ``open_source`` and ``now`` come from the composition root."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        now: Callable[[], datetime],
        options: RefreshOptions,
        progress: SyncProgress,
    ) -> None:
        self._catalogue = catalogue
        self._open_source = open_source
        self._now = now
        self._options = options
        self._progress = progress

    def refresh(self, name: MirrorName, *, view: ViewName | None = None) -> Sequence[SourceOutcome]:
        """Read all sources of a registered mirror, or with ``view`` that one alone.

        A failure is in the outcomes. Raises ``NotInCatalogue`` for a mirror that is not registered or has no address,
        and ``CatalogueUnusable``.
        """
        with _collector_paused():
            return self.write(self.fetch(self.plan(name, view=view)))

    def address(self, name: MirrorName) -> MirrorUrl:
        """Return where a registered mirror is; raises as ``refresh``."""
        with self._catalogue.reading() as connection:
            return self._address(connection, name)

    def plan(self, name: MirrorName, *, view: ViewName | None = None) -> PlannedMirror:
        """Say what to ask of a registered mirror; raises as ``refresh``."""
        return PlannedMirror(name, *self._plan(name, view))

    def fetch(self, planned: PlannedMirror) -> FetchedMirror:
        """Read what was planned. Needs no catalogue, so several mirrors may be fetched in threads at a time."""
        with ExitStack() as held:
            source = self._open_source(planned.url)
            held.callback(source.close)
            reader = IndexReader(
                source,
                max_unpacked_bytes=self._options.max_unpacked_bytes,
                temporary_folder=self._options.temporary_folder,
            )
            self._read(held.enter_context(reader), planned.readings)
            return FetchedMirror(planned, held.pop_all())

    def write(self, fetched: FetchedMirror) -> Sequence[SourceOutcome]:
        """Write what was fetched, in one transaction, and give its bytes back."""
        planned = fetched.planned
        with closing(fetched), _collector_paused():
            outcomes = self._write(planned.name, planned.url, planned.readings)
        for outcome in outcomes:
            self._progress.finished(outcome)
        return outcomes

    def refresh_at(
        self, name: MirrorName, url: MirrorUrl, *, view: ViewName | None = None
    ) -> Sequence[SourceOutcome]:
        """Read a mirror at an address, registering it if need be.

        A mirror that is registered with another address has moved: the new address is kept once it was read.
        """
        with self._catalogue.writing() as connection:
            registry.ensure_mirror(connection, name, url)
            mirror = registry.find_mirror(connection, name)
        moved = mirror is not None and mirror.url is not None and mirror.url != url
        if not moved:
            with self._catalogue.writing() as connection:
                registry.set_address(connection, name, url)
        _, readings = self._plan(name, view)
        if moved:
            # What was read elsewhere says nothing of documents here; and this place may have other layouts.
            readings = self._everywhere(name, view, readings)
        with _collector_paused():
            outcomes = self.write(self.fetch(PlannedMirror(name, url, list(readings))))
        if moved and all(one.error is None for one in outcomes):
            with self._catalogue.writing() as connection:
                registry.set_address(connection, name, url)
        return outcomes

    def has_no_index(self, url: MirrorUrl) -> bool:
        """Say whether none of the layouts' index documents is in a folder; False for web servers, which are not asked."""
        if url.scheme != "file":
            return False
        with closing(self._open_source(url)) as source:
            try:
                found = source.list_folders("") or ()
            except MirrorUnavailable:
                return False
        return not {"v3", "build_cache"} & set(found)

    @staticmethod
    def _everywhere(name: MirrorName, view: ViewName | None, readings: Sequence[_Reading]) -> list[_Reading]:
        known = {(one.location.layout, one.name.view): one.known for one in readings}
        locations = [view_location(view)] if view is not None else [*index_locations()]
        locations.extend(one.location for one in readings if one.name.view is not None and view is None)
        return [
            _Reading(SourceName(name, one.view), one, known.get((one.layout, one.view)), None)
            for one in locations
        ]

    def views(self, name: MirrorName) -> Sequence[ViewName]:
        """Return the views of a mirror that its folder shows and the catalogue does not read; empty for web servers."""
        url, readings = self._plan(name, None)
        source = self._open_source(url)
        try:
            found = source.list_folders(VIEWS_FOLDER) or ()
        except MirrorUnavailable:
            return ()
        finally:
            source.close()
        known = {reading.name.view for reading in readings}
        return [ViewName(one) for one in found if one not in known]

    def _plan(self, name: MirrorName, view: ViewName | None) -> tuple[MirrorUrl, list[_Reading]]:
        with self._catalogue.reading() as connection:
            url = self._address(connection, name)
            known = {(one.layout, one.view): one for one in registry.known_sources(connection, name)}
            probed = registry.probed_at(connection, name)
            due = self._options.probe or probed is None or self._now() - probed >= self._options.probe_after
            locations: dict[tuple[Layout, ViewName | None], IndexLocation] = {}
            if view is not None:
                locations[Layout.V3, view] = view_location(view)
            else:
                for location in index_locations():
                    if due or (location.layout, None) in known:
                        locations[location.layout, None] = location
                for layout, other in known:
                    if other is not None:
                        locations[layout, other] = view_location(other)
            readings = []
            for key, location in locations.items():
                found = known.get(key)
                documents = registry.documents(connection, found.id) if found is not None else {}
                readings.append(_Reading(SourceName(name, key[1]), location, found, documents.get("")))
        return url, readings

    @staticmethod
    def _address(connection: Connection, name: MirrorName) -> MirrorUrl:
        mirror = registry.find_mirror(connection, name)
        if mirror is None:
            raise NotInCatalogue(f"there is no mirror {name}", hint=f"register it: cachescope add {name} URL")
        if mirror.url is None:
            raise NotInCatalogue(
                f"{name} is known from published pages alone and has no address",
                hint=f"give it one: cachescope add {name} URL",
            )
        return mirror.url

    def _read(self, reader: IndexReader, readings: Iterable[_Reading]) -> None:
        unreachable: MirrorUnavailable | None = None
        for reading in readings:
            if unreachable is not None:
                # Each further question would wait as long for the same answer.
                reading.result = unreachable if reading.known is not None else Absent()
                continue
            progress = partial(self._progress.reading, str(reading.name))
            known = reading.document
            if self._options.strict and reading.known is not None and reading.known.rejected:
                known = None  # the former snapshot would not have passed
            try:
                reading.result = reader.read(reading.location, known, progress)
                self._refuse_emptied(reading)
            except AccessDenied as error:
                reading.result = error
            except MirrorUnavailable as error:
                reading.result = unreachable = error
            except MalformedDocument as error:
                reading.result = error

    def _refuse_emptied(self, reading: _Reading) -> None:
        """An index that lost all its records at once is far more often an accident than the wish of a maintainer."""
        result = reading.result
        if not isinstance(result, IndexRead) or len(result.records) or self._options.allow_empty:
            return
        if reading.known is not None and reading.known.counts.total and not result.records.rejected:
            raise MalformedDocument(
                f"the index lists no specs, where the former one listed {reading.known.counts.total}",
                where=result.path,
                hint="if the mirror was emptied on purpose: cachescope sync --allow-empty",
            )

    def _write(
        self, name: MirrorName, url: MirrorUrl, readings: Sequence[_Reading]
    ) -> Sequence[SourceOutcome]:
        now = self._now()
        _take_denied_for_absent(readings)
        asked_for_all = {one.location for one in readings}.issuperset(index_locations())
        if all(isinstance(reading.result, Absent) for reading in readings) and not any(
            one.known for one in readings
        ):
            readings[0].result = _no_index(url, readings)
        with self._catalogue.writing() as connection:
            if registry.find_mirror(connection, name) is None:
                raise NotInCatalogue(
                    f"{name} was removed while it was read", hint=f"cachescope add {name} URL"
                )
            if any(isinstance(reading.result, IndexRead | Same) for reading in readings):
                registry.note_failed_mirror(connection, name, None)
            writer = SnapshotWriter(connection, now=now, progress=partial(self._progress.writing, str(name)))
            written = [self._write_one(connection, writer, reading, now) for reading in readings]
            changed = writer.finish()
            if asked_for_all and not any(
                isinstance(reading.result, MirrorUnavailable) for reading in readings
            ):
                registry.note_probe(connection, name, now)
        return [
            replace(outcome, counts=changed.get(source_id, outcome.counts))
            for source_id, outcome in filter(None, written)
        ]

    def _write_one(
        self, connection: Connection, writer: SnapshotWriter, reading: _Reading, now: datetime
    ) -> tuple[int, SourceOutcome] | None:
        """Write what was read of one source; None for a layout that the mirror does not have."""
        result = reading.result
        change: SnapshotChange | None = None
        if isinstance(result, IndexRead):
            source_id = registry.ensure_source(connection, reading.name, reading.location.layout)
            try:
                change = writer.replace(
                    reading.name.mirror,
                    source_id,
                    result.records,
                    digest=result.digest,
                    strict=self._options.strict,
                )
            except MalformedDocument as error:
                error.where = f"{result.path}: {error.where}" if error.where else result.path
                result = error
        if isinstance(result, Absent):
            if reading.known is None:
                return None
            result = MirrorUnavailable(
                "the index is gone, though the mirror answers",
                where=reading.location.path,
                hint="its former records are kept; 'cachescope remove' forgets the mirror",
            )
        outcome = self._outcome(reading, result, change, now)
        if reading.known is None and isinstance(result, MirrorUnavailable):
            # Nothing is known of what is there, so the failure stands with the mirror.
            registry.note_failed_mirror(connection, reading.name.mirror, outcome.attempt)
            return -1, outcome
        source_id = registry.ensure_source(connection, reading.name, reading.location.layout)
        if isinstance(result, IndexRead):
            registry.remember_document(
                connection,
                source_id,
                "",
                url=reading.location.path,
                validator=result.validator,
                digest=result.digest,
            )
        elif isinstance(result, Same):
            _remember_validator(connection, source_id, reading, result)
        registry.note_attempt(connection, source_id, outcome.attempt)
        return source_id, outcome

    @staticmethod
    def _outcome(
        reading: _Reading,
        result: ReadResult | CachescopeError | None,
        change: SnapshotChange | None,
        now: datetime,
    ) -> SourceOutcome:
        failed = result if isinstance(result, CachescopeError) else None
        word = (
            AttemptOutcome.FAILED
            if failed
            else AttemptOutcome.UPDATED
            if change
            else AttemptOutcome.UNCHANGED
        )
        return SourceOutcome(
            name=reading.name,
            layout=reading.location.layout if reading.known or change else None,
            attempt=Attempt(now, word, str(failed) if failed is not None else None),
            counts=reading.known.counts if reading.known is not None else Counts(),
            added=change.added if change else 0,
            gone=change.gone if change else 0,
            changed=change.changed if change else 0,
            rejected=change.rejected if change else (),
            warnings=change.warnings if change else (),
            error=failed,
        )


def _take_denied_for_absent(readings: Sequence[_Reading]) -> None:
    """Object stores without the right to list answer 403 for what is not there: beside an index that was read, so it is."""
    if any(isinstance(reading.result, IndexRead | Same) for reading in readings):
        for reading in readings:
            if reading.known is None and isinstance(reading.result, AccessDenied):
                reading.result = Absent()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector from walking, again and again, over records that hold no cycles.

    Measured on 20,000 records: a quarter less time. Memory is given back by reference counts as before.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _remember_validator(connection: Connection, source_id: int, reading: _Reading, same: Same) -> None:
    """Keep what to ask with next time, unless another sync has written another index meanwhile."""
    standing = registry.documents(connection, source_id).get("")
    if standing is not None and reading.document is not None and standing.digest == reading.document.digest:
        registry.remember_document(
            connection,
            source_id,
            "",
            url=reading.location.path,
            validator=same.validator,
            digest=standing.digest,
        )


def _no_index(url: MirrorUrl, readings: Sequence[_Reading]) -> MirrorUnavailable:
    asked = " nor ".join(reading.location.path for reading in readings)
    return MirrorUnavailable(
        f"there is no index: neither {asked} is there" if len(readings) > 1 else f"there is no {asked}",
        where=str(url),
        hint="give the folder that holds 'v3' or 'build_cache'; a cache without an index needs 'spack buildcache update-index'",
    )
