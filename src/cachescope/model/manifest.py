"""Manifests of layout v3: the small documents that name the blobs of one spec, index or key."""

from dataclasses import dataclass

from cachescope.model.identity import Digest

__all__ = ["BlobRef", "Manifest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRef:
    """One blob as its manifest describes it; size and digest are of the stored, compressed bytes."""

    media_type: str
    digest: Digest
    size: int
    """Bytes, as stored."""

    compression: str
    """``gzip`` or ``none`` as Spack writes them; other words are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Version and blobs, in the order of the document; of one media type the first counts."""

    version: int
    blobs: tuple[BlobRef, ...]
    signed: bool
    """Whether it came in an OpenPGP envelope; says nothing of the signature's worth."""
