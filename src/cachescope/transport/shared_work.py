"""Work that several ask for at a time, and that one of them does."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

from cachescope.model.errors import MirrorUnavailable

__all__ = ["SharedWork"]

Result = TypeVar("Result")


class SharedWork(Generic[Result]):
    """Work that is under way, by what it is about. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: dict[Hashable, Future[Result]] = {}

    def running(self, about: Hashable) -> "Future[Result] | None":
        """Return what tells the end of work that another thread does; None if none does."""
        with self._lock:
            return self._running.get(about)

    def done(self, about: Hashable, work: Callable[[], Result]) -> "Future[Result]":
        """Do it in this thread, or return at once what another one does. What it raises goes to all who asked meanwhile."""
        with self._lock:
            known = self._running.get(about)
            if known is not None:
                return known
            mine: Future[Result] = Future()
            self._running[about] = mine
        mine.set_running_or_notify_cancel()  # nobody who waits can cancel it for the others
        settle: Callable[[], None]
        try:
            settle = partial(mine.set_result, work())
        except Exception as error:  # noqa: BLE001 - goes to all who wait
            settle = partial(mine.set_exception, error)
        except BaseException as error:
            settle = partial(
                mine.set_exception, MirrorUnavailable("what was waited for broke off", hint="try again")
            )
            raise error from None
        finally:
            # Who comes from here on asks anew, and then those who waited are told.
            with self._lock:
                del self._running[about]
            settle()
        return mine
