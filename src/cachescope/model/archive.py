"""Archives: the stored file of a binary at one source, as its manifest or its spec document states it."""

import enum
from dataclasses import dataclass
from datetime import datetime

from cachescope.model.identity import DagHash, Digest, PackageName
from cachescope.model.spec import Architecture, Compiler

__all__ = ["Archive", "ArchiveState", "Binary", "SizeSum"]


class ArchiveState(enum.IntEnum):
    """What came of the question how large a binary is."""

    STATED = 0
    """Its size is known."""

    MISSING = 1
    """The source lists the binary, and there is no document or no archive that says its size."""

    UNREADABLE = 2
    """The document is there and breaks its format, or is about another spec."""

    REFUSED = 3
    """The mirror gives access to its index and not to this document (403)."""

    @property
    def word(self) -> str:
        """The word for people and JSON."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One binary at one source. The same DAG hash elsewhere may be other bytes."""

    state: ArchiveState
    asked_at: datetime
    size: int | None = None
    """Bytes as stored, compressed; None unless stated."""

    digest: Digest | None = None
    """Of the bytes as stored."""

    media_type: str = ""
    """As the manifest names it; empty in layout v2, which has none."""

    compression: str = ""
    signed: bool | None = None
    """Whether the document came in an OpenPGP envelope, which says nothing of the signature's worth; None if not read."""

    reason: str = ""
    """Why the size is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """What the paths of a binary inside a mirror are made of."""

    hash: DagHash
    name: PackageName
    version: str
    compiler: Compiler | None
    architecture: Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSum:
    """Bytes of several binaries, as far as they are known: of ``known`` out of ``total``."""

    bytes: int
    known: int
    total: int

    without_binary: int = 0
    """How many of ``total`` no mirror holds now, so that nothing can be known of their size."""

    @property
    def is_complete(self) -> bool:
        """Whether every size is known, so that ``bytes`` is the whole."""
        return self.known == self.total
