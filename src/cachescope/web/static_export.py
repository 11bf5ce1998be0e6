"""The site as files: which pages there are, and each of them written, over the rows of the route table.

An export is cut into tasks that do not depend on each other, in an order that is always the same; whoever runs them, in
one process or several, gets the same files of each.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any, TypeVar

from cachescope.model.identity import DagHash, Ref, parse_mirror_name
from cachescope.model.results import PackageSummary, RefStacks
from cachescope.model.services import CatalogueReader
from cachescope.model.site import SiteIndex
from cachescope.model.sources import SourceStatus
from cachescope.present import static_search, urls
from cachescope.present.figures_page import FiguresPage
from cachescope.present.home_page import HomePage
from cachescope.present.mirror_page import MirrorPage
from cachescope.present.package_page import PackagePage
from cachescope.present.pages import CachesPage, PackagesPage, PageRequest
from cachescope.present.spec_page import SpecPage
from cachescope.present.static_addresses import (
    LETTERS,
    HashSet,
    StaticAddresses,
    badge_file,
    package_file,
    spec_file,
)
from cachescope.present.static_html import StaticHtml
from cachescope.present.surfaces import Page
from cachescope.present.to_html import HtmlWriter, static_files
from cachescope.present.urls import Scope
from cachescope.web.exports import package_badge
from cachescope.web.routes import ROUTES

__all__ = ["StaticSite", "Task", "WrittenFile"]

_PACKAGES_AT_ONCE = 20
_SPECS_AT_ONCE = 50
_OF_SERVER = frozenset({"api.css", "coverage.css"})
"""Styles of pages that are not exported."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROUTES = {route.name: route for route in ROUTES}
_Kind = TypeVar("_Kind", bound=Page)


@dataclass(frozen=True, slots=True)
class Task:
    """Pages of one kind that are written together; a process is told of it by these values alone."""

    route: str
    """The row of the route table, or ``search`` or ``assets``, which only this site has."""

    subjects: tuple[str, ...] = ()
    """What the pages are of: packages, hashes, mirrors, refs, beginnings."""

    pages: int = 1
    """How many pages it is about, for who shows how far an export is."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of the site."""

    name: str
    data: bytes
    is_page: bool


class _OfRef:
    """A reader that knows of one ref alone, where a page would list all."""

    def __init__(self, reader: CatalogueReader, ref: Ref | None) -> None:
        self._reader = reader
        self._ref = ref

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def refs(self) -> Sequence[RefStacks]:
        return [one for one in self._reader.refs() if self._ref in (None, one.ref)]

    def sources(self) -> Sequence[SourceStatus]:
        return [one for one in self._reader.sources() if self._ref in (None, one.name.ref)]


