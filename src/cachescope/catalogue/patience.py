"""How long a database may take for an answer."""

import time
from collections.abc import Callable

from cachescope.model.errors import AnswerTooSlow

__all__ = ["Patience", "too_slow"]


def too_slow(*, soon_faster: bool = False) -> AnswerTooSlow:
    """Return what is told of an answer that did not come in time; ``soon_faster`` if the next one may."""
    hint = "ask for less: a narrower query, one ref or one package"
    if soon_faster:
        hint = f"ask again in a minute: what makes it faster is being read now; or {hint}"
    return AnswerTooSlow("the answer took too long and was given up", hint=hint)


class Patience:
    """The longest time for one answer, and word that nobody waits any more; shared by all connections of a catalogue."""

    def __init__(self, seconds: float = 0) -> None:
        """0 waits for ever."""
        self.seconds = seconds
        self._is_over = False

    def end(self) -> None:
        """Give up all that is asked, now and later."""
        self._is_over = True

    def is_over(self) -> bool:
        """Say whether nobody waits any more, however long it takes."""
        return self._is_over

    def begin(self) -> Callable[[], bool]:
        """Begin to wait for an answer; what is returned says whether it came too late."""
        if not self.seconds:
            return self.is_over
        until = time.monotonic() + self.seconds
        return lambda: self._is_over or time.monotonic() > until
