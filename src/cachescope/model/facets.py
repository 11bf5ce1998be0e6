"""One package by its fields: which values they have, how many binaries each, and the query that choosing one leads to."""

from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import MirrorName

__all__ = ["BuiltCell", "Facet", "FacetValue", "HistoryPoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """One value of a field."""

    text: str
    """As people read it, for example ``gcc@13.2.0`` or ``+mpi``."""

    specs: int
    """Binaries with it, among those that fulfil all of the query but what it says of this field."""

    chosen: bool
    """Whether the query speaks of the field and this value fulfils it."""

    query: str
    """The query after this value is chosen, or no longer chosen; empty where Spack's language cannot say it."""

    mirror: MirrorName | None = None
    """For a value of the facet ``stack``, which is no part of a query but a scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A field that a package's binaries can be narrowed by."""

    field: str
    """``version``, ``compiler``, ``os``, ``target``, ``variant`` or ``stack``."""

    name: str
    """Of the variant; the field itself otherwise."""

    values: tuple[FacetValue, ...]
    """Versions newest first, others by how many binaries they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCell:
    """Binaries of one version for one system and target, among those that match."""

    version: str
    os: str
    target: str
    specs: int
    compilers: tuple[str, ...]
    """That of most binaries first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPoint:
    """What a moment changed, in distinct binaries of a scope; one counts from its first to its last sight."""

    at: datetime
    came: int
    gone: int
    present: int
    """How many there were from then on."""
