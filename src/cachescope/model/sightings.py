"""What a catalogue knows of specs that somebody asks for by the hundred: where they are, and what else has their names."""

from datetime import datetime
from typing import NamedTuple

from cachescope.model.identity import DagHash, MirrorName, PackageName, Ref, SourceName
from cachescope.model.record import Presence
from cachescope.model.spec import Architecture, Compiler, EdgeKind

__all__ = ["Against", "CachedEdge", "CachedSpec", "KnownSpec", "Sighting"]

Against = Ref | SourceName
"""A part of the catalogue to judge by: a whole ref, a mirror, or one view of a mirror. A ref is a ``str``."""


class Sighting(NamedTuple):
    """What one source says of a spec, now or formerly."""

    source: SourceName
    presence: Presence
    until: datetime | None
    """When a sync first found it gone; None while it stands."""


class KnownSpec(NamedTuple):
    """A spec that the catalogue has met."""

    key: int
    """The catalogue's key."""

    hash: DagHash
    here: tuple[Sighting, ...]
    """Within what is judged by."""

    elsewhere: tuple[MirrorName, ...]
    """Other mirrors where it is present now, sorted."""

    @property
    def presence(self) -> Presence | None:
        """The highest presence that stands now; None where nothing does."""
        return max((one.presence for one in self.here if one.until is None), default=None)

    @property
    def present_in(self) -> tuple[MirrorName, ...]:
        """Mirrors that are judged by and have it, sorted."""
        names = {
            one.source.mirror for one in self.here if one.until is None and one.presence is Presence.PRESENT
        }
        return tuple(sorted(names))

    @property
    def present_until(self) -> tuple[MirrorName, datetime] | None:
        """Where it was present last, and until when; None if it never was, or is."""
        ends = [
            (one.until, one.source.mirror)
            for one in self.here
            if one.until is not None and one.presence is Presence.PRESENT
        ]
        if not ends:
            return None
        until, mirror = max(ends)
        return mirror, until


class CachedSpec(NamedTuple):
    """A spec of the catalogue as comparisons need it."""

    key: int
    hash: DagHash
    name: PackageName
    version: str
    namespace: str
    architecture: Architecture
    compiler: Compiler | None
    variant_set: int
    """Key of its variants and flags; 0 for none."""

    package_hash: str
    build_spec: str
    external: bool
    spec_format: int
    recorded: bool
    """False where it is known from a published page, or by its hash alone: its dependencies are not known."""


class CachedEdge(NamedTuple):
    """An edge to a dependency of the catalogue."""

    name: str
    child: int
    kind: EdgeKind
