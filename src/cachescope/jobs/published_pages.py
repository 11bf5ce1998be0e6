"""Reads published pages into the catalogue: one page, or a folder of them.

A page speaks of one package of one ref: its rows are present in ``root`` and unstated in the other stacks that they
name. Its snapshot covers its package alone, so a page never closes what another page said.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.registry import KnownDocument
from cachescope.catalogue.snapshots import SnapshotChange, SnapshotWriter
from cachescope.formats.pages_md import PublishedPage, decode_page
from cachescope.jobs.progress import SyncProgress
from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable
from cachescope.model.identity import ROOT, MirrorName, SourceName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Validator
from cachescope.model.results import Attempt, AttemptOutcome, Counts, SourceOutcome
from cachescope.transport.body import digest_of
from cachescope.transport.source import ByteSource, Missing, Unchanged

__all__ = ["PageReader", "is_page_address"]

_DEEPEST = 8
"""Folders below the one that is given; the public site has three."""


def is_page_address(text: str) -> bool:
    """Say whether an address is that of one page rather than of a mirror."""
    return text.endswith(".md")


@dataclass(frozen=True, slots=True)
class _ReadPage:
    url: str
    page: PublishedPage
    validator: Validator
    digest: str


_PageResult = _ReadPage | Unchanged | CachescopeError


class PageReader:
    """Reads pages; ``open_source`` and ``now`` come from the composition root."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        now: Callable[[], datetime],
        strict: bool,
        progress: SyncProgress,
    ) -> None:
        self._catalogue = catalogue
        self._open_source = open_source
        self._now = now
        self._strict = strict
        self._progress = progress

    def read_page(self, url: MirrorUrl) -> Sequence[SourceOutcome]:
        """Read one page, in one transaction. A failure is in the outcomes."""
        folder, _, name = url.text.rpartition("/")
        return self._sync(MirrorUrl(folder), [name])

    def read_folder(self, url: MirrorUrl) -> Sequence[SourceOutcome]:
        """Read all pages in a folder and below, in one transaction; other Markdown is passed over."""
        with closing(self._open_source(url)) as source:
            names = list(_markdown_below(source))
        return self._sync(url, names)

    def holds_pages(self, url: MirrorUrl) -> bool:
        """Say whether a folder holds Markdown; False for web servers, which do not list."""
        with closing(self._open_source(url)) as source:
            return next(_markdown_below(source), None) is not None

    def known_pages(self) -> Sequence[MirrorUrl]:
        """Return the addresses of all pages that were read before."""
        with self._catalogue.reading() as connection:
            return [MirrorUrl(url) for url in registry.page_documents(connection)]

    def _sync(self, root: MirrorUrl, names: Sequence[str]) -> Sequence[SourceOutcome]:
        with self._catalogue.reading() as connection:
            known = registry.page_documents(connection)
        results: dict[str, _PageResult] = {}
        with closing(self._open_source(root)) as source:
            for done, name in enumerate(names, 1):
                url = f"{root.text}/{name}"
                result = _read(source, name, url, known.get(url))
                if result is not None:
                    results[url] = result
                self._progress.reading(str(root), done, len(names))
        if not results:
            place = MirrorUrl(f"{root.text}/{names[0]}" if len(names) == 1 else root.text)
            results[place.text] = MalformedDocument(
                "there is no published page",
                where=str(place),
                hint="a page of a package has 'layout: cache' between its first '---' lines",
            )
        outcomes = self._write(results)
        for outcome in outcomes:
            self._progress.finished(outcome)
        return outcomes

    def _write(self, results: Mapping[str, _PageResult]) -> Sequence[SourceOutcome]:
        now = self._now()
        tally = _Tally(now)
        with self._catalogue.writing() as connection:
            writer = SnapshotWriter(connection, now=now)
            for url, result in results.items():
                if isinstance(result, _ReadPage):
                    self._write_page(connection, writer, result, tally)
                    continue
                failure = result if isinstance(result, CachescopeError) else None
                mirror = registry.page_mirror(connection, url)
                if mirror is not None:
                    tally.add(
                        registry.ensure_source(connection, SourceName(mirror), Layout.PAGES),
                        SourceName(mirror),
                        failure,
                    )
                elif failure is not None:
                    tally.lost.append(_lost(MirrorUrl(url), failure, now))
            writer.finish()
            outcomes = tally.outcomes(registry.counts_of(connection, tally.sources))
            for source_id, outcome in outcomes.items():
                registry.note_attempt(connection, source_id, outcome.attempt)
        return [*outcomes.values(), *tally.lost]

    def _write_page(
        self, connection: Connection, writer: SnapshotWriter, read: _ReadPage, tally: "_Tally"
    ) -> None:
        page = read.page
        # Stacks that the page named formerly, and names no longer, are told so.
        for stack in dict.fromkeys((*page.stacks, *registry.page_stacks(connection, page.ref))):
            name = SourceName(MirrorName(page.ref, stack))
            source_id = registry.ensure_source(connection, name, Layout.PAGES, url=read.url)
            try:
                change = writer.replace(
                    name.mirror,
                    source_id,
                    page.records(stack),
                    digest=read.digest,
                    scope=page.package,
                    strict=self._strict,
                )
            except MalformedDocument as error:
                error.where = f"{MirrorUrl(read.url)}: {error.where}"
                tally.add(source_id, name, error)
                continue
            tally.add(source_id, name, None, change)
            if stack == ROOT:
                registry.remember_document(
                    connection,
                    source_id,
                    page.package,
                    url=read.url,
                    validator=read.validator,
                    digest=read.digest,
                )


