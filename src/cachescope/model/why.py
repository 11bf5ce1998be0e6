"""Why specs of a lock file are not in the mirrors: causes first, each with what follows from it."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.coverage import Tally
from cachescope.model.identity import DagHash, MirrorName
from cachescope.model.results import SpecSummary

__all__ = ["Cause", "CauseKind", "Difference", "Lacking", "Nearest", "WhatIf", "WhyReport"]


class CauseKind(enum.StrEnum):
    """What sort of reason it is, in the words of JSON."""

    OWN_FIELD = "own_field"
    """A field of the spec itself differs from every cached binary of its package."""

    SHARED_DIFFERENCE = "shared_difference"
    """Several specs differ from what is cached in the same way."""

    DEPENDENCY_UNUSED = "dependency_unused"
    """A dependency is there, but what depends on it is cached only with others in its place."""

    COMBINATION = "combination"
    """All parts are cached, this combination of them is not."""

    ABSENT = "absent"
    """No mirror that is asked has a binary of the package."""

    ELSEWHERE = "elsewhere"
    """Mirrors that were not asked have it."""

    MENTIONED = "mentioned"
    """Known as somebody's dependency, without a binary."""

    VANISHED = "vanished"
    """It was present, and no longer is."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which a wanted spec differs from what is cached; None on the side that has it not.

    ``field`` is ``version``, ``compiler``, ``platform``, ``os``, ``target``, ``namespace``, ``variant:NAME``,
    ``flags:NAME``, ``recipe``, ``external``, ``build_spec``, ``format``, ``dependency:NAME``, ``deptypes:NAME``,
    ``virtuals:NAME``, or ``hash`` where nothing that is recorded differs.
    """

    field: str
    wanted: str | None
    cached: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """A cached binary of the same package, and how it differs from what is wanted."""

    hash: DagHash
    version: str
    differences: tuple[Difference, ...]
    """Own fields first, then direct dependencies that are cached but are others there."""

    dependencies_known: bool = True
    """False for one that only a published page tells of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A reason why specs are missing."""

    kind: CauseKind
    name: str | None
    """Package; None where several packages share the cause."""

    version: str | None
    hashes: tuple[DagHash, ...]
    """The specs that the cause is about: what differs, or the dependency that is unused."""

    differences: tuple[Difference, ...]
    consequences: tuple[DagHash, ...]
    """Missing specs that follow, those of ``hashes`` aside; dependencies before dependents."""

    remedy: str
    """What to do, in Spack's words; lines of YAML are indented."""

    gains: int
    """Missing specs that have no other cause: what the remedy would bring, as an estimate."""

    note: str
    """The cause as one sentence."""

    places: tuple[MirrorName, ...] = ()
    """Where it is, or was."""

    until: datetime | None = None
    """For what vanished: when a sync first found it gone."""

    @property
    def explained(self) -> int:
        """How many missing specs it has a part in."""
        own = 0 if self.kind is CauseKind.DEPENDENCY_UNUSED else len(self.hashes)
        return own + len(self.consequences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A missing spec with what leads to its causes."""

    spec: SpecSummary
    nearest: tuple[Nearest, ...]
    """Nearest first."""

    follows: tuple[DagHash, ...]
    """Specs below it that are missing too, or externals that no mirror knows, and through which it misses."""

    causes: tuple[int, ...]
    """Places in the list of causes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyReport:
    """The causes of all that is missing."""

    files: tuple[str, ...]
    against: tuple[MirrorName, ...]
    present: int
    external: int
    unstated: int
    missing: tuple[Lacking, ...]
    """Dependencies before dependents."""

    causes: tuple[Cause, ...]
    """Those that explain most first."""

    notes: tuple[str, ...] = ()

    def lacking(self) -> Iterator[DagHash]:
        """Return the hashes of what is missing."""
        return (one.spec.hash for one in self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Coverage under a changed constraint: an estimate."""

    query: str
    before: Tally
    after: Tally
    changed: int
    """Specs that would change, those included that depend on them."""

    gained: tuple[DagHash, ...]
    """As they stand in the lock file now."""

    lost: tuple[DagHash, ...]
