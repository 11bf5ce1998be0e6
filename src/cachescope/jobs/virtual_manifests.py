"""The signed documents of binaries, byte for byte as their source has them: manifests (v3) and spec documents (v2).

They are asked of the source that the catalogue knows, at a path that is made of what the catalogue knows, and kept for a
while: a source that is down meanwhile still has its manifests served. Before one goes out, the blobs that it names are
written into the catalogue, so that any process of the server knows them.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock

from cachescope.catalogue.blob_places import NamedBlob, note_named_blobs
from cachescope.catalogue.engine import Catalogue
from cachescope.formats.layouts import LARGEST_SPEC_DOCUMENT
from cachescope.formats.manifest_json import archive_blob, decode_manifest
from cachescope.formats.spec_json import decode_spec_document
from cachescope.jobs.shared_work import AwaitedWork
from cachescope.model.archive import Binary
from cachescope.model.errors import (
    CachescopeError,
    CatalogueUnusable,
    MirrorUnavailable,
    UserInputError,
)
from cachescope.model.identity import Digest, SourceName
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.virtual import FailedSource, VirtualSource
from cachescope.model.virtual_answers import Awaited, MirrorAnswer
from cachescope.transport.source import ByteSource, Fetched
from cachescope.transport.writer import write_atomically

__all__ = ["BlobNotes", "SourceManifests", "Wanted"]

_LOG = logging.getLogger("cachescope.virtual")
_FRESH = 300.0
"""Seconds for which a kept document is served without asking its source again."""

_DAY = 86400.0
_UNUSED = 30 * _DAY
"""Seconds after which a document goes: while somebody asks for it, it is read anew from time to time."""

_AGAIN = 20.0
"""Seconds until a source that gave no answer is asked again for what is kept."""


_MOST_PENDING = 20_000
"""Manifests whose blobs one process alone knows: where it may not write, that is all that it ever served."""

_Key = tuple[int, int]
"""A source, and a spec."""


class BlobNotes:
    """Writes into the catalogue which blobs manifests named; what cannot be written now is known to this process alone.

    A sync may hold the catalogue for a minute: nobody waits so long for a manifest.
    """

    def __init__(self, open_catalogue: Callable[[], Catalogue]) -> None:
        """``open_catalogue`` opens it for writing, waiting but shortly for others."""
        self._open = open_catalogue
        self._lock = Lock()
        self._writing = Lock()
        self._writer: Catalogue | None = None
        self._pending: dict[_Key, Sequence[NamedBlob]] = {}
        self._by_digest: dict[Digest, dict[_Key, NamedBlob]] = {}
        self._attempts = 0

    def note(self, source_id: int, spec_id: int, blobs: Sequence[NamedBlob]) -> bool:
        """Keep what a manifest names; returns whether it is in the catalogue now.

        Of threads that wait for one another one writes for all: the catalogue is waited for once, not once for each.
        """
        key = source_id, spec_id
        with self._lock:
            self._forget(key)
            self._remember(key, blobs)
            before = self._attempts
        with self._writing:
            with self._lock:
                if self._attempts > before:
                    return key not in self._pending
                self._attempts += 1
                waiting = dict(self._pending)
            if not self._written(waiting):
                return False
            with self._lock:
                for one, named in waiting.items():
                    if self._pending.get(one) is named:
                        self._forget(one)
            return True

    def _remember(self, key: "_Key", blobs: Sequence[NamedBlob]) -> None:
        if len(self._pending) >= _MOST_PENDING:
            # The oldest: whoever asks for its manifest again has it named again.
            self._forget(next(iter(self._pending)))
        self._pending[key] = blobs
        for one in blobs:
            self._by_digest.setdefault(one.digest, {})[key] = one

    def _forget(self, key: "_Key") -> None:
        for one in self._pending.pop(key, ()):
            known = self._by_digest.get(one.digest, {})
            known.pop(key, None)
            if not known:
                self._by_digest.pop(one.digest, None)

    def _written(self, waiting: Mapping[tuple[int, int], Sequence[NamedBlob]]) -> bool:
        try:
            if self._writer is None:
                self._writer = self._open()
            with self._writer.writing() as connection:
                for (source, spec), named in waiting.items():
                    note_named_blobs(connection, source_id=source, spec_id=spec, blobs=named)
        except CatalogueUnusable as error:
            _LOG.warning("what manifests name is not written yet, and known to this process alone: %s", error)
            return False
        return True

    def pending(self, digest: Digest) -> Sequence[tuple[int, int, NamedBlob]]:
        """Return what is known of a blob and not written yet: source, spec, and what was named."""
        with self._lock:
            known = self._by_digest.get(digest, {})
            return [(source, spec, one) for (source, spec), one in known.items()]

    def close(self) -> None:
        """Let go of the catalogue."""
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document of a binary at a source."""

    source: VirtualSource
    spec_id: int
    binary: Binary
    path: str
    is_noted: bool = False
    """Whether the catalogue has what it names; a kept document may be of another catalogue, or of an earlier one."""

    @property
    def is_optional(self) -> bool:
        """Whether a source without it lacks nothing: in layout v2 what is not signed has another document."""
        return self.source.layout is Layout.V2 and self.path.endswith(".sig")


