"""What was found out for an address below ``/mirror/``, for as long as the catalogue that it follows from does not change.

To look a blob up takes some milliseconds of questions to the database; to send a small one takes a tenth of that.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["AnswerMemory"]

_MOST = 10_000
_LONGEST = 30.0
"""Seconds for which anything is remembered, whatever the catalogue says."""

Answer = TypeVar("Answer")


class AnswerMemory(Generic[Answer]):
    """Answers by address, of one state of the catalogue at a time. Safe to use from several threads; waits for nothing."""

    def __init__(self, marker: Callable[[], object | None], *, most: int = _MOST) -> None:
        """``marker`` is another one for each state of the catalogue, and None while that cannot be told."""
        self._marker = marker
        self._most = most
        self._held: tuple[object, dict[str, tuple[float, Answer]]] = (None, {})

    def state(self) -> object | None:
        """Return the state that answers are of which are looked up from here on."""
        return self._marker()

    def get(self, address: str) -> Answer | None:
        """Return what is remembered; None if nothing is, or if it may be otherwise now."""
        state, held = self._held
        found = held.get(address)
        if found is None or state != self._marker() or time.monotonic() >= found[0]:
            return None
        return found[1]

    def keep(self, address: str, answer: Answer, state: object | None, *, seconds: float = _LONGEST) -> None:
        """Remember an answer that was looked up after ``state`` had been asked for."""
        # A thread that was slow may have an answer of a state that is gone: it is not to stand among newer ones.
        if state is None or state != self._marker():
            return
        known, held = self._held
        if known != state or len(held) >= self._most:
            held = {}
            self._held = state, held
        held[address] = time.monotonic() + seconds, answer
