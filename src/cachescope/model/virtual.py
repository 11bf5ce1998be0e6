"""Virtual mirrors: ordered compositions of mirrors that the server serves as one mirror; and where their blobs are."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from cachescope.model.archive import Binary
from cachescope.model.errors import UserInputError
from cachescope.model.identity import DagHash, Digest, MirrorName, SourceName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.sightings import Against
from cachescope.model.sources import SourceStatus

__all__ = [
    "BlobPlace",
    "Blobs",
    "FailedSource",
    "LackingSpec",
    "LockShape",
    "OpenBlob",
    "OpenFile",
    "VirtualMirror",
    "VirtualName",
    "VirtualReport",
    "VirtualSource",
    "parse_virtual_name",
]

VirtualName = NewType("VirtualName", str)
"""Name of a defined virtual mirror: one word without ``/``, so that it cannot be the name of a mirror."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")
_RESERVED = re.compile(r"v\d+|blobs|build_cache")


def parse_virtual_name(text: str) -> VirtualName:
    """Read the name of a virtual mirror. Raises ``UserInputError``."""
    if _NAME.fullmatch(text) is None or _RESERVED.fullmatch(text) is not None:
        raise UserInputError(
            f"{text[:80]!r} is not a name of a virtual mirror",
            hint="one word out of letters, digits and _ . + -, for example hpc; a name with / is that of a mirror",
        )
    return VirtualName(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockShape:
    """What a lock file asks for: its run closure at the time of the definition."""

    file: str
    """As it was named, for people."""

    hashes: tuple[DagHash, ...]
    """The run closure of its roots without externals, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualMirror:
    """An ordered composition of mirrors with a filter.

    The first source that has a binary of a hash now gives it: its manifest, its signature, its bytes. The same hash in
    a later source is never served, also where its bytes differ, and also if the first one is down. So a source is
    trusted for all that it has and no earlier one has: put those whose signers are trusted most first. Nothing is
    signed anew; Spack checks the signatures of the sources against the keys that its user trusts, and any key that is
    trusted counts for every source. In layout v2, for a Spack that reads no other, the order is that of sources of v2.
    """

    name: str
    """A ``VirtualName``; of one that is not defined but served for a mirror, the mirror's name ``ref/stack``."""

    sources: tuple[Against, ...]
    """Mirrors, views of them, or whole refs (their mirrors by name); the order decides."""

    filter: str = ""
    """A query in Spack's language for the roots; empty for all."""

    host: str = ""
    """A host as ``Host`` writes it; a binary that does not run there counts as not available. Empty for any."""

    lock: LockShape | None = None
    """Only what this asks for."""

    incomplete: bool = False
    """Whether roots are present too of which the run closure has gaps."""

    from_settings: bool = False
    """Whether it stands in the settings file, not in the catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobPlace:
    """A source that names bytes by this digest: a manifest of it did, or ``sync --sizes`` read so."""

    mirror: MirrorName
    source: SourceName
    url: MirrorUrl
    """The mirror's root. ``str()`` masks a password; ``text`` is never shown, logged or sent to a client."""

    layout: Layout
    digest: Digest
    size: int | None = None
    """Bytes as stored."""

    binary: Binary | None = None
    """The spec whose archive it is, where it is one: layout v2 makes the path of it."""


class OpenBlob(Protocol):
    """Bytes that are on their way to a client."""

    size: int | None
    """Bytes that ``chunks`` gives; None if the source does not say."""

    total: int | None
    """Bytes of the whole blob."""

    @property
    def chunks(self) -> Iterator[bytes]:
        """The bytes. Raises an error where what came is not what the digest says, before the last byte is given."""

    def close(self) -> None:
        """Let go of the source; may be called before the end."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """Checked bytes in an open file, which can be read to its end even if its name goes meanwhile."""

    descriptor: int
    """Whoever is given it closes it."""

    size: int


class Blobs(Protocol):
    """How blobs come to clients. Safe to use from several threads."""

    def redirect(self, places: Sequence[BlobPlace]) -> str | None:
        """Return the public address to send the client to; None where the bytes must come from here."""

    def at_hand(self, digest: Digest) -> OpenFile | None:
        """Open what is kept and was looked at already; None for all else. Waits for nobody."""

    def kept(self, places: Sequence[BlobPlace]) -> OpenFile | None:
        """Open what is kept, looking at it first; None for what is not."""

    def fetching(self, places: Sequence[BlobPlace]) -> Future[bool] | None:
        """Return the end of the fetch that others wait for; None if there is none."""

    def fetch(self, places: Sequence[BlobPlace]) -> Future[bool] | None:
        """Fetch a blob to keep it, unless others do, whose fetch is returned at once; None where it cannot be kept.

        The result says whether any place had it; its error is that of the last place.
        """

    def stream(
        self, places: Sequence[BlobPlace], *, start: int = 0, stop: int | None = None
    ) -> OpenBlob | None:
        """Open the first place that has the bytes, from ``start`` up to ``stop`` (exclusive); None where none has them.

        Raises ``MirrorUnavailable`` where none could be asked.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSource:
    """A source of a virtual mirror, and what it gives."""

    id: int
    """The catalogue's key."""

    name: SourceName
    layout: Layout
    url: MirrorUrl
    index_version: str
    """Of its index, for example ``8``."""

    gives: int = 0
    """Present specs of the virtual mirror that come from here."""

    excluded: str = ""
    """Why nothing can come from here; empty if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LackingSpec:
    """A spec without which others cannot run, and that no source has for them."""

    hash: DagHash
    name: str
    version: str
    reason: str
    """Why it is not available, as the end of a sentence."""

    left_out: int
    """How many specs are left out for this reason first."""

    examples: tuple[str, ...]
    """The first of them: ``name@version /hash``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualReport:
    """What is in a virtual mirror at one state of the catalogue."""

    mirror: VirtualMirror
    sources: tuple[VirtualSource, ...]
    """In their order."""

    present: int
    mentioned: int
    packages: int
    bytes_known: int
    """Compressed bytes of the present specs whose sizes are known."""

    sizes_known: int
    """How many present specs these are."""

    left_out: int
    """Specs that fit, and whose run closure has gaps."""

    lacking: tuple[LackingSpec, ...]
    """What these lack, that for which most are left out first; the first of them."""

    absent: tuple[DagHash, ...] = ()
    """Specs of the lock file that no source has."""

    index_bytes: tuple[tuple[Layout, int], ...] = ()
    """Of the index of each layout that is served."""

    written_at: datetime | None = None
    """When its index was written."""

    statuses: tuple[SourceStatus, ...] = ()
    """How fresh the copies of the sources are, in their order."""

    failures: tuple["FailedSource", ...] = ()
    """Sources that lately did not give what they list, as far as the process that answers has met it."""


@dataclass(frozen=True, slots=True)
class FailedSource:
    """The last time that a source did not give what it lists."""

    name: SourceName
    at: datetime
    reason: str
    """Holds no secret."""
