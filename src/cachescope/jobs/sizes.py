"""Reads how large binaries are: what manifests and spec documents state, of the binaries that were not asked for yet.

Many questions at a time, with a bound for each host. What was read is kept every second, so that a run which is
interrupted or killed goes on where it stood.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic

from cachescope.catalogue.archives import (
    ArchiveCounts,
    ArchiveSource,
    archive_counts,
    archive_sources,
    binaries_to_ask,
    share_archives,
    write_archives,
)
from cachescope.catalogue.engine import Catalogue
from cachescope.formats.layouts import index_locations, view_location
from cachescope.jobs.archive_reading import read_archive
from cachescope.jobs.lanes import side_by_side
from cachescope.jobs.progress import SizesProgress
from cachescope.model.archive import Archive, ArchiveState, Binary
from cachescope.model.errors import AccessDenied, MirrorUnavailable, NotInCatalogue
from cachescope.model.identity import DagHash, SourceName
from cachescope.model.mirror import MirrorUrl
from cachescope.model.sources import SizesOutcome
from cachescope.transport.source import ByteSource

__all__ = ["SizeReader", "SizesOptions"]

_ROWS_AT_ONCE = 500
_SECONDS_AT_ONCE = 1.0
_AHEAD = 4
"""Questions of a host that are taken ahead, as a multiple of those that are asked at a time."""

_UNANSWERED_IN_A_ROW = 10
"""From here on a mirror counts as down: each further question would wait as long for the same answer."""

_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SizesOptions:
    """How to ask."""

    again: bool = False
    """Ask again at once for what was missing, unreadable or refused."""

    retry_after: timedelta = timedelta(days=7)
    """When to ask again for it otherwise."""

    connections_per_host: int = 8
    hosts_at_once: int = 4


@dataclass(slots=True, eq=False)
class _Run:
    """One source during a run."""

    source: ArchiveSource
    bytes: ByteSource
    counts: ArchiveCounts
    states: Counter[ArchiveState] = field(default_factory=Counter)
    unanswered: int = 0
    in_a_row: int = 0
    """Questions without an answer since the last one that had one."""

    error: MirrorUnavailable | NotInCatalogue | None = None
    stopped: bool = False
    reasons: list[str] = field(default_factory=list)
    found: dict[DagHash, Archive] = field(default_factory=dict)
    """Not written yet."""

    index_answers: bool | None = None
    lock: Lock = field(default_factory=Lock)

    @property
    def asked(self) -> int:
        return self.states.total() + self.unanswered


@dataclass(frozen=True, slots=True)
class _Question:
    run: _Run
    binary: Binary


@dataclass(frozen=True, slots=True)
class _Answer:
    """``outcome`` is None for a question that was not asked any more."""

    run: _Run
    hash: DagHash
    outcome: Archive | MirrorUnavailable | None


class SizeReader:
    """Reads sizes; ``open_source`` and ``now`` come from the composition root."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        now: Callable[[], datetime],
        options: SizesOptions,
        progress: SizesProgress,
    ) -> None:
        self._catalogue = catalogue
        self._open_source = open_source
        self._now = now
        self._options = options
        self._progress = progress
        self._written_at = monotonic()

    def read(self, names: Sequence[SourceName] | None = None) -> Sequence[SizesOutcome]:
        """Ask for the binaries of these sources, or of all; outcomes stand in the order of the sources.

        A name without a view is its mirror with all its views and layouts. A failure is in the outcomes; raises
        ``CatalogueUnusable``.
        """
        with self._catalogue.reading() as connection:
            sources = [one for one in archive_sources(connection) if names is None or _is_named(one, names)]
        hosts: dict[str, list[ArchiveSource]] = {}
        for one in sources:
            hosts.setdefault(one.url.host, []).append(one)
        runs: dict[ArchiveSource, _Run] = {}
        width = self._options.connections_per_host
        answers = side_by_side(
            [self._questions(some, runs) for some in hosts.values()],
            self._answered,
            width=width,
            lanes_at_once=self._options.hosts_at_once,
            ahead=width * _AHEAD,
            unwanted=self._take,
        )
        try:
            with closing(answers):
                for answer in answers:
                    self._take(answer)
                    if monotonic() - self._written_at >= _SECONDS_AT_ONCE:
                        self._write(runs)
        finally:
            # Also for Ctrl-C: what was answered, taken up or not, is not asked for again.
            self._write(runs)
            for run in runs.values():
                run.bytes.close()
        return [self._outcome(runs[one]) for one in sources]

    def _questions(
        self, sources: Sequence[ArchiveSource], runs: dict[ArchiveSource, _Run]
    ) -> Iterator[_Question]:
        """Yield what to ask of one host, source after source."""
        for source in sources:
            retry_before = self._now() - (timedelta() if self._options.again else self._options.retry_after)
            with self._catalogue.reading() as connection:
                counts = archive_counts(connection, source, retry_before=retry_before)
            if counts.to_ask:
                with self._catalogue.writing() as connection:
                    share_archives(connection, source)
                    counts = archive_counts(connection, source, retry_before=retry_before)
            run = runs[source] = _Run(source, self._open_source(source.url), counts)
            for binary in self._to_ask(source, retry_before) if counts.to_ask else ():
                if run.stopped:
                    break
                yield _Question(run, binary)

    def _to_ask(self, source: ArchiveSource, retry_before: datetime) -> Iterator[Binary]:
        """Yield binaries page by page, with no transaction open in between: others write, and so do we."""
        key = 0
        while True:
            with self._catalogue.reading() as connection:
                page = binaries_to_ask(connection, source, retry_before=retry_before, after=key)
            if not page:
                return
            yield from (binary for _, binary in page)
            key = page[-1][0]

    def _answered(self, question: _Question) -> _Answer:
        """Ask one question; runs in several threads."""
        run, binary = question.run, question.binary
        if run.stopped:
            return _Answer(run, binary.hash, None)
        try:
            found = read_archive(run.bytes, run.source.layout, binary, now=self._now())
        except AccessDenied as error:
            if not _index_answers(run):
                return _Answer(run, binary.hash, error)
            reason = f"{error.message}, though its index is readable"
            found = Archive(state=ArchiveState.REFUSED, asked_at=self._now(), reason=reason)
        except MirrorUnavailable as error:
            return _Answer(run, binary.hash, error)
        return _Answer(run, binary.hash, found)

    def _take(self, answer: _Answer) -> None:
        run, outcome = answer.run, answer.outcome
        if outcome is None:
            return
        if isinstance(outcome, Archive):
            run.in_a_row = 0
            run.states[outcome.state] += 1
            run.found[answer.hash] = outcome
            if outcome.state is not ArchiveState.STATED and len(run.reasons) < _REASONS:
                run.reasons.append(outcome.reason)
            if len(run.found) >= _ROWS_AT_ONCE:
                self._write({run.source: run})
        else:
            run.unanswered += 1
            run.in_a_row += 1
            run.error = run.error or outcome
            run.stopped = run.stopped or run.in_a_row >= _UNANSWERED_IN_A_ROW
        self._progress.sized(str(run.source.name), run.asked, run.counts.to_ask)

    def _write(self, runs: Mapping[ArchiveSource, _Run]) -> None:
        self._written_at = monotonic()
        waiting = [run for run in runs.values() if run.found]
        if not waiting:
            return
        with self._catalogue.writing() as connection:
            for run in waiting:
                try:
                    write_archives(connection, run.source, run.found)
                except NotInCatalogue as error:
                    run.error, run.stopped = error, True
        for run in waiting:
            run.found = {}

    @staticmethod
    def _outcome(run: _Run) -> SizesOutcome:
        stated = run.states[ArchiveState.STATED]
        return SizesOutcome(
            name=run.source.name,
            layout=run.source.layout,
            binaries=run.counts.total,
            known=run.counts.stated + stated,
            stated=stated,
            missing=run.states[ArchiveState.MISSING],
            unreadable=run.states[ArchiveState.UNREADABLE],
            refused=run.states[ArchiveState.REFUSED],
            not_asked=run.counts.to_ask - run.states.total(),
            reasons=tuple(run.reasons),
            error=run.error,
        )


def _is_named(source: ArchiveSource, names: Sequence[SourceName]) -> bool:
    return source.name in names or SourceName(source.name.mirror) in names


def _index_answers(run: _Run) -> bool:
    """Tell a mirror that hides what is not there (as object stores do) from one that gives no access at all; asked once."""
    with run.lock:
        if run.index_answers is None:
            name = run.source.name
            locations = [one for one in index_locations() if one.layout is run.source.layout]
            location = view_location(name.view) if name.view is not None else locations[0]
            try:
                run.bytes.size(location.path)
            except MirrorUnavailable:
                run.index_answers = False
            else:
                run.index_answers = True
        return run.index_answers
