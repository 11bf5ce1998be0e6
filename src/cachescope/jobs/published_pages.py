"""Reads published pages into the catalogue: one page, or a folder of them.

A page speaks of one package of one ref: its rows are present in ``root`` and unstated in the other stacks that they
name. Its snapshot covers its package alone, so a page never closes what another page said. What a page said is closed
when it speaks of another package, and when a folder that it stood in is read without it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.registry import KnownPage
from cachescope.catalogue.snapshots import SnapshotChange, SnapshotWriter
from cachescope.formats.pages_md import PublishedPage, decode_page
from cachescope.jobs.progress import SyncProgress
from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable
from cachescope.model.identity import ROOT, MirrorName, PackageName, Ref, SourceName, Stack
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Validator
from cachescope.model.results import Attempt, AttemptOutcome, Counts, SourceOutcome
from cachescope.transport.body import digest_of
from cachescope.transport.source import ByteSource, Missing, Unchanged

__all__ = ["PageReader", "is_page_address"]

_DEEPEST = 8
"""Folders below the one that is given; the public site has three."""

_NOTHING = f"sha256:{sha256().hexdigest()}"
"""Digest of no bytes: what a page that is gone holds."""


def is_page_address(text: str) -> bool:
    """Say whether an address is that of one page rather than of a mirror."""
    return text.endswith(".md")


@dataclass(frozen=True, slots=True)
class _ReadPage:
    url: str
    page: PublishedPage
    validator: Validator
    digest: str


@dataclass(frozen=True, slots=True)
class _GonePage:
    """Where the page was is no file, or none that is a page."""

    failure: CachescopeError


_PageResult = _ReadPage | Unchanged | _GonePage | CachescopeError


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
        known = self._known(url=url.text)
        folder, _, name = url.text.rpartition("/")
        results: dict[str, _PageResult] = {}
        with closing(self._open_source(MirrorUrl(folder))) as source:
            result = _read(source, name, url.text, known.get(url.text))
        results[url.text] = result if result is not None else _no_page(url)
        self._progress.reading(str(url), 1, 1)
        return self._write(results, known, place=url)

    def read_folder(self, url: MirrorUrl) -> Sequence[SourceOutcome]:
        """Read all pages in a folder and below, in one transaction; other Markdown is passed over.

        Pages that were read below this folder before, and are there no longer, are closed and forgotten.
        """
        beginning = f"{url.text}/"
        known = {place: page for place, page in self._known().items() if place.startswith(beginning)}
        results: dict[str, _PageResult] = {}
        with closing(self._open_source(url)) as source:
            names = list(_markdown_below(source))
            if names:
                # A page that was read by its own address may stand where no listing looks: it is asked for. Where
                # there is no Markdown at all, the disk may not be mounted: that closes nothing.
                names = list(dict.fromkeys((*names, *(place.removeprefix(beginning) for place in known))))
            for done, name in enumerate(names, 1):
                place = beginning + name
                result = _read(source, name, place, known.get(place))
                if result is not None and not (isinstance(result, _GonePage) and place not in known):
                    results[place] = result
                self._progress.reading(str(url), done, len(names))
        if not results:
            results[url.text] = _no_page(url)
        return self._write(results, known, place=url, closes=True)

    def read_known(self, mirror: MirrorName | None = None) -> Sequence[SourceOutcome]:
        """Read all pages again that were read before, or those of a mirror's ref, in one transaction.

        A page that is gone is a failure: its address may be out of reach for a while only. Without pages there are no
        outcomes.
        """
        known = self._known(ref=mirror.ref if mirror is not None else None)
        by_folder: dict[str, list[str]] = {}
        for place in known:
            folder, _, name = place.rpartition("/")
            by_folder.setdefault(folder, []).append(name)
        results: dict[str, _PageResult] = {}
        for folder, names in by_folder.items():
            with closing(self._open_source(MirrorUrl(folder))) as source:
                for name in names:
                    place = f"{folder}/{name}"
                    result = _read(source, name, place, known[place])
                    results[place] = result if result is not None else _no_page(MirrorUrl(place))
                    self._progress.reading("published pages", len(results), len(known))
        return self._write(results, known, place=None) if results else ()

    def holds_pages(self, url: MirrorUrl) -> bool:
        """Say whether a folder holds Markdown; False for web servers, which do not list."""
        with closing(self._open_source(url)) as source:
            return next(_markdown_below(source), None) is not None

    def known_pages(self) -> Sequence[MirrorUrl]:
        """Return the addresses of all pages that were read before."""
        return [MirrorUrl(url) for url in self._known()]

    def _known(self, *, ref: Ref | None = None, url: str | None = None) -> Mapping[str, KnownPage]:
        with self._catalogue.reading() as connection:
            return registry.page_documents(connection, ref=ref, url=url)

    def _write(
        self,
        results: Mapping[str, _PageResult],
        known: Mapping[str, KnownPage],
        *,
        place: MirrorUrl | None,
        closes: bool = False,
    ) -> Sequence[SourceOutcome]:
        """Write what was read at ``place`` (None where that was told before); ``closes`` says what a gone page means."""
        # What another page speaks of now stays open: a page may have moved, or two have changed places.
        claimed = {(one.page.ref, one.page.package) for one in results.values() if isinstance(one, _ReadPage)}
        with self._catalogue.writing() as connection:
            pages = _PageWriter(connection, now=self._now(), strict=self._strict, claimed=claimed)
            if closes:
                # First, because a row that one page holds open no other one opens.
                for url, result in results.items():
                    if isinstance(result, _GonePage):
                        pages.close_gone(known[url])
            for url, result in results.items():
                if isinstance(result, _ReadPage):
                    pages.write(result, known.get(url))
                elif isinstance(result, Unchanged):
                    pages.note(known[url].ref, None)
                elif not (closes and isinstance(result, _GonePage)):
                    failure = result.failure if isinstance(result, _GonePage) else result
                    pages.note_failure(MirrorUrl(url), failure, known.get(url))
            outcomes = pages.finish(place)
        for outcome in outcomes:
            self._progress.finished(outcome)
        return outcomes


class _PageWriter:
    """Writes the pages of one transaction, and keeps at all sources of their refs how the attempt ended."""

    def __init__(
        self,
        connection: Connection,
        *,
        now: datetime,
        strict: bool,
        claimed: Collection[tuple[Ref, PackageName]],
    ) -> None:
        """``claimed`` is what the pages of this transaction speak of: it is never closed."""
        self._connection = connection
        self._now = now
        self._strict = strict
        self._claimed = claimed
        self._writer = SnapshotWriter(connection, now=now)
        self._sources: dict[Ref, dict[Stack, int]] = {}
        self._tally = _Tally(now)
        self._lost: list[SourceOutcome] = []

    def write(self, read: _ReadPage, known: KnownPage | None) -> None:
        """Write a page; what it said of another package or ref formerly is closed. A page that is refused does nothing."""
        page = read.page
        former = (
            known if known is not None and (known.ref, known.package) != (page.ref, page.package) else None
        )
        # Stacks that the page named formerly, and names no longer, are told so.
        stacks = dict.fromkeys((*page.stacks, *self._sources_of(page.ref)))
        self._ensure_source(page.ref, ROOT, read.url)
        closed: list[tuple[SourceName, int, SnapshotChange]] = []
        try:
            with self._connection.begin_nested():
                if former is not None:
                    closed = self._close(former)
                    registry.forget_page(self._connection, former)
                change = self._replace(read, ROOT)
        except MalformedDocument as error:
            self.note(page.ref, error)
            return
        for name, source_id, one in closed:
            self._tally.add(source_id, name, None, one)
        root_id = self._sources_of(page.ref)[ROOT]
        self._tally.add(root_id, _source_name(page.ref, ROOT), None, change)
        registry.remember_document(
            self._connection,
            root_id,
            page.package,
            url=read.url,
            validator=read.validator,
            digest=read.digest,
        )
        for stack in stacks:
            if stack != ROOT:
                self._write_stack(read, stack)

    def close_gone(self, known: KnownPage) -> None:
        """Close what a page said that is no more, and forget it; if it only moved, its new place is kept instead."""
        if (known.ref, known.package) in self._claimed:
            return
        for name, source_id, change in self._close(known):
            self._tally.add(source_id, name, None, change)
        registry.forget_page(self._connection, known)

    def note(self, ref: Ref, failure: CachescopeError | None) -> None:
        """Keep at all sources of a ref that a page of it did not change, or could not be read."""
        for stack, source_id in self._sources_of(ref).items():
            self._tally.add(source_id, _source_name(ref, stack), failure)

    def note_failure(self, url: MirrorUrl, failure: CachescopeError, known: KnownPage | None) -> None:
        """Keep that a page could not be read; of one that was never read it cannot be told what it speaks of."""
        if known is not None:
            self.note(known.ref, failure)
            return
        attempt = Attempt(self._now, AttemptOutcome.FAILED, str(failure))
        self._lost.append(SourceOutcome(name=url, layout=None, attempt=attempt, error=failure))

    def finish(self, place: MirrorUrl | None) -> Sequence[SourceOutcome]:
        """Write counts, summaries and attempts; returns what became of each source. Call once, at the end."""
        self._writer.finish()
        outcomes = self._tally.outcomes(registry.counts_of(self._connection, self._tally.sources))
        for source_id, outcome in outcomes.items():
            registry.note_attempt(self._connection, source_id, outcome.attempt)
            if place is not None:
                registry.set_page_address(self._connection, source_id, place)
        return [*outcomes.values(), *self._lost]

    def _write_stack(self, read: _ReadPage, stack: Stack) -> None:
        source_id = self._ensure_source(read.page.ref, stack, read.url)
        name = _source_name(read.page.ref, stack)
        try:
            self._tally.add(source_id, name, None, self._replace(read, stack))
        except MalformedDocument as error:
            self._tally.add(source_id, name, error)

    def _replace(self, read: _ReadPage, stack: Stack) -> SnapshotChange:
        page = read.page
        try:
            return self._writer.replace(
                MirrorName(page.ref, stack),
                self._sources_of(page.ref)[stack],
                page.records(stack),
                digest=read.digest,
                scope=page.package,
                strict=self._strict,
            )
        except MalformedDocument as error:
            error.where = f"{MirrorUrl(read.url)}: {error.where}"
            raise

    def _close(self, known: KnownPage) -> list[tuple[SourceName, int, SnapshotChange]]:
        """Close all that stands of a page, unless another page speaks of the same."""
        if (known.ref, known.package) in self._claimed:
            return []
        empty = PublishedPage(known.package, known.ref, {}, {}, ())
        changes = []
        for stack, source_id in self._sources_of(known.ref).items():
            name = _source_name(known.ref, stack)
            change = self._writer.replace(
                name.mirror, source_id, empty.records(stack), digest=_NOTHING, scope=known.package
            )
            changes.append((name, source_id, change))
        return changes

    def _sources_of(self, ref: Ref) -> dict[Stack, int]:
        if ref not in self._sources:
            self._sources[ref] = registry.page_sources(self._connection, ref)
        return self._sources[ref]

    def _ensure_source(self, ref: Ref, stack: Stack, url: str) -> int:
        sources = self._sources_of(ref)
        if stack not in sources:
            sources[stack] = registry.ensure_source(
                self._connection, _source_name(ref, stack), Layout.PAGES, url=url
            )
        return sources[stack]


class _Tally:
    """Adds up what many pages did to each source."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._names: dict[int, SourceName] = {}
        self._changes: dict[int, list[SnapshotChange]] = {}
        self._failures: dict[int, CachescopeError] = {}

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


