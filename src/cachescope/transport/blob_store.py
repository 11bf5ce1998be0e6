"""Blobs that were fetched once and are kept: a folder with a limit of size, which several processes may share.

::

    DIR/sha256/ab/abcdef...      a blob, whole and checked
    DIR/sha256/ab/.<...>.part    one that is arriving
    DIR/.size                    bytes of all blobs; locked while it is changed

The blobs that were not asked for longest go first. Their time of access says when that was; it is set here, so mounts
without such times do as well.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from time import time_ns
from typing import NamedTuple

from cachescope.model.errors import CachescopeError, MalformedDocument, MirrorUnavailable, UserInputError
from cachescope.model.identity import Digest
from cachescope.transport.kept_blob import Expected, is_part, keep_blob
from cachescope.transport.shared_work import SharedWork
from cachescope.transport.source import Missing, OpenOutcome

__all__ = ["BlobOrigin", "BlobStore", "StoredBlob"]

_CHUNK = 1024 * 1024
_MOST_REMEMBERED = 100_000
_STRIPES = 64
_USED_AGAIN_AFTER = 10 * 10**9
"""Nanoseconds in which further uses of a blob are not noted."""

_PARTS_KEPT = 24 * 3600 * 10**9
"""Nanoseconds after which a part that nobody goes on with is removed."""


@dataclass(frozen=True, slots=True)
class BlobOrigin:
    """One place that a blob can be fetched from."""

    open_from: Callable[[int], OpenOutcome]
    """Opens it, from a byte on."""

    where: str
    """For errors; holds no secret."""

    failed: Callable[[CachescopeError], None]
    """Told why this place did not help."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A checked blob, open: it can be read to the end even if the store drops it meanwhile."""

    descriptor: int
    """The caller's to close."""

    size: int


class _Identity(NamedTuple):
    """Tells a file from one that was put in its place or changed."""

    inode: int
    changed: int
    size: int


