"""Reading that nobody waits for: in a thread and a transaction of its own, which the end of the catalogue cuts off."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import TypeVar

from sqlalchemy import Connection

from cachescope.catalogue.engine import Catalogue

__all__ = ["ReadingBeside"]

_Found = TypeVar("_Found")
_LOG = logging.getLogger("cachescope")
_PAUSE = 0.05
"""Seconds between two attempts to cut it off: between two statements there is nothing to cut."""

_LONGEST = 10.0
"""Seconds after which a thread that does not end is left alone: its database server is silent."""


class _Over(Exception):
    """The catalogue is about to be closed."""


class ReadingBeside:
    """What starts the thread, one at a time, and ends it. Safe to use from several threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = Lock()
        self._is_over = False
        self._thread: Thread | None = None
        self._connection: Connection | None = None
        catalogue.reads_beside(self.end)

    def start(self, read: Callable[[Connection], _Found], done: Callable[[_Found | None], object]) -> None:
        """Begin to read, for as long as it takes; ``done`` is then given what was found, None where the log tells an error.

        Not to be called again before that. Neither begins once the catalogue is about to be closed.
        """
        with self._lock:
            if self._is_over:
                return
            thread = Thread(target=self._run, args=(read, done), name="reading-beside", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no more threads
                _log(error)
            else:
                self._thread = thread
                return
        done(None)

    def end(self) -> None:
        """Cut the thread off and wait until its connection is given back; none is started any more."""
        with self._lock:
            self._is_over = True
            thread = self._thread
        until = time.monotonic() + _LONGEST
        while time.monotonic() < until:
            if thread is None or not thread.is_alive():
                return
            with self._lock:
                if self._connection is not None:
                    self._catalogue.database.cut_off(self._connection)
            thread.join(_PAUSE)
        _LOG.warning("%s does not answer: what was asked of it is left alone", self._catalogue.database.shown)

    def _run(self, read: Callable[[Connection], _Found], done: Callable[[_Found | None], object]) -> None:
        found: _Found | None = None
        try:
            with self._catalogue.reading() as connection, self._within_reach(connection):
                self._catalogue.database.wait(connection)
                found = read(connection)
        except _Over:
            return
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread whom it could be told
            if self._is_over:
                return
            _log(error)
        done(found)

    @contextmanager
    def _within_reach(self, connection: Connection) -> Iterator[None]:
        """Let it be cut off, until the connection goes back to those that others use."""
        with self._lock:
            if self._is_over:
                raise _Over
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None


def _log(error: Exception) -> None:
    _LOG.error("the catalogue could not be read into arrays; SQL answers instead", exc_info=error)