def _source_name(ref: Ref, stack: Stack) -> SourceName:
    return SourceName(MirrorName(ref, stack))


def _no_page(place: MirrorUrl) -> MalformedDocument:
    return MalformedDocument(
        "there is no published page",
        where=str(place),
        hint="a page of a package has 'layout: cache' between its first '---' lines",
    )


def _read(source: ByteSource, name: str, url: str, known: KnownPage | None) -> _PageResult | None:
    """Read one page; None for Markdown that is no page, unless it was one before."""
    shown = str(MirrorUrl(url))
    try:
        outcome = source.read(name, known=known.document.validator if known is not None else None)
        if isinstance(outcome, Missing):
            hint = _how_to_forget(known) if known is not None else "check the spelling of the file"
            return _GonePage(MirrorUnavailable("there is no such page", where=shown, hint=hint))
        if isinstance(outcome, Unchanged):
            return outcome
        with outcome.body as body:
            digest = str(digest_of(body, "sha256"))
            if known is not None and digest == known.document.digest:
                return Unchanged()
            page = decode_page(bytes(body.data))
    except (MirrorUnavailable, MalformedDocument) as error:
        error.where = error.where or shown
        if known is not None and isinstance(error, MirrorUnavailable) and MirrorUrl(url).scheme == "file":
            # Its folder may be gone with it.
            error.hint = f"{error.hint}; {_how_to_forget(known)}"
        return error
    if page is None and known is not None:
        text = "the file is a published page no longer"
        return _GonePage(MalformedDocument(text, where=shown, hint=_how_to_forget(known)))
    return _ReadPage(url, page, outcome.validator, digest) if page is not None else None


def _how_to_forget(known: KnownPage) -> str:
    return (
        f"if the page is gone for good, sync a folder above it, or 'cachescope remove {known.ref}/{ROOT}' "
        f"to forget all pages of {known.ref}"
    )


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
