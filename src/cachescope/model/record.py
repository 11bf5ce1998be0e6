"""Index records and snapshots: what a source says of a spec, and when."""

import enum
from dataclasses import dataclass, field

__all__ = ["IndexHeader", "Presence", "Validator", "Verdict", "Verification"]


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
