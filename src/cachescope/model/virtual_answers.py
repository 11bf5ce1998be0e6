"""What a server answers with below ``/mirror/``, and the service that gives it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from cachescope.model.virtual import OpenBlob, OpenFile, VirtualMirror, VirtualReport

__all__ = [
    "Awaited",
    "Document",
    "MirrorAnswer",
    "SentOn",
    "StoredFile",
    "Streamed",
    "VirtualMirrors",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small document."""

    content: bytes
    media_type: str
    lasting: bool = False
    """Whether it never changes under its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """Bytes in a file of this machine: an index, or a blob that is kept."""

    file: OpenFile
    digest: str
    """Of its bytes, hexadecimal."""

    media_type: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class SentOn:
    """The bytes are at this public address."""

    address: str


@dataclass(frozen=True, slots=True)
class Streamed:
    """Bytes on their way from a source; ``digest`` is of the whole blob, hexadecimal."""

    blob: OpenBlob
    digest: str
    start: int
    """Where in the blob ``blob`` begins."""

    partial: bool
    """Whether a part was asked for."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """An answer that somebody else has to be asked for first."""

    go_on: Callable[[], "MirrorAnswer"]
    """Gives it, and may wait long in its thread for a source; not if ``after`` is there."""

    after: Future[Any] | None = None
    """What is to end before: others fetch the same. Who waits for this needs no thread."""


MirrorAnswer = Document | StoredFile | SentOn | Streamed | Awaited


class VirtualMirrors(Protocol):
    """Virtual mirrors as a server needs them. Safe to call from several threads.

    All methods but ``ready`` raise ``NotInCatalogue`` for what is not there, ``MirrorUnavailable`` and
    ``MalformedDocument`` where a source does not give what it lists, and ``CatalogueUnusable``.
    """

    def mirrors(self) -> Sequence[VirtualMirror]:
        """All that are defined, by name."""
        ...

    def ready(self, path: str) -> Document | StoredFile | None:
        """What stands at a path below ``/mirror/``, if that was found out before and nothing has changed since.

        Waits for nobody; None is no answer, but for ``asked`` to give.
        """
        ...

    def found(self, path: str) -> tuple[VirtualMirror, str]:
        """The mirror that a path below ``/mirror/`` is in, and the rest of the path: ``NAME/...`` or ``REF/STACK/...``."""
        ...

    def report(self, mirror: VirtualMirror) -> VirtualReport:
        """What is in a mirror. Writes its index first if the catalogue changed."""
        ...

    def asked(self, path: str, *, part: tuple[int, int | None] | None) -> MirrorAnswer | VirtualMirror:
        """What stands at a path below ``/mirror/``; at the address of a mirror itself, the mirror.

        ``part`` are the first byte and the one behind the last that are wanted, of bytes that are streamed.
        """
        ...
