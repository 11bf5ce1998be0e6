"""One mirror as a whole, and what snapshots changed."""

from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import MirrorName, PackageName, SourceName
from cachescope.model.mirror import Layout
from cachescope.model.results import Counts, PackageSummary
from cachescope.model.sources import SourceStatus

__all__ = ["CompilerUse", "MirrorReport", "SnapshotChange", "Tally"]


@dataclass(frozen=True, slots=True)
class Tally:
    """A name and how many binaries have it."""

    name: str
    specs: int


@dataclass(frozen=True, slots=True)
class CompilerUse:
    """A compiler, and what was built with it: not how often it stands in a DAG."""

    name: str
    packages: int
    specs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotChange:
    """What one snapshot of one source changed, in binaries."""

    id: int
    source: SourceName
    layout: Layout
    at: datetime
    came: int
    gone: int
    present: int
    """Binaries of the source from then on."""

    first: bool
    """Whether the source was read for the first time: then all that it has came."""

    named: tuple[PackageName, ...]
    """Some packages of which binaries came, those of most first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """Everything that ``/cache/REF/STACK`` shows."""

    name: MirrorName
    sources: tuple[SourceStatus, ...]
    counts: Counts
    """Distinct specs of all its sources."""

    packages: int
    """With a binary, or one of unstated presence."""

    biggest: tuple[PackageSummary, ...]
    compilers: tuple[CompilerUse, ...]
    """By packages that were built with them."""

    systems: tuple[Tally, ...]
    targets: tuple[Tally, ...]
    changes: tuple[SnapshotChange, ...]
    """Newest first; a snapshot that changed nothing is among them."""
