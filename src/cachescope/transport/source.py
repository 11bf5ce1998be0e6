"""The contract of everything that bytes can be read from.

A ``ByteSource`` stands at the root of one mirror; paths are relative to it, with ``/`` between parts. Its errors are
``MirrorUnavailable`` (could not be asked: no host, refused, time-out, 401, 403, 5xx, redirect loop) and
``MalformedDocument`` (broken content coding, over the limit of size). "Not there" is no error but ``Missing``.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from cachescope.model.record import Validator

__all__ = [
    "Body",
    "ByteSource",
    "Fetched",
    "Missing",
    "OpenOutcome",
    "Opened",
    "Progress",
    "ReadOutcome",
    "SizeOutcome",
    "Sized",
    "Unchanged",
    "Unsized",
]

Progress = Callable[[int, int | None], None]
"""Called with bytes read so far, unpacked, and the total if it is known.

At most ten times a second, and once at the end with the total for both. Where a read is tried again it starts at zero.
"""


class Body(Protocol):
    """Bytes that were read: mapped from a file, so that a large index never stands in memory twice."""

    @property
    def data(self) -> memoryview:
        """All bytes, read-only; valid until ``close``."""
        ...

    @property
    def descriptor(self) -> int | None:
        """The open file that all bytes are in, for other processes; None where they are in memory."""
        ...

    def release(self, start: int, stop: int) -> None:
        """Let these bytes leave memory, if they can be read from the file again: whoever reads on, says so."""
        ...

    def close(self) -> None:
        """Give the bytes back. A second call does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """The document, and what to ask with next time (empty if the server offers nothing)."""

    body: Body
    validator: Validator


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The document is the one that ``known`` was about."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The source answers, and says that there is no such document (404, 410, no such file)."""


ReadOutcome = Fetched | Unchanged | Missing


@dataclass(frozen=True, slots=True)
class Sized:
    """How many bytes the stored document has."""

    size: int


@dataclass(frozen=True, slots=True)
class Unsized:
    """The document is there, and the source does not say how large it is."""


SizeOutcome = Sized | Unsized | Missing


@dataclass(frozen=True, slots=True)
class Opened:
    """The bytes of a document as they are stored, to be taken chunk by chunk. Whoever opens it closes ``chunks``."""

    chunks: Generator[bytes, None, None]
    """Raises what ``ByteSource.read`` raises. A connection that breaks is taken up again where it broke."""

    start: int
    """Where the first chunk stands in the document: 0 where the source cannot begin in the middle."""

    size: int | None
    """Bytes of the whole document, if the source says so."""


OpenOutcome = Opened | Missing


class ByteSource(Protocol):
    """One mirror to read from."""

    def read(
        self,
        path: str,
        *,
        known: Validator | None = None,
        progress: Progress | None = None,
        largest: int | None = None,
    ) -> ReadOutcome:
        """Read one document. With ``known`` the question is conditional, and ``Unchanged`` an answer.

        ``path`` is plain: ``..``, empty parts, a leading ``/``, backslashes and NUL raise ``ValueError``, an error of the
        program. HTTP content coding (gzip) is undone; a compression of the document itself is the caller's to undo.
        ``largest`` is how many bytes a document of this kind can have: more are not read.
        """
        ...

    def size(self, path: str) -> SizeOutcome:
        """Ask how many bytes one document has as it is stored, without reading it; ``path`` as for ``read``."""
        ...

    def open(self, path: str, *, start: int = 0) -> OpenOutcome:
        """Open one document as it is stored, from byte ``start`` on; ``path`` as for ``read``.

        For blobs: nothing is held, undone or limited, and what comes is to be checked against a digest.
        """
        ...

    def list_folders(self, path: str) -> Sequence[str] | None:
        """Return the names of the folders in ``path`` (empty for the root), sorted; none where it is not there.

        None where this kind of source cannot list.
        """
        ...

    def list_files(self, path: str) -> Sequence[str] | None:
        """Return the names of the files in ``path``, as ``list_folders`` does: what a folder of pages is read by."""
        ...

    def close(self) -> None:
        """Release what this source holds; connections belong to the client that it was opened with."""
        ...
