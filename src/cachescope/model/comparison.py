"""Two specs side by side: what differs, and which of the differences are the causes of the others."""

import enum
from dataclasses import dataclass

from cachescope.model.identity import DagHash
from cachescope.model.results import SpecSummary
from cachescope.model.spec import EdgeKind

__all__ = [
    "Cause",
    "ChangedDependency",
    "Comparison",
    "Consequence",
    "DependencyChange",
    "DependencySide",
    "FieldDifference",
    "SharedDifference",
]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field in which two specs differ; None on the side that does not have it.

    ``field`` is ``name``, ``version``, ``namespace``, ``compiler``, ``platform``, ``os``, ``target``, ``variant:NAME``,
    ``flags:NAME``, ``recipe`` (package hash), ``external``, ``build_spec``, ``format``, ``dependency:NAME`` (on one side
    only), ``deptypes:NAME`` and ``virtuals:NAME`` (of an edge that both have), ``record`` (known by its hash alone on one
    side), or ``hash``: nothing recorded tells them apart.
    """

    field: str
    first: str | None
    second: str | None


@dataclass(frozen=True, slots=True)
class DependencySide:
    """A direct dependency as one of the two specs has it."""

    hash: DagHash
    version: str
    """Empty where no record describes it."""

    kind: EdgeKind


class DependencyChange(enum.StrEnum):
    """How the direct dependencies of two specs differ, in the words of JSON."""

    ADDED = "added"
    """Only the second has it."""

    REMOVED = "removed"
    """Only the first has it."""

    OTHER_SPEC = "other_spec"
    """Another hash, and perhaps used otherwise."""

    USED_OTHERWISE = "used_otherwise"
    """The same hash with other dependency types or virtuals."""


@dataclass(frozen=True, slots=True)
class ChangedDependency:
    """A direct dependency in which two specs differ; a side is None where it has none."""

    name: str
    change: DependencyChange
    first: DependencySide | None
    second: DependencySide | None


@dataclass(frozen=True, slots=True)
class Cause:
    """A node of both DAGs that differs by itself, not only through what lies below it."""

    path: tuple[str, ...]
    """Names from the compared specs down to it; empty for the specs themselves."""

    first: DagHash
    second: DagHash
    differences: tuple[FieldDifference, ...]


@dataclass(frozen=True, slots=True)
class Consequence:
    """A node of both DAGs whose hash differs only because something below it does."""

    path: tuple[str, ...]
    first: DagHash
    second: DagHash


@dataclass(frozen=True, slots=True)
class SharedDifference:
    """One difference that several nodes have alike, for example another target throughout."""

    difference: FieldDifference
    paths: tuple[tuple[str, ...], ...]
    """Of the nodes, deepest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What separates two specs."""

    first: SpecSummary
    second: SpecSummary
    own: tuple[FieldDifference, ...]
    """In their own fields, dependencies aside."""

    dependencies: tuple[ChangedDependency, ...]
    """Of their own, by name."""

    causes: tuple[Cause, ...]
    """Deepest first: nothing stands before a cause that lies below it."""

    consequences: tuple[Consequence, ...]
    """Deepest first."""

    dependencies_known: bool = True
    """False where one of the two is known from a published page or by its hash alone."""

    complete: bool = True
    """False where the DAGs differ in more nodes than are compared."""

    @property
    def shared(self) -> tuple[SharedDifference, ...]:
        """Differences that several causes have alike, those of most nodes first."""
        paths: dict[FieldDifference, list[tuple[str, ...]]] = {}
        for cause in self.causes:
            for one in dict.fromkeys(cause.differences):
                paths.setdefault(one, []).append(cause.path)
        several = [(one, found) for one, found in paths.items() if len(found) > 1]
        several.sort(key=lambda one: -len(one[1]))
        return tuple(SharedDifference(one, tuple(found)) for one, found in several)

    @property
    def identical(self) -> bool:
        """Whether both are one spec."""
        return self.first.hash == self.second.hash
