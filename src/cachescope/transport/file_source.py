"""Mirrors in a folder of this machine."""

import errno
import os
import stat
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from cachescope.model.errors import MirrorUnavailable
from cachescope.model.record import Validator
from cachescope.transport.body import HeldBody, check_size
from cachescope.transport.paths import relative_parts
from cachescope.transport.progress import ProgressMeter
from cachescope.transport.source import (
    Fetched,
    Missing,
    Opened,
    OpenOutcome,
    Progress,
    ReadOutcome,
    Sized,
    SizeOutcome,
    Unchanged,
)

__all__ = ["FileSource"]

_MAPPED_FROM = 64 * 1024 * 1024
_CHUNK = 4 * 1024 * 1024
_OPENED_CHUNK = 1024 * 1024
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO})


class FileSource:
    """Reads documents below ``root``; see ``ByteSource`` for the contract.

    Links are followed, also out of ``root``: mirrors on shared disks are often put together from links. Whoever may
    write to a mirror may thus show any file that the reading user can read.

    Files below 64 MiB are read into memory. Larger ones are mapped, so that an index stands in memory once; a mapped
    file that somebody cuts short while it is read would end the process by SIGBUS. Spack rewrites small documents in
    place, but large ones of layout v3 are blobs, which are never rewritten.
    """

    def __init__(self, root: Path, *, limit: int) -> None:
        self._root = root
        self._limit = limit

    def read(
        self,
        path: str,
        *,
        known: Validator | None = None,
        progress: Progress | None = None,
        largest: int | None = None,
    ) -> ReadOutcome:
        """Read one file. The validator is made of size, time of change (ns) and inode, in place of an entity tag."""
        target = self._root.joinpath(*relative_parts(path))
        descriptor = self._descriptor(target)
        if descriptor is None:
            return Missing()
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Missing()
            validator = Validator(etag=f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}")
            if known is not None and known.etag == validator.etag:
                return Unchanged()
            check_size(status.st_size, limit=self._limit, where=str(target), largest=largest)
            return Fetched(_held(descriptor, status.st_size, progress), validator)
        except OSError as error:
            raise _unreadable(target, error) from error
        finally:
            os.close(descriptor)

    def size(self, path: str) -> SizeOutcome:
        """Look at one file; anything but a regular one is no document."""
        target = self._root.joinpath(*relative_parts(path))
        try:
            status = target.stat()
        except OSError as error:
            if error.errno not in _ABSENT:
                raise _unreadable(target, error) from error
            self._require_root()
            return Missing()
        return Sized(status.st_size) if stat.S_ISREG(status.st_mode) else Missing()

    def open(self, path: str, *, start: int = 0) -> OpenOutcome:
        """Open one file. One that grows or shrinks meanwhile ends where it ends."""
        target = self._root.joinpath(*relative_parts(path))
        descriptor = self._descriptor(target)
        if descriptor is None:
            return Missing()
        try:
            status = os.fstat(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise _unreadable(target, error) from error
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return Missing()
        begun = _chunks(target, descriptor, start)
        next(begun)  # from here on the generator closes the file, even if nobody asks it for a chunk
        return Opened(begun, start, status.st_size)

    def _descriptor(self, target: Path) -> int | None:
        """Open a file; None where there is none."""
        try:
            # Without O_NONBLOCK a named pipe in the mirror would stop us for ever.
            return os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise _unreadable(target, error) from error
            self._require_root()
            return None

    def list_folders(self, path: str) -> Sequence[str]:
        """Return the names of the folders below ``path`` (empty for the root), sorted; none if it is not there."""
        return self._names(path, os.DirEntry.is_dir)

    def list_files(self, path: str) -> Sequence[str]:
        """Return the names of the files in the folder ``path`` (empty for the root), sorted; none if it is not there."""
        return self._names(path, os.DirEntry.is_file)

    def close(self) -> None:
        """Nothing is held between reads."""

    def _names(self, path: str, wanted: Callable[[os.DirEntry[str]], bool]) -> Sequence[str]:
        target = self._root.joinpath(*relative_parts(path)) if path else self._root
        try:
            with os.scandir(target) as entries:
                return sorted(entry.name for entry in entries if wanted(entry))
        except OSError as error:
            if error.errno not in _ABSENT:
                raise _unreadable(target, error) from error
            self._require_root()
            return []

    def _require_root(self) -> None:
        try:
            found = self._root.is_dir()
        except OSError as error:
            raise _unreadable(self._root, error) from error
        if not found:
            raise MirrorUnavailable(
                "there is no such folder",
                where=str(self._root),
                hint="check the spelling, and whether the disk is mounted on this machine",
            )


def _held(descriptor: int, size: int, progress: Progress | None) -> HeldBody:
    meter = ProgressMeter(progress, size)
    if size >= _MAPPED_FROM:
        held = HeldBody.mapped(descriptor, size)
        meter.advance(size)
    else:
        buffer = bytearray(size)
        view = memoryview(buffer)
        filled = 0
        while filled < size and (count := os.readv(descriptor, [view[filled : filled + _CHUNK]])):
            filled += count
            meter.advance(count)
        held = HeldBody(view[:filled])
    meter.finish()
    return held


def _chunks(target: Path, descriptor: int, start: int) -> Generator[bytes, None, None]:
    """Yield nothing first, then the bytes from ``start`` on; closes the file at the end."""
    try:
        yield b""
        while chunk := os.pread(descriptor, _OPENED_CHUNK, start):
            start += len(chunk)
            yield chunk
    except OSError as error:
        raise _unreadable(target, error) from error
    finally:
        os.close(descriptor)


def _unreadable(target: Path, error: OSError) -> MirrorUnavailable:
    denied = error.errno in {errno.EACCES, errno.EPERM}
    return MirrorUnavailable(
        "you are not allowed to read it" if denied else f"it cannot be read ({error.strerror})",
        where=str(target),
        hint="ask its owner for permission to read" if denied else "check the disk that it is on",
    )