class _Tally:
    """Adds up what many pages did to each source."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._names: dict[int, SourceName] = {}
        self._changes: dict[int, list[SnapshotChange]] = {}
        self._failures: dict[int, CachescopeError] = {}
        self.lost: list[SourceOutcome] = []
        """Pages that cannot be read and of which no source is known."""

    def add(
        self,
        source_id: int,
        name: SourceName,
        failure: CachescopeError | None,
        change: SnapshotChange | None = None,
    ) -> None:
        self._names[source_id] = name
        if failure is not None:
            self._failures.setdefault(source_id, failure)
        if change is not None:
            self._changes.setdefault(source_id, []).append(change)

    @property
    def sources(self) -> Sequence[int]:
        return list(self._names)

    def outcomes(self, counts: Mapping[int, Counts]) -> dict[int, SourceOutcome]:
        return {source_id: self._outcome(source_id, name, counts) for source_id, name in self._names.items()}

    def _outcome(self, source_id: int, name: SourceName, counts: Mapping[int, Counts]) -> SourceOutcome:
        changes = self._changes.get(source_id, [])
        failure = self._failures.get(source_id)
        word = (
            AttemptOutcome.FAILED
            if failure
            else AttemptOutcome.UPDATED
            if changes
            else AttemptOutcome.UNCHANGED
        )
        return SourceOutcome(
            name=name,
            layout=Layout.PAGES,
            attempt=Attempt(self._now, word, str(failure) if failure is not None else None),
            counts=counts.get(source_id, Counts()),
            added=sum(one.added for one in changes),
            gone=sum(one.gone for one in changes),
            changed=sum(one.changed for one in changes),
            rejected=tuple(error for one in changes for error in one.rejected),
            error=failure,
        )


def _lost(url: MirrorUrl, failure: CachescopeError, now: datetime) -> SourceOutcome:
    attempt = Attempt(now, AttemptOutcome.FAILED, str(failure))
    return SourceOutcome(name=url, layout=None, attempt=attempt, error=failure)


def _read(source: ByteSource, name: str, url: str, known: KnownDocument | None) -> _PageResult | None:
    """Read one page; None for Markdown that is no page, unless it was one before."""
    shown = str(MirrorUrl(url))
    try:
        outcome = source.read(name, known=known.validator if known is not None else None)
        if isinstance(outcome, Missing):
            return MirrorUnavailable(
                "there is no such page", where=shown, hint="check the spelling of the file"
            )
        if isinstance(outcome, Unchanged):
            return outcome
        with outcome.body as body:
            digest = str(digest_of(body, "sha256"))
            if known is not None and digest == known.digest:
                return Unchanged()
            page = decode_page(bytes(body.data))
    except (MirrorUnavailable, MalformedDocument) as error:
        error.where = error.where or shown
        return error
    if page is None:
        return (
            MalformedDocument("the file is a published page no longer", where=shown)
            if known is not None
            else None
        )
    return _ReadPage(url, page, outcome.validator, digest)


def _markdown_below(source: ByteSource) -> Iterator[str]:
    """Return all Markdown files, folder by folder. The depth is bounded: a link may lead back to its own folder."""
    folders = [""]
    while folders:
        folder = folders.pop()
        beginning = f"{folder}/" if folder else ""
        for name in source.list_files(folder) or ():
            if name.endswith(".md"):
                yield beginning + name
        if folder.count("/") + bool(folder) < _DEEPEST:
            below = source.list_folders(folder) or ()
            folders.extend(beginning + name for name in reversed(below) if not name.startswith("."))
