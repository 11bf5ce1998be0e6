"""What a server answers with below ``/mirror/``, and the service that gives it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cachescope.model.virtual import OpenBlob, VirtualMirror, VirtualReport

__all__ = ["Document", "MirrorAnswer", "SentOn", "StoredDocument", "Streamed", "VirtualMirrors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small document."""

    content: bytes
    media_type: str
    lasting: bool = False
    """Whether it never changes under its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A large document in a file that never changes."""

    file: Path
    size: int
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


MirrorAnswer = Document | StoredDocument | SentOn | Streamed


class VirtualMirrors(Protocol):
    """Virtual mirrors as a server needs them. Safe to call from several threads.

    All methods raise ``NotInCatalogue`` for what is not there, ``MirrorUnavailable`` and ``MalformedDocument`` where a
    source does not give what it lists, and ``CatalogueUnusable``.
    """

    def mirrors(self) -> Sequence[VirtualMirror]:
        """All that are defined, by name."""
        ...

    def found(self, path: str) -> tuple[VirtualMirror, str]:
        """The mirror that a path below ``/mirror/`` is in, and the rest of the path: ``NAME/...`` or ``REF/STACK/...``."""
        ...

    def report(self, mirror: VirtualMirror) -> VirtualReport:
        """What is in a mirror. Writes its index first if the catalogue changed."""
        ...

    def answer(
        self, mirror: VirtualMirror, path: str, *, part: tuple[int, int | None] | None
    ) -> MirrorAnswer:
        """What stands at a path inside a mirror. ``part`` are the first byte and the one behind the last that are wanted."""
        ...
