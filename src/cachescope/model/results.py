"""What queries and jobs answer with. Command line, pages and API present these and nothing else.

Times are aware and in UTC. Counts are of distinct DAG hashes within the scope that is named.
"""

from dataclasses import dataclass, field
from datetime import datetime

from cachescope.model.archive import Archive, SizeSum
from cachescope.model.facets import BuiltCell, Facet, HistoryPoint
from cachescope.model.hosts import HostVerdict
from cachescope.model.identity import DagHash, MirrorName, PackageName, Ref, SourceName, Stack
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Presence, Verification
from cachescope.model.spec import Architecture, Compiler, EdgeKind, VariantSet, compiler_text, variant_text

__all__ = [
    "PACKAGE_SORTS",
    "Counts",
    "Dependency",
    "DependencyDifference",
    "Dependent",
    "LookAlikes",
    "NoMatch",
    "PackageList",
    "PackagePosition",
    "PackageReport",
    "PackageSummary",
    "Place",
    "RefStacks",
    "Relaxation",
    "SearchResult",
    "SpecReport",
    "SpecSummary",
]


@dataclass(frozen=True, slots=True)
class Counts:
    """Specs by presence."""

    present: int = 0
    mentioned: int = 0
    unstated: int = 0

    @property
    def total(self) -> int:
        """All records."""
        return self.present + self.mentioned + self.unstated


