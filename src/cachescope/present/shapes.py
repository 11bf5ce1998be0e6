"""The shapes of the JSON that ``to_json`` writes: the OpenAPI document is derived from them, and mypy holds them.

Every writer of JSON states one of these as its type, so that a key that is added, lost or renamed fails the type check;
a test validates real answers against the derived schemas besides. Keys may be added within ``/api/v1``, never taken away.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from msgspec import Meta

from cachescope.model.archive import ArchiveState
from cachescope.model.hosts import Runnable
from cachescope.model.mirror import Layout
from cachescope.model.record import Presence, Verdict
from cachescope.model.sources import AttemptOutcome

__all__ = [
    "Archive",
    "Attempt",
    "BiggestPackage",
    "Change",
    "CompilerUse",
    "Counts",
    "Dependency",
    "Dependent",
    "Edge",
    "Error",
    "ErrorAnswer",
    "Facet",
    "FacetValue",
    "Figure",
    "Group",
    "GroupedSpec",
    "HistoryPoint",
    "Home",
    "HostVerdict",
    "Instead",
    "LookAlikeDifference",
    "Mirror",
    "NoMatch",
    "Package",
    "PackageRow",
    "Packages",
    "Place",
    "Ref",
    "Relaxation",
    "Search",
    "SizeSum",
    "SizedSpec",
    "Source",
    "Spec",
    "SpecReport",
    "StackTally",
    "Suggestions",
    "Tally",
    "VerificationFound",
]


def _words(*words: str) -> dict[str, Any]:
    return {"enum": list(words)}


Hash = Annotated[str, Meta(pattern="^[a-z2-7]{32}$", description="DAG hash of a concrete spec.")]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="UTC, RFC 3339.")]
Number = Annotated[int, Meta(ge=0)]
MirrorText = Annotated[str, Meta(description="Name of a mirror, ref/stack.")]
PresenceWord = Annotated[
    str,
    Meta(
        extra_json_schema=_words(*(one.word for one in Presence)),
        description="Present (can be downloaded), only mentioned by an index, or not stated.",
    ),
]
LayoutWord = Annotated[str, Meta(extra_json_schema=_words(*Layout))]
Address = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
Next = Annotated[
    str,
    Meta(
        extra_json_schema={"format": "uri-reference"},
        description="Address of the next part of the list; absent where this is the last.",
    ),
]


class Counts(TypedDict):
    """Distinct specs by presence."""

    present: Number
    mentioned: Number
    unstated: Number


# -- errors -----------------------------------------------------------------------------------------------------------


class Error(TypedDict):
    """What is wrong, where, and what to do about it."""

    code: Annotated[str, Meta(description="Stable word for programs.")]
    message: Annotated[str, Meta(description="One sentence for people.")]
    where: Annotated[str, Meta(description="Place: an address, a file, the query; may be empty.")]
    hint: Annotated[str, Meta(description="What to do; may be empty.")]
    start: NotRequired[Annotated[int, Meta(ge=0, description="Of a query: first offending character.")]]
    end: NotRequired[
        Annotated[int, Meta(ge=0, description="Of a query: character after the offending ones.")]
    ]


class ErrorAnswer(TypedDict):
    """The one shape of every refusal and failure."""

    error: Error


# -- specs ------------------------------------------------------------------------------------------------------------


class HostVerdict(TypedDict):
    """Whether a binary runs on the host that was asked about."""

    kind: Annotated[str, Meta(extra_json_schema=_words(*Runnable))]
    runnable: bool
    reason: str


class Spec(TypedDict):
    """One concrete spec, as every list has it."""

    hash: Hash
    name: str
    version: Annotated[str, Meta(description="Empty where no record describes the spec.")]
    compiler: Annotated[str, Meta(description="name@version, or none.")]
    os: str
    platform: str
    target: str
    variants: Annotated[list[str], Meta(description="In Spack's spelling and order.")]
    mirrors: Annotated[list[MirrorText], Meta(description="Where it is present, sorted.")]
    verdict: NotRequired[HostVerdict]


class SizedSpec(Spec):
    """A spec with the bytes of its archive."""

    size: Annotated[Number | None, Meta(description="Bytes as stored; null where no source stated them.")]


class SizeSum(TypedDict):
    """Bytes of several binaries."""

    bytes: Annotated[int, Meta(ge=0, description="Of those whose size is known.")]
    known: Number
    specs: Number
    without_binary: Number


class Edge(TypedDict):
    """How a spec uses a dependency."""

    deptypes: Annotated[list[str], Meta(description="build, link, run, test.")]
    virtuals: list[str]


class Dependency(SizedSpec, Edge):
    """One edge of the DAG below a spec, in the order of a depth-first walk."""

    depth: Annotated[int, Meta(ge=1)]
    repeated: Annotated[bool, Meta(description="Met before: what is below it is not repeated.")]
    needed_at_run: Annotated[bool, Meta(description="Reached by link and run edges alone.")]


class Dependent(Spec, Edge):
    """A spec that was built with this one."""


class Archive(TypedDict):
    """What a source states of a stored binary."""

    state: Annotated[str, Meta(extra_json_schema=_words(*(one.word for one in ArchiveState)))]
    size: Number | None
    digest: Annotated[str | None, Meta(description="algorithm:hexadecimal, of the bytes as stored.")]
    media_type: str | None
    compression: str | None
    signed: bool | None
    asked_at: Time | None
    reason: str | None


class Place(TypedDict):
    """A source that speaks of a spec, now or formerly."""

    name: MirrorText
    view: str | None
    layout: LayoutWord
    url: Address | None
    presence: PresenceWord
    since: Time
    until: Annotated[Time | None, Meta(description="When a sync first found it gone; null while it stands.")]
    archive: Archive | None


class VerificationFound(TypedDict):
    """Whether the DAG hash could be computed again from the record."""

    verdict: Annotated[str | None, Meta(extra_json_schema={"enum": [*(one.word for one in Verdict), None]})]
    reason: str | None


class SpecReport(SizedSpec):
    """Everything known of one spec."""

    closure: Annotated[SizeSum | None, Meta(description="The binary with all that it needs to run.")]
    presence: PresenceWord
    namespace: str | None
    package_hash: str | None
    external: bool
    build_spec: Annotated[Hash | None, Meta(description="What a spliced spec was built as.")]
    format: Annotated[int, Meta(description="Version of the record's node format.")]
    flags: dict[str, list[str]]
    verification: VerificationFound
    places: list[Place]
    dependencies_known: bool
    dependencies: list[Dependency]
    dependents: Annotated[
        list[Dependent], Meta(description="The first of them; a search for ^/HASH finds all present ones.")
    ]
    dependents_total: Number
    commands: Annotated[list[str], Meta(description="Shell commands that use exactly this binary.")]
    record: Annotated[
        Any, Meta(description="The record as it stands in the index; null where there is none.")
    ]


# -- search -----------------------------------------------------------------------------------------------------------


class Instead(TypedDict):
    """What specs have in the place of a dropped constraint."""

    constraint: str
    total: Number


class Relaxation(TypedDict):
    """A smallest change of a query by which it would match."""

    dropped: list[str]
    query: str
    total: Number
    instead: list[Instead]


class NoMatch(TypedDict):
    """Why nothing matched, and what would."""

    notes: list[str]
    relaxations: list[Relaxation]
    nearest: list[Spec]


class Search(TypedDict):
    """Present specs that match a query."""

    query: str
    total: Annotated[int, Meta(ge=0, description="Of all parts of the list.")]
    specs: list[Spec]
    warnings: NotRequired[list[str]]
    suggestions: NotRequired[Annotated[list[str], Meta(description="Names of packages that are near.")]]
    no_match: NotRequired[NoMatch]
    next: NotRequired[Next]


class Suggestions(TypedDict):
    """Packages whose names hold a text, those that begin so first."""

    query: str
    packages: list[str]


# -- packages ---------------------------------------------------------------------------------------------------------


class PackageRow(Counts):
    """One package of a list."""

    name: str
    versions: Number
    compilers: Number
    systems: Number
    targets: Number
    newest_version: Annotated[str, Meta(description="By Spack's order; empty where none is recorded.")]


class Packages(TypedDict):
    """Packages of a scope."""

    ref: str | None
    stack: str | None
    total: Annotated[int, Meta(ge=0, description="Of all parts of the list.")]
    packages: list[PackageRow]
    next: NotRequired[Next]


class Tally(TypedDict):
    """A name and how many binaries have it."""

    name: str
    specs: Number


class StackTally(TypedDict):
    """What one mirror has of a package."""

    name: MirrorText
    present: Number
    unstated: Number


class LookAlikeDifference(TypedDict):
    """A place in which look-alikes differ."""

    path: Annotated[list[str], Meta(description="Names of dependencies down to it; empty for their own.")]
    field: str
    values: Annotated[list[str], Meta(description="One for each of the group's specs, in their order.")]


class GroupedSpec(SizedSpec):
    """A member of a group of look-alikes."""

    closure: SizeSum | None


class Group(TypedDict):
    """Specs that agree in every visible column."""

    version: str
    compiler: str
    os: str
    platform: str
    target: str
    variants: list[str]
    dependencies_known: bool
    explained: Annotated[bool, Meta(description="False where the group was too large to compare.")]
    differences: list[LookAlikeDifference]
    total: Annotated[int, Meta(ge=1, description="Members; specs may hold only the first of them.")]
    specs: list[GroupedSpec]


class FacetValue(TypedDict):
    """A value to narrow by."""

    value: str
    specs: Number
    chosen: bool
    query: Annotated[str, Meta(description="The query after choosing it.")]


class Facet(TypedDict):
    """A field with its values."""

    field: str
    name: str
    values: list[FacetValue]


class HistoryPoint(TypedDict):
    """How many binaries there were from a moment on."""

    at: Time
    came: Number
    gone: Number
    present: Number


class Package(Counts):
    """One package: what there is, in groups of look-alikes, one page of them."""

    name: str
    ref: str | None
    stack: str | None
    versions: Annotated[list[str], Meta(description="Newest first, by Spack's order.")]
    compilers: list[Tally]
    systems: list[Tally]
    targets: list[Tally]
    stacks: list[StackTally]
    sizes: SizeSum | None
    groups: list[Group]
    query: str
    matching: Number
    page: Annotated[int, Meta(ge=1)]
    pages: Annotated[int, Meta(ge=1)]
    groups_total: Number
    facets: list[Facet]
    history: list[HistoryPoint]
    next: NotRequired[Next]


# -- mirrors ----------------------------------------------------------------------------------------------------------


class Attempt(TypedDict):
    """The last time that a source was asked."""

    at: Time | None
    outcome: Annotated[
        str,
        Meta(
            extra_json_schema=_words(
                AttemptOutcome.UPDATED, AttemptOutcome.UNCHANGED, AttemptOutcome.FAILED, AttemptOutcome.NEVER
            )
        ),
    ]
    reason: str | None


class Source(Counts):
    """What one index comes from: a mirror, with layout and view."""

    name: MirrorText
    url: Annotated[str | None, Meta(description="Passwords are masked.")]
    layout: Annotated[str | None, Meta(extra_json_schema={"enum": [*Layout, None]})]
    view: str | None
    index_version: int | None
    snapshot_at: Annotated[Time | None, Meta(description="When what stands here was read.")]
    last_attempt: Attempt
    rejected: Annotated[int, Meta(ge=0, description="Records of the snapshot that could not be read.")]
    warnings: list[str]


class Ref(Counts):
    """A ref with its stacks."""

    ref: str
    stacks: list[str]
    packages: Number
    stale: bool
    notes: list[str]


class Home(TypedDict):
    """What the first page shows."""

    refs: list[Ref]
    caches: list[Source]


class BiggestPackage(Counts):
    """A package of many binaries."""

    name: str
    versions: Number


class CompilerUse(TypedDict):
    """A compiler and what was built with it."""

    name: str
    packages: Number
    specs: Number


class Change(TypedDict):
    """What one snapshot of one source changed, in binaries."""

    source: str
    layout: LayoutWord
    at: Time
    came: Number
    gone: Number
    present: int
    first: Annotated[bool, Meta(description="Read for the first time: then all that it has came.")]


class Mirror(Counts):
    """One mirror."""

    name: MirrorText
    packages: Number
    sources: list[Source]
    biggest: list[BiggestPackage]
    compilers: list[CompilerUse]
    systems: list[Tally]
    targets: list[Tally]
    changes: Annotated[list[Change], Meta(description="Newest first.")]


class Figure(TypedDict):
    """A number of the site and what it counts."""

    name: str
    definition: str
    caution: str | None