class StaticSite:
    """A site of everything, or of one ref. Raises ``NotInCatalogue`` for a ref that is not there."""

    def __init__(
        self,
        reader: CatalogueReader,
        index: SiteIndex,
        *,
        ref: Ref | None,
        with_binaries: bool,
        version: str,
    ) -> None:
        self._reader = reader
        self._index = index
        self._of_ref: Any = _OfRef(reader, ref)
        self._ref = ref
        self._with_binaries = with_binaries
        self._packages: Sequence[PackageSummary] = reader.packages(ref=ref, stack=None).packages
        self._hashes = index.hashes(ref=ref)
        self._mirrors = [one for one in reader.mirror_names() if ref in (None, one.ref)]
        self._addresses = StaticAddresses(
            ref,
            packages=frozenset(one.name for one in self._packages),
            hashes=HashSet(self._hashes if with_binaries else ()),
            mirrors=self._mirrors,
        )
        self._files = static_files()
        writer = HtmlWriter(self._files, version=version, static=self._addresses)
        self._html = StaticHtml(writer, self._addresses)
        # The time of the pages is that of the data: the same catalogue gives the same bytes at any time.
        read = [one.snapshot_at for one in self._of_ref.sources() if one.snapshot_at is not None]
        self._request = PageRequest(now=max(read, default=_EPOCH), scope=Scope(ref))
        self._writers: Mapping[str, Callable[[Task], Iterator[WrittenFile]]] = {
            "assets": self._assets,
            "home": self._home,
            "figures": self._figures,
            "search": self._search,
            "hashes": self._hash_index,
            "letters": self._letters,
            "packages": self._packages_lists,
            "caches": self._caches_lists,
            "cache": self._cache_pages,
            "package": self._package_pages,
            "spec": self._spec_pages,
        }

    def tasks(self) -> Iterator[Task]:
        """Yield all that there is to write, small things first."""
        yield Task("assets", pages=0)
        yield from map(Task, ("home", "figures", "search"))
        refs = sorted({one.ref for one in self._mirrors})
        yield Task("caches", tuple(refs) if self._ref is None else ())
        yield from (Task("letters", (one,)) for one in LETTERS)
        lists = ["", *(refs if self._ref is None else ()), *map(str, self._mirrors)]
        yield from (Task("packages", (one,)) for one in lists)
        yield from (Task("cache", (str(one),)) for one in self._mirrors)
        names = [str(one.name) for one in self._packages]
        for start in range(0, len(names), _PACKAGES_AT_ONCE):
            some = tuple(names[start : start + _PACKAGES_AT_ONCE])
            yield Task("package", some, len(some))
        for beginning, _ in groupby(self._hashes, key=_beginning):
            yield Task("hashes", (beginning,), 0)
        specs = self._hashes if self._with_binaries else ()
        for start in range(0, len(specs), _SPECS_AT_ONCE):
            some = tuple(specs[start : start + _SPECS_AT_ONCE])
            yield Task("spec", some, len(some))

    def write(self, task: Task) -> Iterator[WrittenFile]:
        """Yield the files of a task, in an order that is always the same."""
        yield from self._writers[task.route](task)

    def _assets(self, _: Task) -> Iterator[WrittenFile]:
        for name, file in sorted(self._files.items()):
            if name not in _OF_SERVER:
                yield WrittenFile(f"static/{name}", file.content, is_page=False)
        beginnings = sorted({_beginning(one) for one in self._hashes})
        document = static_search.names_document(self._packages, beginnings, with_binaries=self._with_binaries)
        yield WrittenFile(static_search.NAMES_FILE, document, is_page=False)

    def _home(self, _: Task) -> Iterator[WrittenFile]:
        yield self._written("index.html", self._page(HomePage, "home"))

    def _figures(self, _: Task) -> Iterator[WrittenFile]:
        yield self._written("about/figures.html", self._page(FiguresPage, "figures"))

    def _search(self, _: Task) -> Iterator[WrittenFile]:
        page = static_search.search_page(self._packages, self._request)
        file = "search.html"
        yield WrittenFile(file, self._html.own("static_search.html", page, file=file), is_page=True)

    def _hash_index(self, task: Task) -> Iterator[WrittenFile]:
        for beginning in task.subjects:
            specs = self._index.beginning(beginning, ref=self._ref)
            file = static_search.hashes_file(beginning)
            yield WrittenFile(file, static_search.hashes_document(specs), is_page=False)

    def _letters(self, task: Task) -> Iterator[WrittenFile]:
        for letter in task.subjects:
            yield from self._packages_list(self._request.scope, letter)

    def _packages_lists(self, task: Task) -> Iterator[WrittenFile]:
        for subject in task.subjects:
            yield from self._packages_list(_scope(subject) if subject else self._request.scope)

    def _packages_list(self, scope: Scope, prefix: str = "") -> Iterator[WrittenFile]:
        for number in count(1):
            page = self._page(PackagesPage, "packages", scope=scope, prefix=prefix, page=number)
            yield self._written(self._addresses.packages_file(scope, prefix=prefix, page=number), page)
            if page.pager.after is None:
                return

    def _caches_lists(self, task: Task) -> Iterator[WrittenFile]:
        for scope in (self._request.scope, *(Scope(Ref(one)) for one in task.subjects)):
            for number in count(1):
                page = self._page(CachesPage, "caches", scope=scope, page=number)
                yield self._written(self._addresses.caches_file(scope, page=number), page)
                if page.pager.after is None:
                    break

    def _cache_pages(self, task: Task) -> Iterator[WrittenFile]:
        for subject in task.subjects:
            ref, _, stack = subject.partition("/")
            page = self._page(MirrorPage, "cache", subject=ref, other=stack)
            yield self._written(f"cache/{ref}/{stack}.html", page)

    def _package_pages(self, task: Task) -> Iterator[WrittenFile]:
        for name in task.subjects:
            for number in count(1):
                page = self._page(PackagePage, "package", subject=name, page=number)
                yield self._written(package_file(name, page=number), page)
                if number == 1:
                    yield from self._beside(name, page)
                if page.pager.after is None:
                    break

    def _beside(self, name: str, page: PackagePage) -> Iterator[WrittenFile]:
        """Yield what stands beside the first page of a package: all versions, the badge."""
        if page.matrix.versions_left_out:
            whole = self._page(PackagePage, "package", subject=name, all_versions=True)
            yield self._written(package_file(name, all_versions=True), whole)
        if page.result.counts.present:
            badge = package_badge(self._reader, replace(self._request, subject=name))
            yield WrittenFile(badge_file(name), badge, is_page=False)

    def _spec_pages(self, task: Task) -> Iterator[WrittenFile]:
        for one in task.subjects:
            yield self._written(spec_file(one), self._page(SpecPage, "spec", subject=one))

    def _page(self, kind: type[_Kind], route: str, **asked: Any) -> _Kind:
        page = _ROUTES[route].answer(self._of_ref, replace(self._request, **asked))
        if not isinstance(page, kind):
            raise TypeError(f"the row {route} builds a {type(page).__name__}, not a {kind.__name__}")
        return page

    def _written(self, file: str, page: Page) -> WrittenFile:
        return WrittenFile(file, self._html.page(page, file=file), is_page=True)


def _beginning(one: DagHash) -> str:
    return one[: static_search.BEGINNING]


def _scope(subject: str) -> Scope:
    """Return the scope of a ref, or of a mirror, by its name."""
    ref, slash, _ = subject.partition("/")
    return urls.mirror_scope(parse_mirror_name(subject)) if slash else Scope(Ref(ref))