class BlobStore:
    """Keeps blobs below ``folder`` in ``limit`` bytes. Safe to use from several threads and processes.

    ``OSError`` of any method is of this machine's disk: the caller does without the store then.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = Lock()
        self._fetches = SharedWork[bool]()
        self._checked: dict[Digest, _Identity] = {}
        self._reading = [Lock() for _ in range(_STRIPES)]

    def require_usable(self) -> None:
        """Try whether blobs can be kept, making the folder if need be. Raises ``UserInputError`` if not."""
        try:
            with self._accounts(), TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
            raise UserInputError(
                f"blobs cannot be kept here: {reason}",
                where=str(self._folder),
                hint="give a folder that can be made and written: --store DIR, or the setting blob_store; without it none are kept",
            ) from error

    def holds(self, size: int | None) -> bool:
        """Say whether a blob of so many bytes can be kept at all."""
        return size is None or size <= self._limit

    def open(self, expected: Expected, origins: Sequence[BlobOrigin]) -> StoredBlob | None:
        """Open a blob, fetching it first if it is not there; None if no origin has it.

        However many ask for it at a time, it is fetched once. Raises what ``fetch`` says.
        """
        while True:
            stored = self.stored(expected)
            if stored is not None:
                return stored
            if not self.fetch(expected, origins).result():
                return None

    def stored(self, expected: Expected) -> StoredBlob | None:
        """Open a blob that is there; the first time in a process its bytes are looked at. None if it has to be fetched."""
        path = self._path(expected.digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            if not self._is_right(expected, descriptor, status):
                path.unlink(missing_ok=True)
                os.close(descriptor)
                return None
            _note_use(descriptor, status)
        except BaseException:
            os.close(descriptor)
            raise
        return StoredBlob(descriptor, status.st_size)

    def at_hand(self, digest: Digest) -> StoredBlob | None:
        """Open a blob that this process has looked at before, and that is the same file; None for any other. Waits for nothing."""
        checked = self._checked.get(digest)
        if checked is None:
            return None
        try:
            descriptor = os.open(self._path_text(digest), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if _identity(status) != checked:
            os.close(descriptor)
            return None
        with suppress(OSError):  # of another user: then who wrote it notes the use
            _note_use(descriptor, status)
        return StoredBlob(descriptor, status.st_size)

    def fetching(self, digest: Digest) -> "Future[bool] | None":
        """Return what tells when a fetch that is under way in this process has ended; None if there is none."""
        return self._fetches.running(digest)

    def fetch(self, expected: Expected, origins: Sequence[BlobOrigin]) -> "Future[bool]":
        """Fetch a blob, unless a thread of this process does so already: then its fetch is returned, and not waited for.

        The result is whether an origin has it. Origins are tried in their order: one that is down, has it not, or sends
        other bytes, is told so, and the next one is tried. Its error is the last one if none helped, or an ``OSError``.
        """
        return self._fetches.done(expected.digest, partial(self._fetched, expected, origins))

    def _fetched(self, expected: Expected, origins: Sequence[BlobOrigin]) -> bool:
        error: CachescopeError | None = None
        target = self._path(expected.digest)
        for origin in origins:
            self._prepare(expected.size or 0)
            try:
                kept = keep_blob(target, expected, origin.open_from, where=origin.where)
                if isinstance(kept, Missing):
                    missing = MirrorUnavailable("the blob is missing there", where=origin.where)
                    origin.failed(missing)
                    continue
                if kept.is_new:  # what another process put there is looked at before it is served
                    self._remember(expected.digest, target)
                    self._count(kept.size)
            except (MirrorUnavailable, MalformedDocument) as problem:
                origin.failed(problem)
                error = problem
                continue
            return True
        if error is not None:
            raise error
        return False

    # -- what is there ------------------------------------------------------------------------------------------------

    def _path(self, digest: Digest) -> Path:
        return Path(self._path_text(digest))

    def _path_text(self, digest: Digest) -> str:
        return f"{self._folder}/{digest.algorithm}/{digest.hexadecimal[:2]}/{digest.hexadecimal}"

    def _is_right(self, expected: Expected, descriptor: int, status: os.stat_result) -> bool:
        """Say whether the bytes are those of the digest: looked at once in a process, and again if the file changed."""
        identity = _identity(status)
        if self._checked.get(expected.digest) == identity:
            return True
        # Of many who ask for a blob that stood there before this process began, one reads it.
        with self._reading[hash(expected.digest) % _STRIPES]:
            return self._checked.get(expected.digest) == identity or self._reads_right(
                expected, descriptor, identity
            )

    def _reads_right(self, expected: Expected, descriptor: int, identity: _Identity) -> bool:
        hasher = hashlib.new(expected.digest.algorithm, usedforsecurity=False)
        place = 0
        while chunk := os.pread(descriptor, _CHUNK, place):
            hasher.update(chunk)
            place += len(chunk)
        if hasher.hexdigest() != expected.digest.hexadecimal:
            return False
        self._note_checked(expected.digest, identity)
        return True

    def _remember(self, digest: Digest, path: Path) -> None:
        with suppress(FileNotFoundError):  # another process made room already
            self._note_checked(digest, _identity(path.stat()))

    def _note_checked(self, digest: Digest, identity: _Identity) -> None:
        if len(self._checked) >= _MOST_REMEMBERED:
            self._checked.clear()
        self._checked[digest] = identity

    # -- the limit ----------------------------------------------------------------------------------------------------

    def _prepare(self, size: int) -> None:
        """Make room for a blob that is about to come."""
        with self._accounts() as account:
            total = _read_number(account)
            if total is None or total + size > self._limit:
                _write_number(account, self._make_room(size))

    def _count(self, size: int) -> None:
        """Count a blob that has come; several that came at a time make room again.

        One that stood there when somebody else counted them all is counted twice: then all are counted anew sooner.
        """
        with self._accounts() as account:
            total = (_read_number(account) or 0) + size
            _write_number(account, total if total <= self._limit else self._make_room(0))

    @contextmanager
    def _accounts(self) -> Iterator[int]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".size", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _make_room(self, size: int) -> int:
        """Remove blobs until another one of ``size`` bytes fits; returns the bytes of those that stay."""
        found = sorted(self._blobs())
        total = sum(one.size for one in found)
        for one in found:
            if total + size <= self._limit:
                break
            Path(one.path).unlink(missing_ok=True)
            total -= one.size
        return total

    def _blobs(self) -> "Iterator[_Entry]":
        old = time_ns() - _PARTS_KEPT
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of 100,000 blobs takes seconds
                with suppress(FileNotFoundError):
                    status = os.stat(path)  # noqa: PTH116 - as above
                    if is_part(name):
                        if status.st_mtime_ns < old:
                            Path(path).unlink()
                    elif not name.startswith("."):
                        yield _Entry(status.st_atime_ns, path, status.st_size)


def _identity(status: os.stat_result) -> _Identity:
    return _Identity(status.st_ino, status.st_mtime_ns, status.st_size)


def _note_use(descriptor: int, status: os.stat_result) -> None:
    now = time_ns()
    if now - status.st_atime_ns > _USED_AGAIN_AFTER:
        os.utime(descriptor, ns=(now, status.st_mtime_ns))


class _Entry(NamedTuple):
    used: int
    path: str
    size: int


def _read_number(descriptor: int) -> int | None:
    text = os.pread(descriptor, 64, 0)
    return int(text) if text.strip().isdigit() else None


def _write_number(descriptor: int, number: int) -> None:
    # One write of fixed length: a process that is killed leaves the old number or the new one.
    os.pwrite(descriptor, b"%-32d\n" % number, 0)
