"""How a job tells that it goes on; the command line draws bars from it."""

from typing import Protocol

from cachescope.model.sources import SourceOutcome

__all__ = ["NoProgress", "PullProgress", "SizesProgress", "SyncProgress"]


class SyncProgress(Protocol):
    """Told by ``refresh``; of several mirrors at once ``reading`` is told in the threads that read them."""

    def reading(self, name: str, done: int, total: int | None) -> None:
        """Bytes of the index of ``name`` so far, and all if known."""
        ...

    def writing(self, name: str, done: int, total: int) -> None:
        """New records of ``name`` that are in the catalogue, of how many."""
        ...

    def finished(self, outcome: SourceOutcome) -> None:
        """One source is done."""
        ...


class SizesProgress(Protocol):
    """Told by ``sizes`` in the thread that writes."""

    def sized(self, name: str, done: int, total: int) -> None:
        """Binaries of the source ``name`` that were asked for, of how many."""
        ...


class PullProgress(Protocol):
    """Told by ``pull``; ``copied`` in the threads that copy."""

    def described(self, done: int, total: int) -> None:
        """Binaries whose documents were read, of how many."""
        ...

    def copied(self, done: int, total: int) -> None:
        """Bytes of blobs that are on disk, of how many."""
        ...


class NoProgress:
    """Says nothing."""

    def reading(self, name: str, done: int, total: int | None) -> None:
        """Ignore it."""

    def writing(self, name: str, done: int, total: int) -> None:
        """Ignore it."""

    def finished(self, outcome: SourceOutcome) -> None:
        """Ignore it."""

    def sized(self, name: str, done: int, total: int) -> None:
        """Ignore it."""

    def described(self, done: int, total: int) -> None:
        """Ignore it."""

    def copied(self, done: int, total: int) -> None:
        """Ignore it."""
