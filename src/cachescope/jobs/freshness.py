"""The sync of one mirror that did not change, which is most of them: asked and noted without the catalogue being opened."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cachescope.catalogue.freshness_file import FreshnessFile, UnchangedSource
from cachescope.formats.layouts import VIEWS_FOLDER, index_locations
from cachescope.jobs.fetching import FetchedMirror, Fetcher, RefreshOptions, outcome_of, plan_mirror
from cachescope.jobs.index_reading import Same
from cachescope.jobs.progress import SyncProgress
from cachescope.model.errors import CachescopeError, NotInCatalogue
from cachescope.model.identity import SourceName
from cachescope.model.mirror import MirrorUrl
from cachescope.model.sources import SourceOutcome
from cachescope.model.standing import StandingMirror
from cachescope.transport.source import ByteSource

__all__ = ["Asked", "FreshnessCheck"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: outcomes if nothing changed, else what was fetched, which is still to be written."""

    outcomes: Sequence[SourceOutcome] | None
    fetched: FetchedMirror | None


class FreshnessCheck:
    """Asks one registered mirror whether it changed."""

    def __init__(
        self,
        file: FreshnessFile,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        now: Callable[[], datetime],
        options: RefreshOptions,
        progress: SyncProgress,
    ) -> None:
        self._file = file
        self._open_source = open_source
        self._now = now
        self._options = options
        self._fetcher = Fetcher(open_source=open_source, options=options, progress=progress)

    def ask(self, name: SourceName | None = None, *, url: MirrorUrl | None = None) -> Asked | None:
        """Ask the mirror of this name, or at this address, or (neither given) the only one that is registered.

        None: it is not for this job to say, and nothing was asked. Raises what opening the mirror raises.
        """
        standing = self._find(name, url)
        if standing is None:
            return None
        view = name.view if name is not None else None
        try:
            planned = plan_mirror(standing, standing.name, view=view, options=self._options, now=self._now())
        except NotInCatalogue:
            return None
        if not all(reading.document is not None for reading in planned.readings):
            return None  # to be asked for the first time
        if url is not None and self._has_other_views(url, standing):
            return None
        fetched = self._fetcher.fetch(planned)
        outcomes = self._noted(fetched)
        if outcomes is None:
            return Asked(None, fetched)
        fetched.close()
        return Asked(outcomes, None)

    def _find(self, name: SourceName | None, url: MirrorUrl | None) -> StandingMirror | None:
        mirrors = self._file.mirrors()
        if mirrors is None:
            return None
        if name is not None:
            mirrors = [one for one in mirrors if one.name == name.mirror]
        if url is not None:
            mirrors = [one for one in mirrors if one.url == url]
        return mirrors[0] if len(mirrors) == 1 else None

    def _has_other_views(self, url: MirrorUrl, standing: StandingMirror) -> bool:
        """Say whether a folder has views that are not read: who names an address is told of them."""
        source = self._open_source(url)
        try:
            found = source.list_folders(VIEWS_FOLDER) or ()
        except CachescopeError:
            return False
        finally:
            source.close()
        return bool(set(found) - {one.view for one in standing.sources})

    def _noted(self, fetched: FetchedMirror) -> Sequence[SourceOutcome] | None:
        """Note that nothing changed; None if something did, or the note cannot be written now."""
        readings, same, now = fetched.planned.readings, [], self._now()
        for reading in readings:
            if not isinstance(reading.result, Same) or reading.known is None or reading.document is None:
                return None
            same.append(
                UnchangedSource(
                    id=reading.known.id,
                    path=reading.location.path,
                    validator=reading.result.validator,
                    digest=reading.document.digest,
                )
            )
        probed = {reading.location for reading in readings}.issuperset(index_locations())
        if not self._file.note_unchanged(fetched.planned.name, same, at=now, probed=probed):
            return None
        return [outcome_of(reading, reading.result, now) for reading in readings]
