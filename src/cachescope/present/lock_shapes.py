"""The shapes of the JSON about lock files and of comparisons; what ``shapes`` says of shapes holds here too."""

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from cachescope.model.comparison import DependencyChange
from cachescope.model.why import CauseKind
from cachescope.present.shapes import Address, Hash, MirrorText, Number, PresenceWord, Spec, Time

__all__ = [
    "Cause",
    "ChangedDependency",
    "Closures",
    "ComparedCause",
    "Comparison",
    "Consequence",
    "Coverage",
    "CoverageForm",
    "DependencySide",
    "DifferenceForm",
    "FieldDifference",
    "FoundHash",
    "Lookup",
    "MirrorSet",
    "MirrorShare",
    "Missing",
    "MissingSpec",
    "Nearest",
    "Share",
    "ShareNow",
    "SharedDifference",
    "WantedDifference",
    "WhatIf",
    "Why",
]

Ratio = Annotated[float, Meta(ge=0, le=1)]


class Share(TypedDict):
    """Present specs of those that are wanted."""

    present: Number
    total: Number
    share: Ratio


class Closures(TypedDict):
    """What running needs, and what building needs besides."""

    run: Share
    build: Share


class MirrorShare(Share):
    """What one mirror has."""

    name: MirrorText
    run: Share
    installable: bool


class MirrorSet(Share):
    """The fewest mirrors that together reach a share."""

    mirrors: list[MirrorText]
    exact: Annotated[bool, Meta(description="False where not all sets were tried.")]


class MissingSpec(Spec):
    """A wanted spec that is not present."""

    dependents: Number
    needed_at_run: bool


class Coverage(TypedDict):
    """How much of a lock file is present."""

    files: list[str]
    against: list[MirrorText]
    deptypes: Annotated[str, Meta(extra_json_schema={"enum": ["run", "build", "all"]})]
    host: str | None
    share: Annotated[float, Meta(ge=0, le=1, description="Present to wanted, externals aside.")]
    installable: Annotated[bool, Meta(description="Whether the whole run closure is present.")]
    total: Number
    closures: Closures
    bytes: Annotated[Number | None, Meta(description="To download; null where no size is known.")]
    bytes_unknown: Annotated[int, Meta(ge=0, description="Present specs of unknown size.")]
    mirrors: list[MirrorShare]
    sets: list[MirrorSet]
    present: list[Spec]
    missing: list[MissingSpec]
    external: list[Spec]
    unstated: list[Spec]
    not_runnable: list[Spec]
    warnings: list[str]


class DifferenceForm(TypedDict):
    """What can be compared; the answer where two sides are not named."""

    compare: list[str]


class CoverageForm(TypedDict):
    """Where lock files are handed in."""

    post: Address
    largest_bytes: Number


class WantedDifference(TypedDict):
    """A field in which a wanted spec differs from what is cached."""

    field: str
    wanted: str | None
    cached: str | None


class Cause(TypedDict):
    """A reason why specs are missing."""

    kind: Annotated[str, Meta(extra_json_schema={"enum": list(CauseKind)})]
    name: str | None
    version: str | None
    hashes: list[Hash]
    differences: list[WantedDifference]
    consequences: Annotated[list[Hash], Meta(description="Missing specs that follow.")]
    gains: Annotated[int, Meta(ge=0, description="What the remedy would bring, as an estimate.")]
    remedy: str
    note: str
    mirrors: list[MirrorText]
    until: Time | None


class Nearest(TypedDict):
    """A cached binary of the same package."""

    hash: Hash
    version: str
    dependencies_known: bool
    differences: list[WantedDifference]


class Missing(Spec):
    """A missing spec with what leads to its causes."""

    causes: Annotated[list[int], Meta(description="Places in the list of causes, from 0.")]
    follows: list[Hash]
    nearest: list[Nearest]


class ShareNow(TypedDict):
    """A share, before or after."""

    present: Number
    share: Ratio


class WhatIf(TypedDict):
    """Coverage under a changed constraint: an estimate."""

    query: str
    estimate: bool
    before: ShareNow
    after: ShareNow
    total: Number
    changed: Number
    gained: list[Hash]
    lost: list[Hash]


Why = TypedDict(
    "Why",
    {
        "files": list[str],
        "against": list[MirrorText],
        "present": Number,
        "external": Number,
        "unstated": Number,
        "causes": list[Cause],
        "missing": list[Missing],
        "notes": list[str],
        "if": NotRequired[WhatIf],
    },
)
Why.__doc__ = "Causes of what is missing, those that explain most first."


class FoundHash(TypedDict):
    """One hash that was asked for; of one that nobody knows there is the hash alone."""

    hash: Hash
    presence: Annotated[PresenceWord | None, Meta(description="Null where no source has it now.")]
    name: NotRequired[str]
    version: NotRequired[str]
    compiler: NotRequired[str]
    os: NotRequired[str]
    platform: NotRequired[str]
    target: NotRequired[str]
    variants: NotRequired[list[str]]
    mirrors: NotRequired[list[MirrorText]]


class Lookup(TypedDict):
    """Where many specs are, in the order in which they were asked for."""

    total: Number
    present: Number
    specs: list[FoundHash]


# -- comparisons ------------------------------------------------------------------------------------------------------


class FieldDifference(TypedDict):
    """A field in which two specs differ; null on the side that does not have it."""

    field: Annotated[
        str, Meta(description="version, compiler, os, variant:NAME, dependency:NAME, and so on.")
    ]
    first: str | None
    second: str | None


class DependencySide(TypedDict):
    """A direct dependency as one side has it."""

    hash: Hash
    version: str | None
    deptypes: list[str]
    virtuals: list[str]


class ChangedDependency(TypedDict):
    """A direct dependency in which two specs differ."""

    name: str
    change: Annotated[str, Meta(extra_json_schema={"enum": list(DependencyChange)})]
    first: DependencySide | None
    second: DependencySide | None


class Consequence(TypedDict):
    """A node that differs only through what lies below it."""

    path: list[str]
    first: Hash
    second: Hash


class ComparedCause(Consequence):
    """A node that differs by itself."""

    differences: list[FieldDifference]


class SharedDifference(FieldDifference):
    """A difference that several nodes have alike."""

    paths: list[list[str]]


class Comparison(TypedDict):
    """What separates two specs, the deepest causes first."""

    first: Spec
    second: Spec
    identical: bool
    dependencies_known: bool
    complete: bool
    own: list[FieldDifference]
    dependencies: list[ChangedDependency]
    causes: list[ComparedCause]
    shared: list[SharedDifference]
    consequences: list[Consequence]


class DifferenceSide(TypedDict):
    """One side of a comparison of parts of the catalogue."""

    name: str
    at: Time | None
    specs: Number
    packages: Number


class DifferenceSpecs(TypedDict):
    """Specs of both sides."""

    came: Number
    went: Number
    stay: Number


class ChangedSpec(TypedDict):
    """A spec that one side alone has."""

    hash: Hash
    version: str


class DifferencePackage(TypedDict):
    """One package of which the two sides have not the same specs."""

    name: str
    change: str
    versions_before: list[str]
    versions_after: list[str]
    came: Number
    went: Number
    stay: Number
    first_came: list[ChangedSpec]
    first_went: list[ChangedSpec]


class DifferencePart(TypedDict):
    """What came and went between two parts of the catalogue, one page of packages."""

    first: DifferenceSide
    second: DifferenceSide
    specs: DifferenceSpecs
    changes: dict[str, int]
    packages: list[DifferencePackage]
    page: Number
    pages: Number
