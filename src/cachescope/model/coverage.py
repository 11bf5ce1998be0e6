"""How much of a lock file is in the mirrors, and which mirrors it takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from cachescope.model.hosts import Host
from cachescope.model.identity import MirrorName
from cachescope.model.results import SpecSummary

__all__ = ["Coverage", "MirrorSet", "MirrorShare", "MissingSpec", "Tally"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Present specs of all that are wanted; externals are in neither."""

    present: int
    total: int

    @property
    def share(self) -> float:
        """Present to total, 0 to 1; of nothing all is there."""
        return self.present / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorShare:
    """What one mirror has of the specs."""

    name: MirrorName
    tally: Tally
    run: Tally
    """Of the run closure."""

    @property
    def installable(self) -> bool:
        """Whether this mirror alone has the whole run closure."""
        return self.run.present == self.run.total


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSet:
    """The fewest mirrors that together reach a share."""

    mirrors: tuple[MirrorName, ...]
    """In the order in which they help most."""

    tally: Tally
    exact: bool
    """False where there were too many mirrors to try all sets: a smaller one may exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSpec:
    """A wanted spec that is not present."""

    spec: SpecSummary
    dependents: int
    """How many other specs of the lock file depend on it, directly or not."""

    needed_at_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What of a lock file is present, and where. Lists hold only what ``deptypes`` asks for."""

    files: tuple[str, ...]
    against: tuple[MirrorName, ...]
    deptypes: str
    """``run``, ``build`` (what is needed to build only) or ``all``."""

    present: tuple[SpecSummary, ...]
    missing: tuple[MissingSpec, ...]
    """Those on which most others depend first."""

    external: tuple[SpecSummary, ...]
    unstated: tuple[SpecSummary, ...] = ()
    """Sources name them, but do not say whether there are binaries; not counted as present."""

    host: Host | None = None
    not_runnable: tuple[SpecSummary, ...] = ()
    """Present, but not for this host; not counted as present."""

    tally: Tally
    run: Tally
    build: Tally
    """Of specs that only building needs."""

    installable: bool
    """Whether the whole run closure is present: nothing must be built."""

    mirrors: tuple[MirrorShare, ...]
    """Best first."""

    sets: tuple[MirrorSet, ...]
    """One mirror, two ... up to the fewest that reach the best share."""

    bytes_known: int = 0
    """Compressed bytes of the present specs whose sizes are known."""

    bytes_unknown: int = 0
    """Present specs whose sizes are not known."""

    warnings: tuple[str, ...] = ()

    def smallest_set(self, share: float) -> MirrorSet | None:
        """Return the fewest mirrors that reach a share (0 to 1); None if all together do not."""
        return next((one for one in self.sets if one.tally.share >= share), None)

    def ordered_missing(self, limit: int) -> Sequence[MissingSpec]:
        """Return the first of the missing; ``limit`` 0 is all."""
        return self.missing[:limit] if limit else self.missing