# -- specs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecSummary:
    """One spec as every list shows it."""

    hash: DagHash
    name: PackageName
    version: str
    compiler: Compiler | None
    architecture: Architecture
    variants: VariantSet
    spec_format: int
    presence: Presence
    """The highest in the scope that was asked."""

    mirrors: tuple[MirrorName, ...]
    """Where it is present, sorted."""

    page_variants: tuple[str, ...] | None = None
    """The variants as a published page printed them, for a spec that is known from a page alone."""

    verdict: HostVerdict | None = None
    """Whether it runs on the host that was asked for; None where none was."""

    size: int | None = None
    """Bytes of its archive, as stored; None where it is not known, or was not asked for as in ``search``."""

    closure: SizeSum | None = None
    """The binary with all that it needs to run (link and run edges); None where it was not computed."""

    @property
    def compiler_name(self) -> str:
        """``name@version`` or ``none``."""
        return compiler_text(self.compiler)

    @property
    def variant_texts(self) -> tuple[str, ...]:
        """Variants in Spack's spelling and order."""
        if self.page_variants is not None:
            return self.page_variants
        return tuple(variant_text(one, spec_format=self.spec_format) for one in self.variants.variants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A smallest change of a query by which it would match."""

    dropped: tuple[str, ...]
    """Constraints to leave out, in the query's own spelling."""

    query: str
    """What remains."""

    total: int
    """How many specs match what remains."""

    instead: tuple[tuple[str, int], ...] = ()
    """Where one constraint is dropped: what those specs have in its place, with counts, most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMatch:
    """Why nothing matched, and what would."""

    notes: tuple[str, ...] = ()
    """Sentences about names and variants that do not exist here."""

    suggestions: tuple[PackageName, ...] = ()
    """Names of packages that are near."""

    relaxations: tuple[Relaxation, ...] = ()
    nearest: tuple["SpecSummary", ...] = ()
    """Specs that match the best relaxation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """Specs that match, the first ``limit`` of ``total``."""

    query: str
    total: int
    specs: tuple[SpecSummary, ...]
    warnings: tuple[str, ...] = ()
    """What of the query is not taken as a person may mean it."""

    no_match: NoMatch | None = None
    """Where nothing matched."""

    @property
    def suggestions(self) -> tuple[PackageName, ...]:
        """Near names, where nothing matched."""
        return self.no_match.suggestions if self.no_match is not None else ()


# -- one package ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSummary:
    """One package within a ref, or one mirror of it."""

    name: PackageName
    counts: Counts
    versions: int
    compilers: int
    systems: int
    targets: int
    newest_version: str


PACKAGE_SORTS = ("name", "newest", "versions", "compilers", "systems", "targets", "unstated", "present")
"""Columns that a list of packages can be ordered by."""


@dataclass(frozen=True, slots=True)
class PackagePosition:
    """A place in a list of packages: after this one, whether it is still there or not."""

    name: PackageName
    value: str
    """Of the column of the order, as text: a number, or the newest version; empty for the order by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageList:
    """Packages of a ref (``stack`` None) or of one mirror, by name; ``total`` is before paging."""

    ref: Ref | None
    stack: Stack | None
    prefix: str
    total: int
    packages: tuple[PackageSummary, ...]
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyDifference:
    """A place in which look-alikes differ.

    ``path`` leads from the look-alikes down, empty for a difference of their own; ``values`` has one text for each
    spec of the group, in its order (``-`` where it has no such dependency).
    """

    path: tuple[str, ...]
    field: str
    """``version``, ``compiler``, ``recipe``, ``present`` ... in the words of the field."""

    values: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The dependency that differs, for example ``python``; empty for the specs themselves."""
        return self.path[-1] if self.path else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlikes:
    """Specs that agree in every visible column: version, compiler, platform, system, target, variants."""

    specs: tuple[SpecSummary, ...]
    dependencies_known: bool
    """False where a member is known from a published page alone."""

    differences: tuple[DependencyDifference, ...] = ()
    explained: bool = True
    """False where the group was too large to compare within the limits of a page."""

    total: int = 0
    """Members, where ``specs`` holds only the first of them; else 0."""

    first_seen: tuple[datetime, ...] = ()
    """When a snapshot of the scope first had each of ``specs``; empty where that was not asked."""

    @property
    def size(self) -> int:
        """How many specs the group has."""
        return self.total or len(self.specs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReport:
    """Everything that ``package NAME`` shows."""

    name: PackageName
    ref: Ref | None
    stack: Stack | None
    counts: Counts
    versions: tuple[str, ...]
    """Newest first, by Spack's order."""

    compilers: tuple[tuple[str, int], ...]
    systems: tuple[tuple[str, int], ...]
    targets: tuple[tuple[str, int], ...]
    stacks: tuple[tuple[MirrorName, int, int], ...]
    """Mirror, specs present, specs unstated there."""

    groups: tuple[LookAlikes, ...]
    """Present and unstated specs in look-alike groups; newest version first."""

    shown: int
    """Specs in ``groups``; fewer than the counts where a limit was reached."""

    sizes: SizeSum | None = None
    """Of the binaries in ``groups`` that are present; None where the catalogue knows no sizes at all."""

    query: str = ""
    """What ``groups`` were narrowed by, in its canonical spelling; empty for the name alone."""

    matching: int = 0
    """Specs that match it."""

    facets: tuple[Facet, ...] = ()
    cells: tuple[BuiltCell, ...] = ()
    """Where the matching ones are built: newest version first, then the systems and targets of most specs."""

    page: int = 1
    pages: int = 1
    groups_total: int = 0
    """Groups of all pages."""

    groups_before: int = 0
    """Groups of the pages before this one."""

    history: tuple[HistoryPoint, ...] = ()
    """Oldest first."""


# -- one binary -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A source that speaks of a spec, now or formerly."""

    source: SourceName
    layout: Layout
    url: MirrorUrl | None
    presence: Presence
    since: datetime
    until: datetime | None
    """When a sync first found it gone; None while it is there."""

    archive: Archive | None = None
    """What this source states of the stored file; None where it was not asked yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One edge of the DAG below a spec; ``depth`` 1 are its own dependencies, in the order of a depth-first walk."""

    spec: SpecSummary
    kind: EdgeKind
    depth: int
    repeated: bool
    """True where the spec was met before: its own dependencies are not repeated."""

    needed_at_run: bool
    """Reached by link and run edges alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A spec that was built with this one."""

    spec: SpecSummary
    kind: EdgeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecReport:
    """Everything known of one spec."""

    spec: SpecSummary
    namespace: str
    package_hash: str
    external: bool
    build_spec: DagHash | None
    verification: Verification | None
    """None for a spec that is known from a page, or only as a dependency, so that there is no record to recompute."""

    verification_note: str
    dependencies_known: bool
    places: tuple[Place, ...]
    dependencies: tuple[Dependency, ...]
    dependents: tuple[Dependent, ...]
    dependents_total: int
    commands: tuple[str, ...]
    """Shell commands that use exactly this binary; empty where it is present nowhere."""

    record: str
    """The original record, as indented JSON; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefStacks:
    """A ref with its mirrors."""

    ref: Ref
    stacks: tuple[Stack, ...]
    counts: Counts
    packages: int
    stale: bool = False
    notes: tuple[str, ...] = field(default=())
