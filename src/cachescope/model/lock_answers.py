"""Answers about lock files that are handed in, and the service that gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachescope.model.coverage import Coverage
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash, MirrorName
from cachescope.model.mirror import MirrorUrl
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.model.sightings import Against
from cachescope.model.why import WhatIf, WhyReport

__all__ = ["Asked", "Explained", "FoundHash", "FoundHashes", "LockAnswers", "WhyQuestion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A document that names concrete specs, and what to judge it by."""

    document: bytes
    name: str
    """What errors and answers call the document."""

    against: tuple[Against, ...] = ()
    """Nothing is all that the catalogue has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyQuestion:
    """What is asked of causes beside the document, in the query language; None where it is not."""

    only: str | None = None
    assumed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Coverage and causes of one document, out of one state of the catalogue."""

    coverage: Coverage
    report: WhyReport
    levels: Mapping[DagHash, int]
    """For each described spec the longest way down to one without dependencies: 0, 1 ..."""

    roots: tuple[DagHash, ...]
    urls: Mapping[MirrorName, MirrorUrl | None]
    """Where the mirrors are; None where that is not recorded."""


@dataclass(frozen=True, slots=True)
class FoundHash:
    """One hash of many that were asked for."""

    hash: DagHash
    spec: SpecSummary | None
    """None where the catalogue has never met it."""

    presence: Presence | None = None
    """The highest that stands within what is judged by; None where nothing does."""


@dataclass(frozen=True, slots=True)
class FoundHashes:
    """Many hashes, in the order in which they were asked for."""

    found: tuple[FoundHash, ...]


class LockAnswers(Protocol):
    """Answers from the catalogue alone, never from a mirror. Safe to call from several threads.

    All raise ``MalformedDocument`` or ``UserInputError`` for a document that cannot be read, ``UserInputError`` for one of more
    specs than are answered at once, and ``NotInCatalogue`` for names to judge by that are unknown.
    """

    def coverage(self, asked: Asked, *, deptypes: str, host: Host | None) -> Coverage:
        """How much is present; ``deptypes`` is ``run``, ``build`` or ``all``."""
        ...

    def why(self, asked: Asked, question: WhyQuestion) -> tuple[WhyReport, WhatIf | None]:
        """Causes of what is missing. Raises ``QuerySyntaxError`` too."""
        ...

    def explained(self, asked: Asked, *, deptypes: str, host: Host | None) -> Explained:
        """Coverage, causes and the shape of the DAG together."""
        ...

    def lookup(self, asked: Asked) -> FoundHashes:
        """Where each spec is."""
        ...

    def against_names(self) -> Sequence[str]:
        """What can be judged by, as it is typed: refs, then mirrors."""
        ...
