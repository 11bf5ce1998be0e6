"""Writes the files of a v3 mirror: index blob, index manifest, ``layout.json``, and spec manifests."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import NamedTuple, Self

from nodes import INDEX_MANIFEST

INDEX_MEDIA_TYPE = "application/vnd.spack.db.v8+json"
TARBALL_MEDIA_TYPE = "application/vnd.spack.install.v2.tar+gzip"
SPEC_MEDIA_TYPE = "application/vnd.spack.spec.v5+json"

HEAD, TAIL = b'{"database":{"version":"8","installs":{', b"}}}"
_UNSAFE = re.compile(r"[^A-Za-z0-9_+.-]")


class Record(NamedTuple):
    """One entry of an index: the DAG hash, the JSON text of the record, and what its manifest is named by."""

    hash: str
    text: str
    name: str
    version: str
    is_present: bool


class IndexBlob(NamedTuple):
    """The index as it was written, and its size in bytes."""

    path: Path
    size: int


class IndexWriter:
    """Writes the index of one mirror, a piece at a time; a context manager that leaves nothing where the block fails.

    The blob is named once it is whole, and the manifest is written last, so that it never names one that is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.size = 0
        self._digest = hashlib.sha256()
        self._records = 0

    def __enter__(self) -> Self:
        self.blobs.mkdir(parents=True, exist_ok=True)
        self._stream = NamedTemporaryFile(dir=self.blobs, prefix="index-", delete=False)
        self._write(HEAD)
        return self

    def add(self, records: bytes) -> None:
        """Append records as they stand in an index, joined by commas; none if empty."""
        if not records:
            return
        if self._records:
            self._write(b",")
        self._records += 1
        self._write(records)

    def _write(self, data: bytes) -> None:
        self.size += self._stream.write(data)
        self._digest.update(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unnamed = Path(self._stream.name)
        try:
            if error is None:
                self._write(TAIL)
        finally:
            self._stream.close()
            if error is not None:
                unnamed.unlink()
        if error is None:
            self._publish(unnamed)

    def _publish(self, unnamed: Path) -> None:
        checksum = self._digest.hexdigest()
        self.path = self.blobs / checksum[:2] / checksum
        self.path.parent.mkdir(exist_ok=True)
        unnamed.chmod(0o644)
        unnamed.replace(self.path)
        (self.folder / INDEX_MANIFEST).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "v3" / "layout.json").write_text('{"signing": "gpg"}', encoding="ascii")
        manifest = manifest_text(blob_entry(self.size, INDEX_MEDIA_TYPE, "none", checksum))
        (self.folder / INDEX_MANIFEST).write_text(manifest, encoding="ascii")


def write_mirror(folder: Path, records: Iterable[Record]) -> IndexBlob:
    """Write the index of a v3 mirror out of its records."""
    with IndexWriter(folder) as index:
        for record in records:
            index.add(f'"{record.hash}":{record.text}'.encode())
    return IndexBlob(index.path, index.size)


def write_spec_manifest(folder: Path, name: str, version: str, digest: str) -> None:
    """Write the manifest of one binary. Sizes and checksums follow from the hash; the blobs that it names are not there."""
    sizes = hashlib.sha256(f"sizes {digest}".encode()).digest()
    # From 16 KiB to 512 MiB, every power of two as likely as the others: many small ones, few large.
    archive = int(2 ** (14 + 15 * int.from_bytes(sizes[:4]) / 2**32))
    document = 2_000 + int.from_bytes(sizes[4:6])
    manifest = manifest_text(
        blob_entry(
            archive, TARBALL_MEDIA_TYPE, "gzip", hashlib.sha256(f"tarball {digest}".encode()).hexdigest()
        ),
        blob_entry(document, SPEC_MEDIA_TYPE, "gzip", hashlib.sha256(f"spec {digest}".encode()).hexdigest()),
    )
    place = folder / "v3" / "manifests" / "spec" / name
    place.mkdir(parents=True, exist_ok=True)
    file = f"{name}-{_UNSAFE.sub('_', version)}-{digest}.spec.manifest.json"
    (place / file).write_text(manifest, encoding="ascii")


def blob_entry(size: int, media_type: str, compression: str, checksum: str) -> dict[str, object]:
    return {
        "contentLength": size,
        "mediaType": media_type,
        "compression": compression,
        "checksumAlgorithm": "sha256",
        "checksum": checksum,
    }


def manifest_text(*blobs: dict[str, object]) -> str:
    # As Spack writes it: lines, but no indentation.
    return json.dumps({"version": 3, "data": blobs}, indent=0, separators=(",", ":"))
