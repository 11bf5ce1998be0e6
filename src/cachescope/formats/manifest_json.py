"""Manifests of layout v3, written by Spack 1.0 and newer (source: Spack 1.2 ``url_buildcache``).

::

    {"version":3,"data":[{"contentLength":111570,"mediaType":"application/vnd.spack.db.v8+json",
      "compression":"none","checksumAlgorithm":"sha256","checksum":"a5c4..."}]}

``contentLength`` and ``checksum`` are of the stored bytes. Spec manifests may stand in an OpenPGP envelope.
"""

import re

import msgspec

from cachescope.formats.decoding import decoding
from cachescope.formats.signature import unwrap
from cachescope.model.errors import MalformedDocument, UnsupportedVersion, UserInputError
from cachescope.model.identity import parse_digest
from cachescope.model.manifest import BlobRef, Manifest

__all__ = ["NEWEST_INDEX_VERSION", "archive_blob", "decode_manifest", "index_blob", "spec_blob"]

NEWEST_INDEX_VERSION = 8
"""Of Spack 1.2; an index that says more is refused by name."""

_MANIFEST_VERSION = 3
_LARGEST = 2**63 - 1
"""Bytes; what a column of the catalogue holds."""

_INDEX_MEDIA_TYPE = re.compile(r"application/vnd\.spack\.db\.v(\d{1,9})\+json")
_ARCHIVE_MEDIA_TYPE = re.compile(r"application/vnd\.spack\.install\.v\d{1,9}\.tar\+\w{1,20}")
_SPEC_MEDIA_TYPE = re.compile(r"application/vnd\.spack\.spec\.v\d{1,9}\+json")


class _BlobWire(msgspec.Struct, rename="camel"):
    content_length: int
    media_type: str
    compression: str
    checksum_algorithm: str
    checksum: str


class _VersionWire(msgspec.Struct):
    version: int


class _ManifestWire(msgspec.Struct):
    data: list[_BlobWire]


def decode_manifest(document: memoryview | bytes, *, kind: str) -> Manifest:
    """Decode a manifest, signed or not; ``kind`` names it in errors, for example "index manifest".

    Raises ``MalformedDocument``, also for a checksum that is none (a path, for example), and ``UnsupportedVersion``.
    """
    text, signed = unwrap(bytes(document))
    with decoding(kind, text):
        version = msgspec.json.decode(text, type=_VersionWire).version
    if version != _MANIFEST_VERSION:  # before the rest, which may have another shape then
        raise UnsupportedVersion(
            f"the {kind} has version {version}; this cachescope reads {_MANIFEST_VERSION}",
            hint="a newer Spack wrote it: update cachescope",
        )
    with decoding(kind, text):
        wire = msgspec.json.decode(text, type=_ManifestWire)
    return Manifest(version=version, blobs=tuple(_blob(one, kind) for one in wire.data), signed=signed)


def _blob(wire: _BlobWire, kind: str) -> BlobRef:
    try:
        digest = parse_digest(wire.checksum_algorithm, wire.checksum)
    except UserInputError as error:
        raise MalformedDocument(
            f"the {kind} names a blob by something that is no checksum: {error.message}",
            hint="do not use this mirror before its maintainer has looked at it: such a manifest can be an attack",
        ) from error
    if not 0 <= wire.content_length <= _LARGEST:
        raise MalformedDocument(f"the {kind} gives a blob the size {wire.content_length}")
    return BlobRef(
        media_type=wire.media_type, digest=digest, size=wire.content_length, compression=wire.compression
    )


def index_blob(manifest: Manifest, *, newest: int) -> BlobRef:
    """Choose the index blob of the highest version that is read, up to ``newest``.

    Raises ``UnsupportedVersion`` if all are newer, ``MalformedDocument`` if there is none.
    """
    found = [
        (int(match[1]), blob)
        for blob in manifest.blobs
        if (match := _INDEX_MEDIA_TYPE.fullmatch(blob.media_type))
    ]
    readable = [(version, blob) for version, blob in found if version <= newest]
    if readable:
        return max(readable, key=lambda one: one[0])[1]
    if found:
        raise UnsupportedVersion(
            f"the index has version {min(version for version, _ in found)}; this cachescope reads up to {newest}",
            hint="a newer Spack wrote it: update cachescope",
        )
    raise MalformedDocument(
        "the index manifest names no index", hint="'spack buildcache update-index' writes it anew"
    )


def archive_blob(manifest: Manifest) -> BlobRef:
    """Choose the archive of a spec manifest: the first that is one, of whatever version. Raises ``MalformedDocument``."""
    for blob in manifest.blobs:
        if _ARCHIVE_MEDIA_TYPE.fullmatch(blob.media_type):
            return blob
    raise MalformedDocument(
        "the spec manifest names no archive", hint="'spack buildcache push' writes it anew"
    )


def spec_blob(manifest: Manifest) -> BlobRef:
    """Choose the document of the spec itself: the first that is one, of whatever version. Raises ``MalformedDocument``."""
    for blob in manifest.blobs:
        if _SPEC_MEDIA_TYPE.fullmatch(blob.media_type):
            return blob
    raise MalformedDocument("the spec manifest names no spec", hint="'spack buildcache push' writes it anew")
