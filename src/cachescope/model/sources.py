"""What is known of sources, and what a sync did to them. Times are aware and in UTC."""

from dataclasses import dataclass, field
from datetime import datetime

from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import MirrorName, SourceName, ViewName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.results import Counts

__all__ = ["Attempt", "AttemptOutcome", "SizesOutcome", "SourceOutcome", "SourceStatus", "SyncReport"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last time that a source was asked."""

    at: datetime | None
    outcome: str
    """``updated``, ``unchanged``, ``failed`` or ``never``."""

    reason: str | None = None


class AttemptOutcome:
    """The words of ``Attempt.outcome``."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source of the catalogue, or a registered mirror that was never read (layout None)."""

    name: MirrorName
    url: MirrorUrl | None
    layout: Layout | None
    view: ViewName | None
    index_version: int | None
    counts: Counts
    snapshot_at: datetime | None
    """When the records that stand in the catalogue were read."""

    last_attempt: Attempt
    rejected: int = 0
    """Records of the last snapshot that could not be read."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOutcome:
    """What one sync did to one source."""

    name: SourceName | MirrorUrl
    """The address, where it cannot be told which source was meant (a page that cannot be read)."""

    layout: Layout | None
    attempt: Attempt
    counts: Counts = field(default_factory=Counts)
    added: int = 0
    """Records that the former snapshot did not have."""

    gone: int = 0
    changed: int = 0
    """Records whose presence changed, for example from mentioned to present."""

    rejected: tuple[MalformedRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Exception | None = None
    """Why it failed; the former snapshot still answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizesOutcome:
    """What came of asking one source for the sizes of its binaries."""

    name: SourceName
    layout: Layout
    binaries: int
    """That are present there now."""

    known: int
    """Of these, those whose size is known, by this run or a former one."""

    stated: int = 0
    missing: int = 0
    unreadable: int = 0
    refused: int = 0
    not_asked: int = 0
    """Those that gave no answer included."""

    reasons: tuple[str, ...] = ()
    """Why sizes are not known; the first few."""

    error: Exception | None = None
    """Why some were not asked; what was read before is kept."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Outcomes in the order in which the sources were read."""

    outcomes: tuple[SourceOutcome, ...]
    hints: tuple[str, ...] = ()
    sizes: tuple[SizesOutcome, ...] | None = None
    """None where sizes were not asked for."""
