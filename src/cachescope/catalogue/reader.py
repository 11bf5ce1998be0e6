"""The reading side of an open catalogue; fulfils ``model.services.CatalogueReader``. One consistent state for each answer.

What answers one kind of question is imported with the first of its kind: a command asks one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.kept_arrays import KeptArrays
from cachescope.catalogue.patience import too_slow
from cachescope.catalogue.scope import checked_scope
from cachescope.catalogue.search import present_hashes, resolve_hash, search
from cachescope.catalogue.states import State, state_of_snapshots
from cachescope.model.comparison import Comparison
from cachescope.model.contents import ContentsPage, Part
from cachescope.model.errors import AnswerTooSlow
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash, MirrorName, PackageName, Ref, Stack
from cachescope.model.mirrors import MirrorReport, SnapshotChange
from cachescope.model.news import News
from cachescope.model.results import (
    PackageList,
    PackagePosition,
    PackageReport,
    RefStacks,
    SearchResult,
    SpecReport,
)
from cachescope.model.sources import SourceStatus

__all__ = ["Reader"]

_Answer = TypeVar("_Answer")
_KEPT = 32
"""Answers that are kept at the most: a package of 5,000 specs takes about 3 MB."""

_KEPT_OF = {"contents": 4}
"""Of those that are larger, each names all packages that differ, and that anybody can ask for at any point in time."""


class Reader:
    """Answers from the catalogue alone; safe to use from several threads."""

    def __init__(self, catalogue: Catalogue, *, beside: bool = False) -> None:
        """With ``beside`` a thread reads what speeds later answers up, until the catalogue is closed; else who asks does."""
        self._catalogue = catalogue
        # What looks at every record of a mirror is kept until the next snapshot; lives as long as the reader.
        # With the state that it is of, in one: several threads ask, and one may still see the state before.
        self._kept: tuple[State, dict[tuple[object, ...], Any]] = ((0, 0, 0), {})
        self._arrays = KeptArrays(catalogue, beside=beside)

    def sources(self) -> Sequence[SourceStatus]:
        """All registered mirrors and their sources."""
        from cachescope.catalogue import registry

        with self._catalogue.reading() as connection:
            return registry.source_statuses(connection)

    def refs(self) -> Sequence[RefStacks]:
        """All refs with their stacks."""
        from cachescope.catalogue.package_report import ref_stacks

        with self._catalogue.reading() as connection:
            return ref_stacks(connection)

    def packages(
        self,
        *,
        ref: Ref | None,
        stack: Stack | None,
        prefix: str = "",
        limit: int = 0,
        offset: int = 0,
        sort: str = "name",
        after: PackagePosition | None = None,
    ) -> PackageList:
        """Packages, by name or another column."""
        from cachescope.catalogue.package_report import package_list

        with self._catalogue.reading() as connection:
            return package_list(
                connection,
                ref=ref,
                stack=stack,
                prefix=prefix,
                limit=limit,
                offset=offset,
                sort=sort,
                after=after,
            )

    def search(
        self,
        query: str,
        *,
        ref: Ref | None,
        stack: Stack | None,
        limit: int,
        mentioned: bool = False,
        sort: str = "name",
        host: Host | None = None,
        only_runnable: bool = False,
        after: DagHash | None = None,
    ) -> SearchResult:
        """Specs that match a query."""
        try:
            with self._catalogue.reading() as connection:
                return search(
                    connection,
                    query,
                    scope=checked_scope(connection, ref, stack),
                    limit=limit,
                    mentioned=mentioned,
                    sort=sort,
                    host=host,
                    only_runnable=only_runnable,
                    after=after,
                    kept=self._arrays,
                )
        except AnswerTooSlow as error:
            if not self._arrays.is_reading:
                raise
            raise too_slow(soon_faster=True) from error

    def compare(self, first: str, second: str) -> Comparison:
        """Two specs side by side."""
        from cachescope.catalogue.comparison import compare_specs

        with self._catalogue.reading() as connection:
            return compare_specs(
                connection, resolve_hash(connection, first), resolve_hash(connection, second)
            )

    def difference(self, first: Part, second: Part, *, page: int) -> ContentsPage:
        """What came and went between two parts."""
        from cachescope.catalogue.contents_page import contents_page

        with self._catalogue.reading() as connection:

            def keep(key: tuple[object, ...], ask: Callable[[], Any]) -> Any:
                return self._until_next_snapshot(connection, key, ask)

            return contents_page(connection, first, second, page=page, keep=keep)

    def package(
        self,
        name: PackageName,
        *,
        ref: Ref | None,
        stack: Stack | None,
        query: str = "",
        page: int | None = None,
    ) -> PackageReport:
        """One package."""
        from cachescope.catalogue.package_report import package_report

        with self._catalogue.reading() as connection:

            def keep(key: tuple[object, ...], ask: Callable[[], Any]) -> Any:
                return self._until_next_snapshot(connection, key, ask)

            return package_report(connection, name, ref=ref, stack=stack, query=query, page=page, keep=keep)

    def mirror(self, name: MirrorName) -> MirrorReport:
        """One mirror."""
        from cachescope.catalogue import registry
        from cachescope.catalogue.mirror_report import mirror_report

        with self._catalogue.reading() as connection:
            report = self._until_next_snapshot(
                connection, ("mirror", name), lambda: mirror_report(connection, name)
            )
            # An attempt that failed leaves no snapshot.
            sources = tuple(one for one in registry.source_statuses(connection) if one.name == name)
            return replace(report, sources=sources)

    def changes(self, *, ref: Ref) -> Sequence[SnapshotChange]:
        """What snapshots of a ref changed."""
        from cachescope.catalogue import registry
        from cachescope.catalogue.mirror_report import recent_changes

        def ask() -> Sequence[SnapshotChange]:
            return recent_changes(connection, registry.sources_of(connection, ref))

        with self._catalogue.reading() as connection:
            return self._until_next_snapshot(connection, ("changes", ref), ask)

    def suggest(
        self, text: str, *, ref: Ref | None, stack: Stack | None, limit: int
    ) -> Sequence[PackageName]:
        """Names that hold a text."""
        from cachescope.catalogue.near_names import suggested_names

        with self._catalogue.reading() as connection:
            return suggested_names(connection, text, checked_scope(connection, ref, stack), limit=limit)

    def news(
        self, *, ref: Ref | None, stack: Stack | None, package: PackageName | None = None, limit: int
    ) -> News:
        """What is new."""
        from cachescope.catalogue.news import package_news, scope_news

        def ask() -> News:
            if package is not None:
                return package_news(connection, package, scope, limit=limit)
            return scope_news(connection, scope, limit=limit)

        with self._catalogue.reading() as connection:
            scope = checked_scope(connection, ref, stack)
            return self._until_next_snapshot(connection, ("news", scope, package, limit), ask)

    def hashes(self, prefix: str) -> Sequence[DagHash]:
        """Hashes of present specs."""
        with self._catalogue.reading() as connection:
            return present_hashes(connection, prefix)

    def _until_next_snapshot(
        self, connection: Connection, key: tuple[object, ...], ask: Callable[[], _Answer]
    ) -> _Answer:
        state = state_of_snapshots(connection)
        kept = self._kept
        if kept[0] != state:
            self._kept = kept = (state, {})
        held = kept[1]
        found: _Answer | None = held.get(key)
        if found is None:
            found = ask()
            # Lists first: other threads write there, too.
            alike = [one for one in list(held) if one[0] == key[0]]
            for one in alike[: max(0, len(alike) + 1 - _KEPT_OF.get(str(key[0]), _KEPT))]:
                held.pop(one, None)
            while len(held) >= _KEPT:
                held.pop(list(held)[0], None)  # noqa: RUF015 - in one step
            held[key] = found
        return found

    def spec(self, prefix: str) -> SpecReport:
        """One spec."""
        from cachescope.catalogue.spec_report import spec_report

        with self._catalogue.reading() as connection:
            return spec_report(connection, prefix)

    def mirror_names(self) -> Sequence[MirrorName]:
        """Registered mirrors."""
        from cachescope.catalogue import registry

        with self._catalogue.reading() as connection:
            return [mirror.name for mirror in registry.mirrors(connection)]
