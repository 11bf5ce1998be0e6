"""Index records and snapshots: what a source says of a spec, and when."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash
from cachescope.model.spec import ConcreteSpec

__all__ = ["IndexHeader", "Presence", "SpecRecords", "Validator", "Verdict", "Verification"]


class Presence(enum.IntEnum):
    """What a source says of a spec. The order matters: of several sources the highest counts."""

    MENTIONED = 0
    """Only known as somebody's dependency; there is no binary."""

    UNSTATED = 1
    """The source does not say (index version 5; stacks named by a published page)."""

    PRESENT = 2
    """A binary was listed."""

    @property
    def word(self) -> str:
        """The word for people and JSON."""
        return self.name.lower()


class Verdict(enum.IntEnum):
    """Whether a DAG hash could be recomputed from its record."""

    VERIFIED = 0
    MISMATCH = 1
    NOT_VERIFIABLE = 2

    @property
    def word(self) -> str:
        """The word for people and JSON."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict, with its reason for a person."""

    verdict: Verdict
    reason: str
    shared_suffix: str = ""
    """For a splice without its build spec: the last 7 characters, which a record of the same name may share."""


@dataclass(frozen=True, slots=True)
class Validator:
    """What lets one ask "changed?": HTTP entity tag and date, or size and time of a file."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHeader:
    """What an index document says of itself; ``version`` is None for published pages."""

    version: int | None
    warnings: tuple[str, ...] = field(default=())


class SpecRecords(Protocol):
    """The records of one source at one state, decoded only when asked.

    The catalogue asks ``presence`` for all and ``spec``, ``original`` and ``verification`` only for hashes that it does
    not have in full yet, so cost follows what changed.
    """

    @property
    def header(self) -> IndexHeader:
        """Version and warnings of the document."""
        ...

    @property
    def presence(self) -> Mapping[DagHash, Presence]:
        """Every readable record, in the order of the document."""
        ...

    @property
    def rejected(self) -> Sequence[MalformedRecord]:
        """Records that could not even be split; their hashes are not in ``presence``."""
        ...

    def spec(self, dag_hash: DagHash) -> ConcreteSpec:
        """Decode one record. Raises ``MalformedRecord`` with its path."""
        ...

    def original(self, dag_hash: DagHash) -> bytes:
        """Return the node as it stood in the document (JSON)."""
        ...

    def verification(self, spec: ConcreteSpec) -> Verification | None:
        """Recompute the hash of a decoded record; None where the record is no node (published pages)."""
        ...

    def __iter__(self) -> Iterator[DagHash]: ...

    def __len__(self) -> int: ...