class SourceManifests:
    """Reads documents of binaries at their sources, and keeps them in a folder. Safe over threads and processes."""

    def __init__(
        self,
        folder: Path,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        notes: BlobNotes,
        now: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._open_source = open_source
        self._notes = notes
        self._now = now
        self._asked = AwaitedWork[bytes | None]()
        self._failures: dict[SourceName, FailedSource] = {}
        self._asked_again: dict[str, float] = {}
        self._pruned: dict[Path, float] = {}

    def kept(self, wanted: Wanted) -> bytes | None:
        """Return a document for which its source need not be asked now; None for any other."""
        kept, age = _kept(self._file(wanted))
        if kept is None or not (age < _FRESH or self._is_down(wanted)):
            return None
        self._note_kept(wanted, kept)
        return kept

    def awaited(self, wanted: Wanted, given: Callable[[bytes | None], MirrorAnswer]) -> Awaited:
        """Answer with a document for which its source has to be asked; None is given where that has none."""
        return self._asked.awaited(self._file(wanted), partial(self._read, wanted), given)

    def read(self, wanted: Wanted) -> bytes | None:
        """Return a document; None where the source has none. A kept one stands in for a source that is not available.

        Raises ``MirrorUnavailable`` and ``MalformedDocument``.
        """
        kept = self.kept(wanted)
        return (
            kept
            if kept is not None
            else self._asked.done(self._file(wanted), partial(self._read, wanted)).result()
        )

    def _read(self, wanted: Wanted) -> bytes | None:
        file = self._file(wanted)
        kept, age = _kept(file)
        if kept is not None and age < _FRESH:  # another one asked meanwhile
            self._note_kept(wanted, kept)
            return kept
        try:
            content = self._fetched(wanted)
        except CachescopeError as error:
            self._failed(wanted.source, error)
            if isinstance(error, MirrorUnavailable):
                self._asked_again[wanted.source.url.text] = time.monotonic() + _AGAIN
            if kept is None:
                raise
            self._note_kept(wanted, kept)
            return kept
        if content is None:
            if not wanted.is_optional:
                self._failed(wanted.source, _gone(wanted))
            return None
        self._failures.pop(wanted.source.name, None)
        if self._notes.note(wanted.source.id, wanted.spec_id, _named_blobs(wanted, content)):
            # Only what the catalogue knows the blobs of: another process reads the document here, too.
            self._keep(file, content)
        return content

    def _is_down(self, wanted: Wanted) -> bool:
        return time.monotonic() < self._asked_again.get(wanted.source.url.text, 0.0)

    def failures(self) -> Sequence[FailedSource]:
        """Return which sources failed last and have not given a document since."""
        return list(self._failures.values())

    def failed(self, source: VirtualSource, error: CachescopeError) -> None:
        """Note that a source did not give something else that it should have."""
        self._failed(source, error)

    def _note_kept(self, wanted: Wanted, content: bytes) -> None:
        if not wanted.is_noted:
            self._notes.note(wanted.source.id, wanted.spec_id, _named_blobs(wanted, content))

    def _fetched(self, wanted: Wanted) -> bytes | None:
        source = self._open_source(wanted.source.url)
        outcome = source.read(wanted.path, largest=LARGEST_SPEC_DOCUMENT)
        if not isinstance(outcome, Fetched):
            return None
        with outcome.body as body:
            content = bytes(body.data)
        _named_blobs(wanted, content)  # before anything of it is kept
        return content

    def _file(self, wanted: Wanted) -> Path:
        """Return where a document is kept: a digest of its address, so that no name can lead anywhere else."""
        text = f"{wanted.source.url.text}\n{wanted.source.layout}\n{wanted.path}"
        name = hashlib.sha256(text.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _keep(self, file: Path, content: bytes) -> None:
        try:
            if not write_atomically(file, content):
                file.touch()
        except (UserInputError, OSError) as error:
            _LOG.warning("a manifest is served and not kept: %s", error)
        self._prune(file.parent)

    def _prune(self, folder: Path) -> None:
        """Remove documents of one folder of 256 that nobody asked for in weeks; each is looked at once a day."""
        now = time.time()
        if now - self._pruned.get(folder, 0.0) < _DAY:
            return
        self._pruned[folder] = now
        with suppress(OSError):
            for one in list(folder.iterdir()):
                with suppress(FileNotFoundError):
                    if now - one.stat().st_mtime > _UNUSED:
                        one.unlink()

    def _failed(self, source: VirtualSource, error: CachescopeError) -> None:
        self._failures[source.name] = FailedSource(source.name, self._now(), error.message)
        _LOG.warning("%s did not give what it lists: %s", source.name, error)


def _gone(wanted: Wanted) -> CachescopeError:
    return CachescopeError("the document is no longer there", where=f"{wanted.source.url}/{wanted.path}")


def _kept(file: Path) -> tuple[bytes | None, float]:
    with suppress(OSError):
        age = time.time() - file.stat().st_mtime
        return file.read_bytes(), age
    return None, 0.0


def _named_blobs(wanted: Wanted, content: bytes) -> Sequence[NamedBlob]:
    """Return the blobs that a document names. Raises ``MalformedDocument``."""
    if wanted.source.layout is Layout.V2:
        stated = decode_spec_document(content, expected=wanted.binary.hash)
        return [NamedBlob(stated.digest, None, is_archive=True)]
    manifest = decode_manifest(content, kind="spec manifest")
    archive = archive_blob(manifest)
    return [NamedBlob(one.digest, one.size, one is archive) for one in manifest.blobs]
