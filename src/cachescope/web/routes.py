"""The route table: every page of the site is one row, usable without a server.

HTML, JSON, text and a static export go over the same rows, so a page cannot exist in one of them alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cachescope.model.comparison import Comparison
from cachescope.model.contents import ContentsPage
from cachescope.model.errors import UserInputError
from cachescope.model.hosts import Host, HostVerdict
from cachescope.model.identity import (
    MirrorName,
    PackageName,
    parse_dag_hash,
    parse_mirror_name,
    parse_package_name,
)
from cachescope.model.mirrors import MirrorReport, SnapshotChange
from cachescope.model.results import (
    PACKAGE_SORTS,
    PackageList,
    PackagePosition,
    PackageReport,
    RefStacks,
    SearchResult,
    SpecReport,
)
from cachescope.model.services import CatalogueReader
from cachescope.model.sources import SourceStatus
from cachescope.present import urls
from cachescope.present.comparison_page import comparison_page
from cachescope.present.cursors import read_cursor, refused_cursor
from cachescope.present.difference_page import asked_binaries, asked_parts, difference_page
from cachescope.present.figures_page import figures_page
from cachescope.present.home_page import featured_ref, home_page
from cachescope.present.mirror_page import mirror_page
from cachescope.present.package_page import package_page
from cachescope.present.pages import (
    DEFAULT_LIMIT,
    PACKAGES_PER_PAGE,
    Moved,
    PageRequest,
    caches_page,
    packages_page,
    packages_question,
    search_page,
    search_question,
    suggestions_page,
)
from cachescope.present.spec_page import spec_page
from cachescope.present.surfaces import Page
from cachescope.query.hosts import parse_host

__all__ = ["OTHER", "ROUTES", "SUBJECT", "Route"]

SUBJECT = "{subject:str}"
"""Stands in a path for the part that names a package, a spec or a ref."""

OTHER = "{other:str}"
"""Stands in a path for a second spec, or a stack."""

_SUGGESTED = 10
_TEXTS = frozenset({"name", "newest"})
"""Columns of the list of packages that are ordered by texts; the others are by counts."""

_COUNT = re.compile("[0-9]{1,15}")

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

    statements: int
    """How many statements the catalogue may need for it, whatever its size; a test counts them."""

    def answer(self, reader: CatalogueReader, request: PageRequest) -> Page | Moved:
        """Ask the catalogue and build the page. Raises what the catalogue raises."""
        return self.build(self.query(reader, request), request)


_Refs = Sequence[RefStacks]


def _home(
    reader: CatalogueReader, request: PageRequest
) -> tuple[_Refs, Sequence[SourceStatus], Sequence[SnapshotChange]]:
    refs = reader.refs()
    ref = featured_ref(refs, request)
    return refs, reader.sources(), reader.changes(ref=ref) if ref is not None else ()


def _packages(reader: CatalogueReader, request: PageRequest) -> tuple[PackageList, _Refs]:
    scope = request.scope
    per_page = request.limit or PACKAGES_PER_PAGE
    found = reader.packages(
        ref=scope.ref,
        stack=scope.stack,
        prefix=request.prefix,
        limit=per_page + 1,
        offset=(request.page - 1) * per_page,
        sort=request.sort,
        after=_position(request),
    )
    return found, reader.refs()


def _position(request: PageRequest) -> PackagePosition | None:
    """Read where a list of packages goes on. Raises ``UserInputError``."""
    if not request.cursor:
        return None
    column = request.sort.removeprefix("-")
    if column not in PACKAGE_SORTS:
        return None
    name, value = read_cursor(request.cursor, packages_question(request), 2)
    # A cursor can be made by anybody: nothing in it may break a statement.
    if "\0" in name + value or (column not in _TEXTS and _COUNT.fullmatch(value) is None):
        raise refused_cursor(request.cursor)
    return PackagePosition(PackageName(name), value)


def _package(reader: CatalogueReader, request: PageRequest) -> tuple[PackageReport, _Refs]:
    name = parse_package_name(request.subject)
    scope = request.scope
    found = reader.package(name, ref=scope.ref, stack=scope.stack, query=request.query, page=request.page)
    return found, reader.refs()


def _spec(reader: CatalogueReader, request: PageRequest) -> tuple[SpecReport, HostVerdict | None]:
    report = reader.spec(request.subject)
    if not request.host:
        return report, None
    host = parse_host(request.host, detect=_no_detection)
    found = reader.search(f"/{report.spec.hash}", ref=None, stack=None, limit=1, mentioned=True, host=host)
    return report, found.specs[0].verdict if found.specs else None


def _no_detection() -> Host:
    """The machine of the server says nothing of the visitor's."""
    raise UserInputError("the site does not know your machine", hint="give its os, target and glibc")


