"""Writes published pages that were read into the catalogue: all that one transaction has of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from cachescope.catalogue import registry
from cachescope.catalogue.registry import KnownPage
from cachescope.catalogue.snapshots import SnapshotChange, SnapshotWriter
from cachescope.formats.pages_md import PublishedPage
from cachescope.model.errors import CachescopeError, MalformedDocument
from cachescope.model.identity import ROOT, MirrorName, PackageName, Ref, SourceName, Stack
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Validator
from cachescope.model.results import Counts
from cachescope.model.sources import Attempt, AttemptOutcome, SourceOutcome

__all__ = ["PageWriter", "ReadPage"]

_NOTHING = f"sha256:{sha256().hexdigest()}"
"""Digest of no bytes: what a page that is gone holds."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page with what tells next time whether it changed."""

    url: str
    page: PublishedPage
    validator: Validator
    digest: str


class PageWriter:
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

    def write(self, read: ReadPage, known: KnownPage | None) -> None:
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

    def _write_stack(self, read: ReadPage, stack: Stack) -> None:
        source_id = self._ensure_source(read.page.ref, stack, read.url)
        name = _source_name(read.page.ref, stack)
        try:
            self._tally.add(source_id, name, None, self._replace(read, stack))
        except MalformedDocument as error:
            self._tally.add(source_id, name, error)

    def _replace(self, read: ReadPage, stack: Stack) -> SnapshotChange:
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
