"""What a catalogue knows of mirrors before it asks them: their sources, and what was read last of each."""

from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import MirrorName, ViewName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.record import Validator
from cachescope.model.results import Counts

__all__ = ["KnownDocument", "KnownSource", "StandingMirror"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDocument:
    """The document that was read last for a source and scope."""

    url: str
    validator: Validator
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSource:
    """A source that was found at a mirror before."""

    id: int
    layout: Layout
    view: ViewName | None
    counts: Counts
    rejected: int
    """Records of the last snapshot that could not be read."""

    document: KnownDocument | None
    """None where no index of it was ever read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingMirror:
    """A registered mirror as the catalogue knows it."""

    name: MirrorName
    url: MirrorUrl | None
    """None where only published pages speak of it."""

    probed_at: datetime | None
    """When all its layouts were last asked for."""

    sources: tuple[KnownSource, ...]
    """Those with an index, by key; published pages are left out."""
