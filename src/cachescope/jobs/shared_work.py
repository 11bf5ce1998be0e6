"""Answers that wait for work which another one may be doing: without a thread of their own."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from cachescope.model.virtual_answers import Awaited, MirrorAnswer
from cachescope.transport.shared_work import SharedWork

__all__ = ["AwaitedWork"]

Result = TypeVar("Result")


class AwaitedWork(SharedWork[Result]):
    """Work that answers are made of."""

    def awaited(
        self, about: Hashable, work: Callable[[], Result], given: Callable[[Result], MirrorAnswer]
    ) -> Awaited:
        """Return an answer that is made of what the work gives: one does it, and the others wait without a thread."""
        running = self.running(about)
        if running is not None:
            return Awaited(lambda: given(running.result()), after=running)

        def begin() -> MirrorAnswer:
            mine = self.done(about, work)
            if mine.done():
                return given(mine.result())
            return Awaited(lambda: given(mine.result()), after=mine)

        return Awaited(begin)
