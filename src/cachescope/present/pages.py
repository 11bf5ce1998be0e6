"""Page models: what each page of the site shows, apart from how it is written.

One frozen model a page, made from a result of the catalogue by one builder. HTML, JSON and text are all written from the
model: ``result`` (or the results) holds the facts as the catalogue gave them, the other fields what a page adds for
reading, such as cuts of long lists. The two large pages have modules of their own: ``package_page``, ``spec_page``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.errors import AmbiguousHash, CachescopeError, NotInCatalogue, QuerySyntaxError
from cachescope.model.identity import MirrorName, PackageName, Ref, SourceName
from cachescope.model.mirrors import SnapshotChange
from cachescope.model.results import AttemptOutcome, PackageList, RefStacks, SearchResult, SourceStatus
from cachescope.present import urls, wording
from cachescope.present.sparkline import Sparkline, sparkline
from cachescope.present.urls import Scope

__all__ = [
    "CACHES_PER_PAGE",
    "DEFAULT_LIMIT",
    "PACKAGES_PER_PAGE",
    "CachesPage",
    "ErrorPage",
    "Frame",
    "Growth",
    "HomePage",
    "Moved",
    "PackagesPage",
    "PageRequest",
    "Pager",
    "RefRow",
    "SearchPage",
    "SuggestionsPage",
    "caches_page",
    "error_page",
    "featured_ref",
    "home_page",
    "packages_page",
    "pager",
    "search_page",
    "suggestions_page",
]

PACKAGES_PER_PAGE = 500
CACHES_PER_PAGE = 100
DEFAULT_LIMIT = 50
"""Specs of a search that are asked for unless the request says otherwise."""

_SEARCH_ROWS = 100
_HOME_SOURCES = 40
_HOME_REFS = 100
_HOME_CHANGES = 8
_NAMED_PACKAGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a reader asked for, understood: the parameters of all pages together."""

    now: datetime
    scope: Scope = urls.EVERYWHERE
    subject: str = ""
    """The part of the path that names a package, a spec or a ref."""

    other: str = ""
    """The second part of the path, where it names two things: another spec, a stack."""

    query: str = ""
    prefix: str = ""
    page: int = 1
    limit: int | None = None
    all_versions: bool = False
    sort: str = "name"
    host: str = ""
    """Of which a verdict is asked, as ``--for`` takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around every page."""

    title: str
    section: str
    """Which entry of the main navigation is marked: ``packages``, ``caches`` or none."""

    address: str
    """The page's own address; its JSON stands below the API at the same one."""

    scope: Scope
    now: datetime
    query: str = ""
    """What stands in the search box."""


@dataclass(frozen=True, slots=True)
class Pager:
    """A place in a long list that is cut into pages."""

    page: int
    pages: int

    @property
    def before(self) -> int | None:
        """The page before, if there is one."""
        return self.page - 1 if self.page > 1 else None

    @property
    def after(self) -> int | None:
        """The page after, if there is one."""
        return self.page + 1 if self.page < self.pages else None


@dataclass(frozen=True, slots=True)
class Moved:
    """Not a page but where it stands: the beginning of a hash leads to the whole hash."""

    address: str


def pager(pages: int, page: int) -> Pager:
    """Return the place in a list of so many pages; there is always a first. Raises ``NotInCatalogue`` beyond the last."""
    last = max(1, pages)
    if page > last:
        raise NotInCatalogue(f"there is no page {page} of this list", hint=f"the last page is {last}")
    return Pager(page, last)


