"""The route table: every page of the site is one row, usable without a server.

HTML, JSON, text and a static export go over the same rows, so a page cannot exist in one of them alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cachescope.model.identity import parse_package_name
from cachescope.model.results import (
    PackageList,
    PackageReport,
    RefStacks,
    SearchResult,
    SourceStatus,
    SpecReport,
)
from cachescope.model.services import CatalogueReader
from cachescope.present.package_page import package_page
from cachescope.present.pages import (
    DEFAULT_LIMIT,
    PACKAGES_PER_PAGE,
    Moved,
    PageRequest,
    caches_page,
    home_page,
    packages_page,
    search_page,
)
from cachescope.present.spec_page import spec_page
from cachescope.present.surfaces import Page

__all__ = ["ROUTES", "SUBJECT", "Route"]

SUBJECT = "{subject:str}"
"""Stands in a path for the part that names a package or a spec."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Result]):
    """One page: where it stands, what it asks the catalogue, and how its model is built."""

    name: str
    path: str
    query: Callable[[CatalogueReader, PageRequest], Result]
    build: Callable[[Result, PageRequest], Page | Moved]
    lifetime: int
    """Seconds for which an answer may be kept without asking again."""

    exportable: bool
    """Whether a static site can hold it: its answers can be listed beforehand."""

    def answer(self, reader: CatalogueReader, request: PageRequest) -> Page | Moved:
        """Ask the catalogue and build the page. Raises what the catalogue raises."""
        return self.build(self.query(reader, request), request)


_Refs = Sequence[RefStacks]


def _home(reader: CatalogueReader, _: PageRequest) -> tuple[_Refs, Sequence[SourceStatus]]:
    return reader.refs(), reader.sources()


def _packages(reader: CatalogueReader, request: PageRequest) -> tuple[PackageList, _Refs]:
    scope = request.scope
    found = reader.packages(
        ref=scope.ref,
        stack=scope.stack,
        prefix=request.prefix,
        limit=PACKAGES_PER_PAGE,
        offset=(request.page - 1) * PACKAGES_PER_PAGE,
    )
    return found, reader.refs()


def _package(reader: CatalogueReader, request: PageRequest) -> tuple[PackageReport, _Refs]:
    name = parse_package_name(request.subject)
    scope = request.scope
    found = reader.package(name, ref=scope.ref, stack=scope.stack, query=request.query, page=request.page)
    return found, reader.refs()


def _spec(reader: CatalogueReader, request: PageRequest) -> SpecReport:
    return reader.spec(request.subject)


def _caches(reader: CatalogueReader, _: PageRequest) -> Sequence[SourceStatus]:
    return reader.sources()


def _search(reader: CatalogueReader, request: PageRequest) -> tuple[SearchResult, _Refs]:
    if not request.query:
        return SearchResult(query="", total=0, specs=()), reader.refs()
    limit = DEFAULT_LIMIT if request.limit is None else request.limit
    scope = request.scope
    return reader.search(request.query, ref=scope.ref, stack=scope.stack, limit=limit), reader.refs()


ROUTES: tuple[Route[Any], ...] = (
    Route(
        name="home",
        path="/",
        query=_home,
        build=lambda found, request: home_page(found[0], found[1], request),
        lifetime=60,
        exportable=True,
    ),
    Route(
        name="packages",
        path="/packages",
        query=_packages,
        build=lambda found, request: packages_page(found[0], found[1], request),
        lifetime=300,
        exportable=True,
    ),
    Route(
        name="package",
        path=f"/package/{SUBJECT}",
        query=_package,
        build=lambda found, request: package_page(found[0], found[1], request),
        lifetime=300,
        exportable=True,
    ),
    Route(name="spec", path=f"/spec/{SUBJECT}", query=_spec, build=spec_page, lifetime=300, exportable=True),
    Route(name="caches", path="/caches", query=_caches, build=caches_page, lifetime=60, exportable=True),
    Route(
        name="search",
        path="/search",
        query=_search,
        build=lambda found, request: search_page(found[0], found[1], request),
        lifetime=60,
        exportable=False,
    ),
)
