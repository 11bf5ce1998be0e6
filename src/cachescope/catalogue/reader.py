"""The reading side of an open catalogue; fulfils ``model.services.CatalogueReader``. One consistent state for each answer."""

from collections.abc import Sequence

from cachescope.catalogue import registry
from cachescope.catalogue.comparison import compare_specs
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.package_report import package_list, package_report, ref_stacks
from cachescope.catalogue.scope import checked_scope
from cachescope.catalogue.search import resolve_hash, search
from cachescope.catalogue.spec_report import spec_report
from cachescope.model.comparison import Comparison
from cachescope.model.hosts import Host
from cachescope.model.identity import MirrorName, PackageName, Ref, Stack
from cachescope.model.results import (
    PackageList,
    PackageReport,
    RefStacks,
    SearchResult,
    SourceStatus,
    SpecReport,
)

__all__ = ["Reader"]


class Reader:
    """Answers from the catalogue alone; safe to use from several threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def sources(self) -> Sequence[SourceStatus]:
        """All registered mirrors and their sources."""
        with self._catalogue.reading() as connection:
            return registry.source_statuses(connection)

    def refs(self) -> Sequence[RefStacks]:
        """All refs with their stacks."""
        with self._catalogue.reading() as connection:
            return ref_stacks(connection)

    def packages(
        self, *, ref: Ref | None, stack: Stack | None, prefix: str = "", limit: int = 0, offset: int = 0
    ) -> PackageList:
        """Packages, by name."""
        with self._catalogue.reading() as connection:
            return package_list(connection, ref=ref, stack=stack, prefix=prefix, limit=limit, offset=offset)

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
    ) -> SearchResult:
        """Specs that match a query."""
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
            )

    def compare(self, first: str, second: str) -> Comparison:
        """Two specs side by side."""
        with self._catalogue.reading() as connection:
            return compare_specs(
                connection, resolve_hash(connection, first), resolve_hash(connection, second)
            )

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
        with self._catalogue.reading() as connection:
            return package_report(connection, name, ref=ref, stack=stack, query=query, page=page)

    def spec(self, prefix: str) -> SpecReport:
        """One spec."""
        with self._catalogue.reading() as connection:
            return spec_report(connection, prefix)

    def mirror_names(self) -> Sequence[MirrorName]:
        """Registered mirrors."""
        with self._catalogue.reading() as connection:
            return [mirror.name for mirror in registry.mirrors(connection)]
