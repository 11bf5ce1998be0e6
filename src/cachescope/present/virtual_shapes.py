"""The shapes of the JSON about virtual mirrors; what ``shapes`` says of shapes holds here too."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from cachescope.present.shapes import Hash, LayoutWord, Number, Time

__all__ = [
    "FailedSource",
    "GivingSource",
    "KnownBytes",
    "Lacking",
    "LockSummary",
    "VirtualMirror",
    "VirtualReport",
]


class LockSummary(TypedDict):
    """The lock file to which a virtual mirror is narrowed."""

    file: str
    specs: Number


class _Definition(TypedDict):
    name: str
    sources: Annotated[
        list[str], Meta(description="ref/stack, a view of it, or ref:REF; the first one wins.")
    ]
    filter: str | None
    lock: LockSummary | None
    incomplete: bool
    defined_in: Literal["settings", "catalogue"]


_Host = TypedDict("_Host", {"for": str | None})


class VirtualMirror(_Definition, _Host):
    """The definition of a virtual mirror."""


class KnownBytes(TypedDict):
    """Compressed bytes of the present specs of which the size is known, and how many these are."""

    known: Number
    specs: Number


class GivingSource(TypedDict):
    """A source of a virtual mirror, and how many of its specs come from there."""

    source: str
    layout: LayoutWord
    url: str
    gives: Number
    excluded: str | None
    snapshot_at: Time | None


class Lacking(TypedDict):
    """A spec without which others cannot run."""

    hash: Hash
    name: str
    version: str
    reason: str
    left_out: Number
    examples: list[str]


class FailedSource(TypedDict):
    """The last time that a source did not give what it lists."""

    source: str
    at: Time
    reason: str


class VirtualReport(VirtualMirror):
    """What is in a virtual mirror."""

    present: Number
    mentioned: Number
    packages: Number
    bytes: KnownBytes
    index_bytes: dict[str, Number]
    written_at: Time | None
    given_by: list[GivingSource]
    left_out: Number
    lacking: list[Lacking]
    absent: list[Hash]
    failures: list[FailedSource]
