"""Reads published pages into the catalogue: one page, or a folder of them.

A page speaks of one package of one ref: its rows are present in ``root`` and unstated in the other stacks that they
name. Its snapshot covers its package alone, so a page never closes what another page said. What a page said is closed
when it speaks of another package, and when a folder that it stood in is read without it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from cachescope.catalogue import registry
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.registry import KnownPage
from cachescope.formats.pages_md import decode_page
from cachescope.jobs.page_writing import PageWriter, ReadPage
from cachescope.jobs.progress import SyncProgress
from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable
from cachescope.model.identity import ROOT, MirrorName, Ref
from cachescope.model.mirror import MirrorUrl
from cachescope.model.sources import SourceOutcome
from cachescope.transport.body import digest_of
from cachescope.transport.source import ByteSource, Missing, Unchanged

__all__ = ["PageReader", "is_page_address"]

_DEEPEST = 8
"""Folders below the one that is given; the public site has three."""


def is_page_address(text: str) -> bool:
    """Say whether an address is that of one page rather than of a mirror."""
    return text.endswith(".md")


@dataclass(frozen=True, slots=True)
class _GonePage:
    """Where the page was is no file, or none that is a page."""

    failure: CachescopeError


_PageResult = ReadPage | Unchanged | _GonePage | CachescopeError


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
                place = beginning + _readable(name)
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
        claimed = {(one.page.ref, one.page.package) for one in results.values() if isinstance(one, ReadPage)}
        with self._catalogue.writing() as connection:
            pages = PageWriter(connection, now=self._now(), strict=self._strict, claimed=claimed)
            if closes:
                # First, because a row that one page holds open no other one opens.
                for url, result in results.items():
                    if isinstance(result, _GonePage):
                        pages.close_gone(known[url])
            for url, result in results.items():
                if isinstance(result, ReadPage):
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
        _require_readable(name)
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
    return ReadPage(url, page, outcome.validator, digest) if page is not None else None


def _readable(name: str) -> str:
    """Return the name of a file; bytes in it that are no text, which no catalogue can hold, are written out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _require_readable(name: str) -> None:
    if name != _readable(name):
        raise MalformedDocument("the name of the file is not valid UTF-8", hint="rename it")


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
