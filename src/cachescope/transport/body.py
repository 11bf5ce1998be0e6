"""Bytes that were read: in memory while small, else mapped from a temporary file that has no name.

A file without a name goes with the process, so even a killed one leaves nothing behind.
"""

import hashlib
import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from cachescope.model.errors import MalformedDocument, UserInputError
from cachescope.model.identity import Digest, parse_digest
from cachescope.transport.gunzip import Gunzip
from cachescope.transport.source import Body

__all__ = ["BodyWriter", "HeldBody", "check_size", "decompressed", "digest_of"]

_IN_MEMORY = 1024 * 1024
_CHUNK = 256 * 1024
_HASH_CHUNK = 16 * 1024 * 1024  # one call cannot be interrupted: short enough for Ctrl-C


class HeldBody:
    """A ``Body`` over bytes in memory or over a mapping of a file, which it owns."""

    def __init__(
        self, held: bytes | bytearray | memoryview | mmap.mmap, *, descriptor: int | None = None
    ) -> None:
        """``descriptor`` is that of the file that is mapped; the body closes it."""
        self._held = held
        self._view: memoryview | None = memoryview(held).toreadonly()
        self._descriptor = descriptor

    @classmethod
    def mapped(cls, descriptor: int, size: int = 0) -> Self:
        """Map a file, all of it or its first ``size`` bytes; the caller keeps and closes its descriptor."""
        mapping = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
        try:
            return cls(mapping, descriptor=os.dup(descriptor))
        except OSError:
            mapping.close()
            raise

    @property
    def descriptor(self) -> int | None:
        """The open file that is mapped; None for bytes in memory and after ``close``."""
        return self._descriptor

    def release(self, start: int, stop: int) -> None:
        """Let the pages of a mapping leave memory. Does nothing for other bytes, and after ``close``."""
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        if isinstance(self._held, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") and stop > first:
            self._held.madvise(mmap.MADV_DONTNEED, first, stop - first)

    @property
    def data(self) -> memoryview:
        """All bytes, read-only. Raises ``ValueError`` after ``close``."""
        if self._view is None:
            raise ValueError("the body is closed")
        return self._view

    def close(self) -> None:
        """Give the bytes back. A second call does nothing.

        Slices that somebody still holds (a traceback may) keep a mapping alive until they go: to raise here would hide
        the error that is under way.
        """
        if self._view is None:
            return
        view, self._view = self._view, None
        held, self._held = self._held, b""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        try:
            view.release()
            if isinstance(held, mmap.mmap):
                held.close()
        except BufferError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BodyWriter:
    """Takes a document chunk by chunk and makes a ``Body`` of it; below 1 MiB no file is made.

    Raises ``MalformedDocument`` as soon as the document is over ``limit`` or ``largest`` bytes, ``UserInputError`` where the temporary
    file cannot be written. Leaving the context without ``finish`` drops what was written.
    """

    def __init__(
        self, *, limit: int, where: str, temporary_folder: Path | None = None, largest: int | None = None
    ) -> None:
        self._limit = limit
        self._largest = largest
        self._where = where
        self._folder = temporary_folder
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes to the end."""
        self._size += len(chunk)
        check_size(self._size, limit=self._limit, where=self._where, largest=self._largest)
        if self._file is None and self._size <= _IN_MEMORY:
            self._buffer += chunk
            return
        try:
            if self._file is None:
                file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed in __exit__
                self._file = cast("BinaryIO", file)
                self._file.write(self._buffer)
                self._buffer = bytearray()
            self._file.write(chunk)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> Body:
        """Return all that was written."""
        if self._file is None:
            return HeldBody(self._buffer)
        try:
            self._file.flush()
            return HeldBody.mapped(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> UserInputError:
        return UserInputError(
            f"a document of more than 1 MiB cannot be held in a temporary file ({error.strerror})",
            where=str(self._folder or tempfile.gettempdir()),
            hint="make room there, or name another folder in the setting temporary_folder",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            # The mapping holds its own descriptor. What a full disk refuses again here was told, or is not wanted.
            with suppress(OSError):
                file.close()


def check_size(size: int, *, limit: int, where: str, largest: int | None = None) -> None:
    """Refuse a document of more than ``limit`` bytes, or of more than its kind ever has, with ``MalformedDocument``."""
    if largest is not None and size > largest:
        raise MalformedDocument(
            f"the document has more than {largest:,} bytes unpacked: no document of its kind is so large",
            where=where,
            hint="the mirror is damaged, or no mirror: tell its maintainer",
        )
    if size > limit:
        raise MalformedDocument(
            f"the document has more than {limit:,} bytes unpacked, which is the limit",
            where=where,
            hint="if it is really that large, raise the setting max_unpacked_bytes",
        )


def decompressed(
    body: Body, compression: str, limit: int, *, where: str = "", temporary_folder: Path | None = None
) -> Body:
    """Undo the compression of a stored document: ``gzip``, or ``none``, which gives back ``body`` itself.

    A new body is the caller's to close, as ``body`` stays. Raises ``MalformedDocument`` for another compression, for
    broken data, and over ``limit`` bytes.
    """
    if compression == "none":
        return body
    if compression != "gzip":
        raise MalformedDocument(
            f"the compression {compression!r} is not known", where=where, hint="known are gzip and none"
        )
    gunzip = Gunzip(where)
    with BodyWriter(limit=limit, where=where, temporary_folder=temporary_folder) as writer:
        for start in range(0, len(body.data), _CHUNK):
            for piece in gunzip.feed(bytes(body.data[start : start + _CHUNK])):
                writer.write(piece)
        gunzip.finish()
        return writer.finish()


def digest_of(body: Body, algorithm: str) -> Digest:
    """Compute the digest of all bytes of ``body``; ``algorithm`` as in ``parse_digest``."""
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    for start in range(0, len(body.data), _HASH_CHUNK):
        with body.data[start : start + _HASH_CHUNK] as part:
            hasher.update(part)
        body.release(start, start + _HASH_CHUNK)
    return parse_digest(algorithm, hasher.hexdigest())