def pages_for(total: int, per_page: int) -> int:
    """Return how many pages so many items fill."""
    return -(-total // per_page)


# -- the first page -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RefRow:
    """A ref, with the freshness of its newest copy."""

    ref: RefStacks
    snapshot_at: datetime | None
    stale: bool
    failing: int
    """Sources whose last attempt failed."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How the binaries of a source changed in the last 24 hours, and over all snapshots."""

    came: int
    gone: int
    spark: Sparkline | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """What the caches hold: a search box, the refs, the mirrors of one ref."""

    frame: Frame
    refs: tuple[RefStacks, ...]
    sources: tuple[SourceStatus, ...]
    rows: tuple[RefRow, ...]
    """The refs, each with its freshness; the first hundred."""

    featured: RefRow | None
    """The ref whose mirrors are listed: the chosen one, else the first; None without any."""

    listed: tuple[SourceStatus, ...]
    """Sources of the featured ref, cut to what a first page can hold."""

    featured_total: int
    """Sources of the featured ref before the cut."""

    growth: tuple[Growth, ...]
    """Of the listed sources, in their order."""

    changes: tuple[SnapshotChange, ...]
    """The last snapshots of the featured ref that changed something, newest first."""


def featured_ref(refs: Sequence[RefStacks], request: PageRequest) -> Ref | None:
    """Return the ref whose mirrors the first page lists: the chosen one, else the first; None without any."""
    names = [one.ref for one in refs]
    return request.scope.ref if request.scope.ref in names else next(iter(names), None)


def home_page(
    refs: Sequence[RefStacks],
    sources: Sequence[SourceStatus],
    request: PageRequest,
    changes: Sequence[SnapshotChange] = (),
) -> HomePage:
    """Build the first page; ``changes`` are those of the featured ref."""
    rows = tuple(_ref_row(one, sources, request.now) for one in refs)
    shown = featured_ref(refs, request)
    featured = next((row for row in rows if row.ref.ref == shown), None)
    of_ref = [one for one in sources if featured is not None and one.name.ref == featured.ref.ref]
    return HomePage(
        frame=Frame(
            title="What the Spack build caches hold",
            section="",
            address=urls.home(request.scope),
            scope=request.scope,
            now=request.now,
        ),
        refs=tuple(refs),
        sources=tuple(sources),
        rows=rows[:_HOME_REFS],
        featured=featured,
        listed=tuple(of_ref[:_HOME_SOURCES]),
        featured_total=len(of_ref),
        growth=tuple(_growth(one, changes, request.now) for one in of_ref[:_HOME_SOURCES]),
        changes=tuple(one for one in changes if one.came or one.gone)[:_HOME_CHANGES],
    )


def _growth(source: SourceStatus, changes: Sequence[SnapshotChange], now: datetime) -> Growth:
    """Say how the binaries of a source changed: a copy that was never read has no history."""
    own = [
        one
        for one in reversed(changes)
        if (one.source, one.layout) == (SourceName(source.name, source.view), source.layout)
    ]
    lately = [one for one in own if now - one.at <= wording.STALE_AFTER and not one.first]
    return Growth(
        sum(one.came for one in lately),
        sum(one.gone for one in lately),
        sparkline([(one.at, one.present) for one in own], until=now),
    )


def _ref_row(ref: RefStacks, sources: Sequence[SourceStatus], now: datetime) -> RefRow:
    of_ref = [one for one in sources if one.name.ref == ref.ref]
    read = [one.snapshot_at for one in of_ref if one.snapshot_at is not None]
    newest = max(read, default=None)
    return RefRow(
        ref=ref,
        snapshot_at=newest,
        stale=ref.stale or (newest is not None and now - newest > wording.STALE_AFTER),
        failing=sum(one.last_attempt.outcome == AttemptOutcome.FAILED for one in of_ref),
    )


# -- caches ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CachesPage:
    """All sources with their freshness and last failure."""

    frame: Frame
    result: tuple[SourceStatus, ...]
    """All sources within the scope."""

    listed: tuple[SourceStatus, ...]
    """Those of this page."""

    pager: Pager


def caches_page(sources: Sequence[SourceStatus], request: PageRequest) -> CachesPage:
    """Build the list of sources; a scope narrows it. Raises ``NotInCatalogue`` for a scope without any."""
    scope = request.scope
    chosen = tuple(one for one in sources if _within(one.name, scope))
    if sources and not chosen:
        raise NotInCatalogue(f"no cache is registered for {scope.words}", hint="see the list of all caches")
    start = (request.page - 1) * CACHES_PER_PAGE
    return CachesPage(
        frame=Frame(
            title="Caches" if scope == urls.EVERYWHERE else f"Caches of {scope.words}",
            section="caches",
            address=urls.caches(scope, page=request.page),
            scope=scope,
            now=request.now,
        ),
        result=chosen,
        listed=chosen[start : start + CACHES_PER_PAGE],
        pager=pager(pages_for(len(chosen), CACHES_PER_PAGE), request.page),
    )


def _within(name: MirrorName, scope: Scope) -> bool:
    return scope.ref in (None, name.ref) and scope.stack in (None, name.stack)


# -- packages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesPage:
    """Packages of a ref or a mirror, by name."""

    frame: Frame
    result: PackageList
    refs: tuple[RefStacks, ...]
    """What the scope can be changed to."""

    letters: tuple[str, ...]
    """First letters to jump to."""

    pager: Pager
    sort: str
    """Column of the order; with ``-`` before it the largest first."""


def packages_page(result: PackageList, refs: Sequence[RefStacks], request: PageRequest) -> PackagesPage:
    """Build one page of the list of packages."""
    scope = Scope(result.ref, result.stack)
    return PackagesPage(
        frame=Frame(
            title=f"Packages of {scope.words}",
            section="packages",
            address=urls.packages(scope, prefix=request.prefix, page=request.page, sort=request.sort),
            scope=scope,
            now=request.now,
        ),
        result=result,
        refs=tuple(refs),
        letters=tuple("abcdefghijklmnopqrstuvwxyz"),
        pager=pager(pages_for(result.total, PACKAGES_PER_PAGE), request.page),
        sort=request.sort,
    )


# -- suggestions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionsPage:
    """Packages whose names hold what somebody typed."""

    frame: Frame
    typed: str
    names: tuple[PackageName, ...]


def suggestions_page(names: Sequence[PackageName], request: PageRequest) -> SuggestionsPage:
    """Build the list of suggestions."""
    return SuggestionsPage(
        frame=Frame(
            title="Suggestions",
            section="",
            address=urls.suggestions(request.query, request.scope),
            scope=request.scope,
            now=request.now,
            query=request.query,
        ),
        typed=request.query,
        names=tuple(names),
    )


# -- search ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """Specs that match a query."""

    frame: Frame
    result: SearchResult
    refs: tuple[RefStacks, ...]
    asked: bool
    """False for an empty query, which is no question."""

    listed: int
    """How many of the found specs the page shows."""

    packages: tuple[PackageName, ...]
    """Packages among the found specs, to go on with."""

    hash_length: int
    """Characters that tell the listed hashes apart."""


def search_page(result: SearchResult, refs: Sequence[RefStacks], request: PageRequest) -> SearchPage:
    """Build the answer to a query."""
    shown = result.specs[:_SEARCH_ROWS]
    asked = bool(request.query)
    return SearchPage(
        frame=Frame(
            title=f"{request.query}, {request.scope.words}" if asked else "Search",
            section="",
            address=urls.search(request.query, request.scope, limit=request.limit),
            scope=request.scope,
            now=request.now,
            query=request.query,
        ),
        result=result,
        refs=tuple(refs),
        asked=asked,
        listed=len(shown),
        packages=tuple(dict.fromkeys(one.name for one in result.specs))[:_NAMED_PACKAGES],
        hash_length=wording.shown_characters([one.hash for one in shown]),
    )


# -- errors ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """An error, on a page that helps to go on."""

    frame: Frame
    error: CachescopeError
    status: int
    matches: tuple[str, ...]
    """Hashes that an ambiguous beginning stands for."""

    asked: str
    """What was looked for, to search for it; empty where the address names nothing."""

    near: tuple[str, ...]
    """Names of packages that are near."""

    caret: str
    """For a query that cannot be parsed: blanks and a caret below the offending place; else empty."""


_NEAR_NAMES = "near names: "
"""Begins the hint of a package that is not there."""

_NEAR = re.compile(r"[A-Za-z0-9_.-]+")
_HEADINGS = {400: "That cannot be asked", 404: "Not found", 405: "Not allowed here"}


def error_page(
    error: CachescopeError, *, status: int, scope: Scope, now: datetime, asked: str = ""
) -> ErrorPage:
    """Build the page of an error; ``status`` is the HTTP status that goes with it.

    The scope stays only where it cannot be what is wrong, so that no link leads into the same error.
    """
    keeps_scope = isinstance(error, QuerySyntaxError | AmbiguousHash)
    return ErrorPage(
        frame=Frame(
            title=_HEADINGS.get(status, "Something is wrong here"),
            section="",
            address="",
            scope=scope if keeps_scope else urls.EVERYWHERE,
            now=now,
            query=error.query if isinstance(error, QuerySyntaxError) else "",
        ),
        error=error,
        status=status,
        matches=error.matches if isinstance(error, AmbiguousHash) else (),
        asked=asked,
        near=tuple(name for name in _NEAR.findall(error.hint.removeprefix(_NEAR_NAMES)) if name)
        if error.hint.startswith(_NEAR_NAMES)
        else (),
        caret=_caret(error) if isinstance(error, QuerySyntaxError) else "",
    )


def _caret(error: QuerySyntaxError) -> str:
    return " " * error.start + "^" * max(1, error.end - error.start)
