"""Reads and checks what describes one binary that is to be pulled: its spec manifest (v3) or its spec document (v2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cachescope.catalogue.pull_selection import PulledBinary
from cachescope.formats.layouts import (
    LARGEST_SPEC_DOCUMENT,
    archive_path,
    blob_path,
    spec_document_paths,
    spec_manifest_path,
)
from cachescope.formats.manifest_json import archive_blob, decode_manifest, spec_blob
from cachescope.formats.signature import unwrap
from cachescope.formats.spec_json import decode_spec_document
from cachescope.model.errors import MalformedDocument, UntrustedSignature
from cachescope.model.mirror import Layout
from cachescope.model.virtual import VirtualSource
from cachescope.transport.gpgv import TrustedKeys
from cachescope.transport.kept_blob import Expected
from cachescope.transport.source import ByteSource, Fetched, Missing, Sized

__all__ = ["BinaryDocument", "BlobFile", "read_document"]


@dataclass(frozen=True, slots=True)
class BlobFile:
    """Stored bytes that a document names."""

    path: str
    """Below the mirror, at its source and on disk."""

    expected: Expected
    sources: tuple[VirtualSource, ...]
    """Where it may be read, the first one first: the digest says that it is the same everywhere."""

    compression: str = ""


@dataclass(frozen=True, slots=True)
class BinaryDocument:
    """The document of one binary, byte for byte, and the blobs that it names."""

    pulled: PulledBinary
    path: str
    data: bytes
    blobs: tuple[BlobFile, ...]
    spec: BlobFile | None
    """The blob with the spec itself, among ``blobs``: it says whose document this is. None in layout v2."""

    is_signed: bool
    fingerprint: str = ""
    """Of the key that signed it, if that was verified."""

    key_is_expired: bool = False


def read_document(
    pulled: PulledBinary, open_source: Callable[[VirtualSource], ByteSource], keys: TrustedKeys | None
) -> BinaryDocument:
    """Read the document at the first source that has the binary; with ``keys`` its signature is verified.

    Raises ``UntrustedSignature``, ``MalformedDocument`` (also for what its index lists and is not there), and
    ``MirrorUnavailable``.
    """
    source = pulled.sources[0]
    match source.layout:
        case Layout.V3:
            return _read_v3(pulled, open_source(source), keys)
        case Layout.V2:
            return _read_v2(pulled, open_source(source), keys)
        case Layout.OCI | Layout.PAGES:
            raise AssertionError(f"{source.layout} is no layout to pull from")


def _read_v3(pulled: PulledBinary, source: ByteSource, keys: TrustedKeys | None) -> BinaryDocument:
    path = spec_manifest_path(pulled.binary)
    data = _read(source, pulled, (path,))[1]
    signature = _signature(data, pulled, path, keys)
    manifest = decode_manifest(data, kind="spec manifest")
    others = tuple(one for one in pulled.sources if one.layout is Layout.V3)
    blobs = {
        one.digest: BlobFile(blob_path(one.digest), Expected(one.digest, one.size), others, one.compression)
        for one in manifest.blobs
    }
    archive_blob(manifest)
    return BinaryDocument(
        pulled,
        path,
        data,
        tuple(blobs.values()),
        blobs[spec_blob(manifest).digest],
        manifest.signed,
        *signature,
    )


def _read_v2(pulled: PulledBinary, source: ByteSource, keys: TrustedKeys | None) -> BinaryDocument:
    path, data = _read(source, pulled, spec_document_paths(pulled.binary))
    signature = _signature(data, pulled, path, keys)
    stated = decode_spec_document(data, expected=pulled.binary.hash)
    archive = archive_path(pulled.binary)
    size = source.size(archive)
    if isinstance(size, Missing):
        raise MalformedDocument("the archive is missing there", where=_where(pulled, archive))
    expected = Expected(stated.digest, size.size if isinstance(size, Sized) else None)
    blob = BlobFile(archive, expected, pulled.sources[:1])
    return BinaryDocument(pulled, path, data, (blob,), None, stated.signed, *signature)


def _read(source: ByteSource, pulled: PulledBinary, paths: Sequence[str]) -> tuple[str, bytes]:
    for path in paths:
        outcome = source.read(path, largest=LARGEST_SPEC_DOCUMENT)
        if isinstance(outcome, Fetched):
            with outcome.body as body:
                return path, bytes(body.data)
    raise MalformedDocument(
        "the index lists it, and its document is missing there",
        where=_where(pulled, paths[-1]),
        hint="sync this mirror again, or tell its maintainer",
    )


def _signature(data: bytes, pulled: PulledBinary, path: str, keys: TrustedKeys | None) -> tuple[str, bool]:
    """Return whose signature a document has, verified, and whether the key has expired."""
    if keys is None:
        return "", False
    text, signed = unwrap(data)
    where = _where(pulled, path)
    if not signed:
        raise UntrustedSignature(
            "it is not signed", where=where, hint="leave signatures unchecked with --no-verify"
        )
    verified = keys.verify(data, where=where)
    if _lines(verified.text) != _lines(text):
        # Spack reads what stands in the envelope: text before or behind what was signed must not be it.
        raise UntrustedSignature(
            "not all of it is signed", where=where, hint="do not use it: somebody added to it"
        )
    return verified.fingerprint, verified.is_expired


def _lines(text: bytes) -> list[bytes]:
    """Cut text as OpenPGP compares it: ends of lines, and blanks before them, do not count."""
    return [line.rstrip() for line in text.strip().split(b"\n")]


def _where(pulled: PulledBinary, path: str) -> str:
    return f"{pulled.sources[0].url}/{path}"