def _compare(reader: CatalogueReader, request: PageRequest) -> Comparison:
    return reader.compare(request.subject, request.other)


def _to_comparison(request: PageRequest) -> Moved:
    """Two hashes typed into a form lead to the address of their comparison; without them, to where hashes are found."""
    if not (request.subject and request.other):
        return Moved(urls.search(scope=request.scope))
    return Moved(urls.compare(request.subject.lstrip("/"), request.other.lstrip("/"), request.scope))


def _difference(
    reader: CatalogueReader, request: PageRequest
) -> tuple[ContentsPage | None, Sequence[MirrorName]] | Moved:
    moved = asked_binaries(request)
    if moved is not None:
        return moved
    asked = asked_parts(request)
    found = reader.difference(*asked, page=request.page) if asked is not None else None
    return found, reader.mirror_names()


def _mirror(reader: CatalogueReader, request: PageRequest) -> MirrorReport:
    return reader.mirror(parse_mirror_name(f"{request.subject}/{request.other}"))


def _suggest(reader: CatalogueReader, request: PageRequest) -> Sequence[PackageName]:
    scope = request.scope
    return reader.suggest(request.query, ref=scope.ref, stack=scope.stack, limit=_SUGGESTED)


def _caches(reader: CatalogueReader, _: PageRequest) -> Sequence[SourceStatus]:
    return reader.sources()


def _search(reader: CatalogueReader, request: PageRequest) -> tuple[SearchResult, _Refs]:
    if not request.query:
        return SearchResult(query="", total=0, specs=()), reader.refs()
    scope = request.scope
    after = (
        parse_dag_hash(*read_cursor(request.cursor, search_question(request), 1)) if request.cursor else None
    )
    found = reader.search(
        request.query,
        ref=scope.ref,
        stack=scope.stack,
        limit=(request.limit or DEFAULT_LIMIT) + 1,
        after=after,
    )
    return found, reader.refs()


ROUTES: tuple[Route[Any], ...] = (
    Route(
        name="home",
        path="/",
        query=_home,
        build=lambda found, request: home_page(found[0], found[1], request, found[2]),
        lifetime=60,
        exportable=True,
        statements=20,
    ),
    Route(
        name="packages",
        path="/packages",
        query=_packages,
        build=lambda found, request: packages_page(found[0], found[1], request),
        lifetime=300,
        exportable=True,
        statements=6,
    ),
    Route(
        name="package",
        path=f"/package/{SUBJECT}",
        query=_package,
        build=lambda found, request: package_page(found[0], found[1], request),
        lifetime=300,
        exportable=True,
        # With sizes: 3, and 3 for 500 specs that the listed ones need to run.
        statements=102,
    ),
    Route(
        name="spec",
        path=f"/spec/{SUBJECT}",
        query=_spec,
        build=lambda found, request: spec_page(found[0], request, host_verdict=found[1]),
        lifetime=300,
        exportable=True,
        # With sizes: 4, and 3 for 500 specs below it.
        statements=66,
    ),
    Route(
        name="compare",
        path=f"/compare/{SUBJECT}/{OTHER}",
        query=_compare,
        build=comparison_page,
        lifetime=300,
        exportable=False,
        statements=60,
    ),
    Route(
        name="comparing",
        path=urls.comparing(),
        query=lambda _, __: None,
        build=lambda _, request: _to_comparison(request),
        lifetime=300,
        exportable=False,
        statements=0,
    ),
    Route(
        name="diff",
        path=urls.difference(),
        query=_difference,
        build=lambda found, request: (
            found if isinstance(found, Moved) else difference_page(found[0], found[1], request)
        ),
        lifetime=60,
        exportable=False,
        statements=12,
    ),
    Route(
        name="caches",
        path="/caches",
        query=_caches,
        build=caches_page,
        lifetime=60,
        exportable=True,
        statements=1,
    ),
    Route(
        name="cache",
        path=f"/cache/{SUBJECT}/{OTHER}",
        query=_mirror,
        build=mirror_page,
        lifetime=60,
        exportable=True,
        statements=26,
    ),
    Route(
        name="figures",
        path=urls.figures(),
        query=lambda _, __: None,
        build=lambda _, request: figures_page(request),
        lifetime=300,
        exportable=True,
        statements=0,
    ),
    Route(
        name="suggest",
        path="/suggest",
        query=_suggest,
        build=suggestions_page,
        lifetime=300,
        exportable=False,
        statements=2,
    ),
    Route(
        name="search",
        path="/search",
        query=_search,
        build=lambda found, request: search_page(found[0], found[1], request),
        lifetime=60,
        exportable=False,
        statements=150,
    ),
)
