"""Asks mirrors whether they changed, and reads what did; nothing is written, and no database is needed.

``refresh`` writes what was fetched. Kept apart from it, because a mirror that did not change is asked in less time than
a database library takes to import.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cachescope.formats.layouts import IndexLocation, index_locations, view_location
from cachescope.jobs.index_reading import Absent, IndexRead, IndexReader, ReadResult
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
from cachescope.model.results import Counts
from cachescope.model.sources import Attempt, AttemptOutcome, SourceOutcome
from cachescope.model.standing import KnownDocument, KnownSource, StandingMirror
from cachescope.transport.source import ByteSource

__all__ = [
    "FetchedMirror",
    "Fetcher",
    "PlannedMirror",
    "Reading",
    "RefreshOptions",
    "outcome_of",
    "plan_mirror",
]


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
class Reading:
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
    readings: list[Reading]
    moved: bool = False
    """The address is not the registered one, and takes its place if all can be read there."""


@dataclass(slots=True)
class FetchedMirror:
    """What was read of a mirror and is not written yet; holds its bytes until it is closed."""

    planned: PlannedMirror
    held: ExitStack

    def close(self) -> None:
        """Give the bytes back. A second call does nothing."""
        self.held.close()


def plan_mirror(
    standing: StandingMirror | None,
    name: MirrorName,
    *,
    view: ViewName | None,
    options: RefreshOptions,
    now: datetime,
) -> PlannedMirror:
    """Say what to ask of a registered mirror, or of one view of it.

    Raises ``NotInCatalogue`` for a mirror that is not registered (None) or has no address.
    """
    if standing is None:
        raise NotInCatalogue(f"there is no mirror {name}", hint=f"register it: cachescope add {name} URL")
    if standing.url is None:
        raise NotInCatalogue(
            f"{name} is known from published pages alone and has no address",
            hint=f"give it one: cachescope add {name} URL",
        )
    known = {(one.layout, one.view): one for one in standing.sources}
    probed = standing.probed_at
    due = options.probe or probed is None or now - probed >= options.probe_after
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
        document = found.document if found is not None else None
        readings.append(Reading(SourceName(name, key[1]), location, found, document))
    return PlannedMirror(name, standing.url, readings)


class Fetcher:
    """Fetches mirrors; may be used in several threads."""

    def __init__(
        self,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        options: RefreshOptions,
        progress: SyncProgress,
    ) -> None:
        self._open_source = open_source
        self._options = options
        self._progress = progress

    def fetch(self, planned: PlannedMirror) -> FetchedMirror:
        """Read what was planned; a failure is kept in its place."""
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

    def _read(self, reader: IndexReader, readings: Iterable[Reading]) -> None:
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

    def _refuse_emptied(self, reading: Reading) -> None:
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


def outcome_of(reading: Reading, result: ReadResult | CachescopeError | None, now: datetime) -> SourceOutcome:
    """Return the outcome of a source of which nothing was written: it did not change, or failed."""
    failed = result if isinstance(result, CachescopeError) else None
    word = AttemptOutcome.FAILED if failed else AttemptOutcome.UNCHANGED
    return SourceOutcome(
        name=reading.name,
        layout=reading.location.layout if reading.known else None,
        attempt=Attempt(now, word, str(failed) if failed is not None else None),
        counts=reading.known.counts if reading.known is not None else Counts(),
        error=failed,
    )
