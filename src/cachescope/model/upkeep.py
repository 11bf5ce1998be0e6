"""What the upkeep of a catalogue answers with."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["CatalogueStatus", "CheckFinding", "CheckReport", "VacuumReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueStatus:
    """How large a catalogue is, and how old."""

    where: str
    """File or address, without a password."""

    database: str
    """Product and version."""

    revision: str
    """Of the tables."""

    size: int
    """Bytes on the disk."""

    mirrors: int
    sources: int
    specs: int
    records: int
    """Specs of which the original record is kept."""

    edges: int
    snapshots: int
    standing: int
    """Intervals of presence that stand."""

    closed: int
    """Intervals of presence that ended: history."""

    last_sync: datetime | None
    """The last attempt at any source."""

    oldest_snapshot: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One thing that is wrong in a catalogue."""

    check: str
    message: str
    count: int
    """How many rows it concerns."""

    examples: tuple[str, ...] = ()
    """The first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was checked, and what was found wrong."""

    where: str
    checks: tuple[str, ...]
    findings: tuple[CheckFinding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumReport:
    """What was removed, and what that gained."""

    where: str
    before: datetime | None
    """History that ended before this was removed; None if it is kept for ever."""

    intervals: int
    snapshots: int
    specs: int
    size_before: int
    size_after: int
