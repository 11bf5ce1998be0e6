"""Reads the index of one source from a mirror: conditionally, checked against its digest, split but not decoded."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cachescope.formats.layouts import IndexLocation, blob_path
from cachescope.formats.manifest_json import NEWEST_INDEX_VERSION, decode_manifest, index_blob
from cachescope.model.errors import CachescopeError, MalformedDocument
from cachescope.model.identity import Digest
from cachescope.model.manifest import BlobRef
from cachescope.model.mirror import Layout
from cachescope.model.record import Validator
from cachescope.model.standing import KnownDocument
from cachescope.transport.body import decompressed, digest_of
from cachescope.transport.source import Body, ByteSource, Fetched, Missing, Progress, Unchanged

if TYPE_CHECKING:
    from cachescope.formats.index_json import IndexDocument

__all__ = ["Absent", "IndexRead", "IndexReader", "ReadResult", "Same"]

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class IndexRead:
    """An index that differs from the known one; its document lives as long as the reader."""

    records: "IndexDocument"
    validator: Validator
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class Same:
    """The index is the known one; ``validator`` is what to ask with next time."""

    validator: Validator


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such index at the mirror."""


ReadResult = IndexRead | Same | Absent


class IndexReader:
    """Reads indexes of one mirror, and holds their bytes until it is closed."""

    def __init__(
        self, source: ByteSource, *, max_unpacked_bytes: int, temporary_folder: Path | None = None
    ) -> None:
        self._source = source
        self._limit = max_unpacked_bytes
        self._temporary_folder = temporary_folder
        self._bodies = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.close()

    def read(self, location: IndexLocation, known: KnownDocument | None, progress: Progress) -> ReadResult:
        """Read the index at ``location``, unless it is the one that is known.

        Raises ``MirrorUnavailable`` and ``MalformedDocument`` (wrong checksum included).
        """
        match location.layout:
            case Layout.V3:
                return self._read_v3(location.path, known, progress)
            case Layout.V2:
                return self._read_v2(location.path, known, progress)
            case Layout.OCI | Layout.PAGES:
                raise AssertionError(f"{location.layout} has no index to read")

    def _read_v3(self, path: str, known: KnownDocument | None, progress: Progress) -> ReadResult:
        validator = known.validator if known is not None else None
        former: BlobRef | None = None
        for _ in range(_ATTEMPTS):
            outcome = self._source.read(path, known=validator)
            if isinstance(outcome, Missing):
                return Absent()
            if isinstance(outcome, Unchanged):
                return Same(validator or Validator())
            with outcome.body as body, _at(path):
                blob = index_blob(
                    decode_manifest(body.data, kind="index manifest"), newest=NEWEST_INDEX_VERSION
                )
            if known is not None and str(blob.digest) == known.digest:
                return Same(outcome.validator)
            read = self._read_blob(blob, path, outcome.validator, progress)
            if read is not None:
                return read
            if blob == former:
                break
            # The mirror may have been indexed anew between the two requests: then its manifest names another blob now.
            former, validator = blob, None
        raise MalformedDocument(
            "the index manifest names a blob that is not there",
            where=path,
            hint="'spack buildcache update-index' writes the index anew",
        )

    def _read_blob(
        self, blob: BlobRef, manifest_path: str, validator: Validator, progress: Progress
    ) -> IndexRead | None:
        path = blob_path(blob.digest)
        outcome = self._source.read(path, progress=progress)
        if not isinstance(outcome, Fetched):
            return None
        body = self._kept(outcome.body)
        with _at(path), _beside(lambda: digest_of(body, blob.digest.algorithm)) as digest:
            try:
                unpacked = body
                if blob.compression != "none":
                    unpacked = self._kept(
                        decompressed(
                            body, blob.compression, self._limit, temporary_folder=self._temporary_folder
                        )
                    )
                records = self._open(unpacked)
            except MalformedDocument:
                # Of an altered document the checksum is what is wrong, not what it did to the JSON.
                _check(body, blob, digest())
                raise
            _check(body, blob, digest())
            return IndexRead(records, validator, str(blob.digest), manifest_path)

    def _read_v2(self, path: str, known: KnownDocument | None, progress: Progress) -> ReadResult:
        validator = known.validator if known is not None else None
        if known is not None and not validator and self._hash_document(path) == known.digest:
            # A server that offers no validators: the small hash file beside the index, which Spack trusts too.
            return Same(known.validator)
        outcome = self._source.read(path, known=validator, progress=progress)
        if isinstance(outcome, Missing):
            return Absent()
        if isinstance(outcome, Unchanged):
            return Same(validator or Validator())
        body = self._kept(outcome.body)
        digest = str(digest_of(body, "sha256"))
        if known is not None and digest == known.digest:
            return Same(outcome.validator)
        with _at(path):
            return IndexRead(self._open(body), outcome.validator, digest, path)

    def _hash_document(self, path: str) -> str | None:
        outcome = self._source.read(f"{path}.hash")
        if not isinstance(outcome, Fetched):
            return None
        with outcome.body as body:
            return "sha256:" + bytes(body.data[:80]).decode("ascii", "replace").strip()

    def _open(self, body: Body) -> "IndexDocument":
        # What reads an index takes longer to import than a mirror that did not change to ask.
        from cachescope.formats.index_json import open_index
        from cachescope.jobs.record_workers import record_processes

        processes = record_processes(body.descriptor, len(body.data))
        return open_index(
            body.data,
            self._bodies.enter_context(processes),
            release=partial(body.release, 0, len(body.data)),
        )

    def _kept(self, body: Body) -> Body:
        return self._bodies.enter_context(body)


def _check(body: Body, blob: BlobRef, found: Digest) -> None:
    if found != blob.digest:
        size = (
            f"; it has {len(body.data)} bytes where {blob.size} are stated"
            if len(body.data) != blob.size
            else ""
        )
        raise MalformedDocument(
            f"the index does not have the checksum that its manifest states{size}",
            hint="it may be truncated or altered: 'spack buildcache update-index' writes it anew",
        )


@contextmanager
def _beside(work: Callable[[], Digest]) -> Iterator[Callable[[], Digest]]:
    """Do some work in another thread: a checksum needs no interpreter, and takes as long as splitting."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result


class _at:  # noqa: N801 - reads as a preposition
    """Adds the path of the document to an error that has no place yet."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CachescopeError):
            error.where = f"{self._path}: {error.where}" if error.where else self._path
