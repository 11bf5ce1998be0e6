"""Blobs on the disk of this machine: there under their name only whole and checked, whatever happens on the way.

What has arrived stands in a file of its own beside the name (``.<...>.part``), which is locked while somebody writes to
it: another thread or process that wants the same blob waits, and then finds it. What a killed process or a broken
connection left there is gone on with.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cachescope.model.errors import MalformedDocument
from cachescope.model.identity import Digest
from cachescope.transport.source import Missing, Opened, OpenOutcome

__all__ = ["Expected", "Kept", "has_no_room", "is_part", "keep_blob"]

_CHUNK = 1024 * 1024
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a manifest or a spec document says of stored bytes."""

    digest: Digest
    size: int | None
    """None where it is not stated."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The blob is there."""

    size: int
    arrived: int
    """Bytes that came from the source for it now."""

    is_new: bool
    """Whether it was not there before."""


def keep_blob(
    target: Path,
    expected: Expected,
    open_from: Callable[[int], OpenOutcome],
    *,
    where: str,
    told: Callable[[int], None] = lambda _: None,
) -> Kept | Missing:
    """See to it that the blob is at ``target``; ``open_from`` opens it at its source, from a byte on.

    ``where`` names the source in errors. ``told`` is told how many bytes are there more; a negative number takes some
    back. Raises ``MalformedDocument`` for bytes that are not the ones expected, and what the source raises. An ``OSError``
    is of this machine's disk; where there is no room the part is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part_of(target) as (part, descriptor):
        if (size := _size_of(target)) is not None and _is_same(target, size, expected):
            part.unlink(missing_ok=True)
            told(size)
            return Kept(size, 0, is_new=False)
        filling = _Filling(descriptor, expected, where, told)
        try:
            if not filling.fill(open_from):
                part.unlink(missing_ok=True)
                return Missing()
            os.fsync(descriptor)
        except MalformedDocument:
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            if has_no_room(error):
                part.unlink(missing_ok=True)
            raise
        part.replace(target)
        return Kept(filling.size, filling.arrived, is_new=True)


def has_no_room(error: OSError) -> bool:
    """Say whether a disk, quota or limit of size is used up."""
    return error.errno in _NO_ROOM


def is_part(name: str) -> bool:
    """Say whether a file of this name is a blob on its way."""
    return name.startswith(".") and name.endswith(_SUFFIX)


@contextmanager
def _part_of(target: Path) -> Iterator[tuple[Path, int]]:
    """Open the part of a blob, alone in the world until the end of the block."""
    # A short name of its own: that of the blob may be as long as names can be.
    part = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:24]}{_SUFFIX}")
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, part):
                yield part, descriptor
                return
            # Who held it before finished it, or removed it.
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _size_of(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def _is_same(target: Path, size: int, expected: Expected) -> bool:
    """Say whether these bytes stand there: a file that is named by its digest is only put there when it is checked."""
    if expected.size not in {None, size}:
        return False
    if target.name == expected.digest.hexadecimal:
        return True
    with target.open("rb") as file:
        found = hashlib.file_digest(
            file, lambda: hashlib.new(expected.digest.algorithm, usedforsecurity=False)
        )
    return found.hexdigest() == expected.digest.hexadecimal


class _Filling:
    """Fills the part of a blob up, and checks it."""

    def __init__(self, descriptor: int, expected: Expected, where: str, told: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._expected = expected
        self._where = where
        self._told = told
        self._hash = self._new_hash()
        self.size = 0
        self.arrived = 0

    def fill(self, open_from: Callable[[int], OpenOutcome]) -> bool:
        """Fill it; False if the source has no such blob. What was left there and proves wrong is read anew."""
        self._take_over()
        left = self.size
        try:
            found = self._read(open_from)
            if found:
                self._check()
        except MalformedDocument:
            if not left:
                raise
            self._begin_anew()
            found = self._read(open_from)
            if found:
                self._check()
        return found

    def _read(self, open_from: Callable[[int], OpenOutcome]) -> bool:
        if self.size and self.size == self._expected.size:
            return True
        opened = open_from(self.size)
        if not isinstance(opened, Opened):
            return False
        with closing(opened.chunks) as chunks:
            if opened.start != self.size:
                self._begin_anew()
            if self._expected.size is not None and opened.size not in {None, self._expected.size}:
                raise self._wrong(f"it has {opened.size:,} bytes in place of {self._expected.size:,}")
            for chunk in chunks:
                self._add(chunk)
        return True

    def _add(self, chunk: bytes) -> None:
        if self._expected.size is not None and self.size + len(chunk) > self._expected.size:
            raise self._wrong(f"it has more than {self._expected.size:,} bytes")
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._hash.update(chunk)
        self.size += len(chunk)
        self.arrived += len(chunk)
        self._told(len(chunk))

    def _take_over(self) -> None:
        while chunk := os.read(self._descriptor, _CHUNK):
            self._hash.update(chunk)
            self.size += len(chunk)
        if self._expected.size is not None and self.size > self._expected.size:
            self._told(self.size)
            self._begin_anew()
        elif self.size:
            self._told(self.size)

    def _begin_anew(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        if self.size:
            self._told(-self.size)
        self.size = 0
        self._hash = self._new_hash()

    def _new_hash(self) -> "hashlib._Hash":
        return hashlib.new(self._expected.digest.algorithm, usedforsecurity=False)

    def _check(self) -> None:
        if self._expected.size is not None and self.size != self._expected.size:
            raise self._wrong(f"it has {self.size:,} bytes in place of {self._expected.size:,}")
        if self._hash.hexdigest() != self._expected.digest.hexadecimal:
            raise self._wrong(f"its {self._expected.digest.algorithm} is {self._hash.hexdigest()}")

    def _wrong(self, difference: str) -> MalformedDocument:
        return MalformedDocument(
            f"the bytes are not those of {self._expected.digest}: {difference}",
            where=self._where,
            hint="the mirror is damaged, or somebody changed it: tell its maintainer",
        )
