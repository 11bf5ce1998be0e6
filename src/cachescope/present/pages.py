"""Page models: what each page of the site shows, apart from how it is written.

One frozen model a page, made from a result of the catalogue by one builder. HTML, JSON and text are all written from the
model: ``result`` (or the results) holds the facts as the catalogue gave them, the other fields what a page adds for
reading, such as cuts of long lists. The two large pages have modules of their own: ``package_page``, ``spec_page``.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cachescope.model.errors import AmbiguousHash, CachescopeError, NotInCatalogue, QuerySyntaxError
from cachescope.model.identity import MirrorName, PackageName
from cachescope.model.results import PackageList, PackageSummary, RefStacks, SearchResult, SpecSummary
from cachescope.model.sources import SourceStatus
from cachescope.model.virtual import VirtualMirror
from cachescope.present import urls, wording
from cachescope.present.cursors import write_cursor
from cachescope.present.urls import Scope

__all__ = [
    "CACHES_PER_PAGE",
    "DEFAULT_LIMIT",
    "LARGEST_PART",
    "PACKAGES_PER_PAGE",
    "CachesPage",
    "ErrorPage",
    "Frame",
    "Moved",
    "PackagesPage",
    "PageRequest",
    "Pager",
    "SearchPage",
    "SuggestionsPage",
    "caches_page",
    "error_page",
    "packages_page",
    "packages_question",
    "pager",
    "search_page",
    "search_question",
    "suggestions_page",
    "with_virtual",
]

PACKAGES_PER_PAGE = 500
CACHES_PER_PAGE = 100
_VIRTUAL_LISTED = 50
DEFAULT_LIMIT = 50
"""Specs of a search that are asked for unless the request says otherwise."""

LARGEST_PART = 500
"""Most items of a list that one answer holds."""

_SEARCH_ROWS = 100
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
    cursor: str = ""
    """Behind which a list goes on; empty from its beginning."""

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
    virtual: tuple[VirtualMirror, ...] = ()
    """Mirrors that the server makes of these, on the first page of all; a site of files has none."""

    @property
    def virtual_listed(self) -> tuple[VirtualMirror, ...]:
        """Those of them that the page has room for."""
        return self.virtual[:_VIRTUAL_LISTED]


def with_virtual(page: CachesPage, mirrors: Callable[[], Sequence[VirtualMirror]]) -> CachesPage:
    """Add the virtual mirrors where all sources are listed; ``mirrors`` is asked only there."""
    if page.frame.scope != urls.EVERYWHERE or page.pager.page > 1:
        return page
    return replace(page, virtual=tuple(mirrors()))


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

    limit: int | None
    """How many are asked for at a time; None is the default."""

    following: str
    """Address of the JSON of the next part; empty at the end."""


def packages_question(request: PageRequest) -> tuple[str | None, ...]:
    """Return what tells lists of packages apart, for cursors."""
    return ("packages", request.scope.ref, request.scope.stack, request.prefix, request.sort)


def _next_packages(last: PackageSummary, request: PageRequest) -> str:
    column = request.sort.removeprefix("-")
    counts = last.counts
    value = {
        "name": "",
        "newest": last.newest_version,
        "present": str(counts.present),
        "unstated": str(counts.unstated),
    }.get(column)
    if value is None:
        value = str(
            {
                "versions": last.versions,
                "compilers": last.compilers,
                "systems": last.systems,
                "targets": last.targets,
            }[column]
        )
    cursor = write_cursor(packages_question(request), (last.name, value))
    return urls.api(
        urls.packages(
            request.scope, prefix=request.prefix, sort=request.sort, limit=request.limit, cursor=cursor
        )
    )


def packages_page(result: PackageList, refs: Sequence[RefStacks], request: PageRequest) -> PackagesPage:
    """Build one page of the list of packages; one package more than it lists tells that the list goes on."""
    scope = Scope(result.ref, result.stack)
    per_page = request.limit or PACKAGES_PER_PAGE
    shown = result.packages[:per_page]
    place = pager(pages_for(result.total, per_page), request.page)
    return PackagesPage(
        frame=Frame(
            title=f"Packages of {scope.words}",
            section="packages",
            address=urls.packages(
                scope,
                prefix=request.prefix,
                page=request.page,
                sort=request.sort,
                limit=request.limit,
                cursor=request.cursor,
            ),
            scope=scope,
            now=request.now,
        ),
        result=replace(result, packages=shown),
        refs=tuple(refs),
        letters=tuple("abcdefghijklmnopqrstuvwxyz"),
        pager=place,
        sort=request.sort,
        limit=request.limit,
        following=_next_packages(shown[-1], request) if len(result.packages) > per_page else "",
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

    following: str
    """Address of the JSON of the next part; empty at the end."""

    more: str
    """Address of the page that goes on behind what this one lists; empty at the end."""


def search_question(request: PageRequest) -> tuple[str | None, ...]:
    """Return what tells searches apart, for cursors."""
    return ("search", request.scope.ref, request.scope.stack, request.query)


def search_page(result: SearchResult, refs: Sequence[RefStacks], request: PageRequest) -> SearchPage:
    """Build the answer to a query; one spec more than is asked for tells that the list goes on."""
    specs = result.specs[: request.limit or DEFAULT_LIMIT]
    shown = specs[:_SEARCH_ROWS]
    asked = bool(request.query)

    def behind(listed: Sequence[SpecSummary]) -> str:
        if len(listed) == len(result.specs):
            return ""
        cursor = write_cursor(search_question(request), (listed[-1].hash,))
        return urls.search(request.query, request.scope, limit=request.limit, cursor=cursor)

    following = behind(specs)
    return SearchPage(
        frame=Frame(
            title=f"{request.query}, {request.scope.words}" if asked else "Search",
            section="",
            address=urls.search(request.query, request.scope, limit=request.limit, cursor=request.cursor),
            scope=request.scope,
            now=request.now,
            query=request.query,
        ),
        result=replace(result, specs=specs),
        refs=tuple(refs),
        asked=asked,
        listed=len(shown),
        packages=tuple(dict.fromkeys(one.name for one in result.specs))[:_NAMED_PACKAGES],
        hash_length=wording.shown_characters([one.hash for one in shown]),
        following=urls.api(following) if following else "",
        more=behind(shown),
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

    marked: tuple[str, str] | None
    """A query that cannot be parsed, and below it the mark of the offending place."""


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
        marked=wording.marked_query(error.query, error.start, error.end)
        if isinstance(error, QuerySyntaxError)
        else None,
    )
