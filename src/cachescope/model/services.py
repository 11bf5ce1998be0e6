"""What command line and web are given: the reading side of the catalogue, as a protocol."""

from collections.abc import Sequence
from typing import Protocol

from cachescope.model.comparison import Comparison
from cachescope.model.contents import ContentsPage, Part
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

__all__ = ["CatalogueReader"]


class CatalogueReader(Protocol):
    """Answers from the catalogue alone; never asks a mirror. Safe to call from several threads."""

    def sources(self) -> Sequence[SourceStatus]:
        """All registered mirrors and their sources, by name, layout and view."""
        ...

    def refs(self) -> Sequence[RefStacks]:
        """All refs with their stacks: ``develop`` first, then by name, newest first."""
        ...

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
        """Packages with at least one record, by name or another column (``-`` before it: descending), behind a place. Raises ``NotInCatalogue`` for an unknown ref or stack."""
        ...

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
        """Present specs that match a query in Spack's language or a pattern of names; ``limit`` 0 is all.

        Raises ``QuerySyntaxError``, ``NotInCatalogue`` for an unknown ref or stack, ``UserInputError`` for an unknown
        order. With ``host`` each spec has a verdict; ``only_runnable`` leaves out those that do not run there. ``after`` leaves
        out what stands up to this spec in the order by name, whether it still matches or not; the total counts all.
        """
        ...

    def package(
        self,
        name: PackageName,
        *,
        ref: Ref | None,
        stack: Stack | None,
        query: str = "",
        page: int | None = None,
    ) -> PackageReport:
        """One package, its look-alikes narrowed by a query in Spack's language; one page of them, or (None) all.

        Raises ``NotInCatalogue``, with near names as hint, and for a page beyond the last; ``QuerySyntaxError``;
        ``UserInputError`` for a query about another package.
        """
        ...

    def spec(self, prefix: str) -> SpecReport:
        """One spec by its hash or a unique prefix. Raises ``NotInCatalogue`` or ``AmbiguousHash``."""
        ...

    def compare(self, first: str, second: str) -> Comparison:
        """Two specs side by side, by hashes or unique prefixes. Raises ``NotInCatalogue`` or ``AmbiguousHash``."""
        ...

    def difference(self, first: Part, second: Part, *, page: int) -> ContentsPage:
        """What came and went from the first part of the catalogue to the second, one page of packages. Raises ``NotInCatalogue``."""
        ...

    def mirror(self, name: MirrorName) -> MirrorReport:
        """One mirror: sources, largest packages, compilers, what snapshots changed. Raises ``NotInCatalogue``."""
        ...

    def changes(self, *, ref: Ref) -> Sequence[SnapshotChange]:
        """What the snapshots of a ref changed, newest first."""
        ...

    def suggest(
        self, text: str, *, ref: Ref | None, stack: Stack | None, limit: int
    ) -> Sequence[PackageName]:
        """Packages whose names hold a text, those that begin so first."""
        ...

    def news(
        self, *, ref: Ref | None, stack: Stack | None, package: PackageName | None = None, limit: int
    ) -> News:
        """Packages and versions that the scope has for the first time; of a package its versions. Newest first.

        Raises ``NotInCatalogue`` for an unknown ref or stack, and for a package without a binary.
        """
        ...

    def hashes(self, prefix: str) -> Sequence[DagHash]:
        """Hashes of present specs that begin so, sorted."""
        ...

    def mirror_names(self) -> Sequence[MirrorName]:
        """Registered mirrors, sorted."""
        ...
