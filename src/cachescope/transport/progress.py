"""Tells a caller how far a document has come, but not at every chunk."""

import time

from cachescope.transport.source import Progress

__all__ = ["ProgressMeter"]

_SECONDS_BETWEEN = 0.1


class ProgressMeter:
    """Counts bytes and passes them on at most ten times a second, and once at the end."""

    def __init__(self, progress: Progress | None, total: int | None) -> None:
        self._progress = progress
        self._total = total
        self._bytes = 0
        self._told_at = time.monotonic()

    def advance(self, count: int) -> None:
        """Count ``count`` more bytes."""
        self._bytes += count
        if self._progress is None:
            return
        now = time.monotonic()
        if now - self._told_at >= _SECONDS_BETWEEN:
            self._told_at = now
            self._progress(self._bytes, self._total)

    def finish(self) -> None:
        """Tell the end: now the total is known, whatever was announced."""
        if self._progress is not None:
            self._progress(self._bytes, self._bytes)
