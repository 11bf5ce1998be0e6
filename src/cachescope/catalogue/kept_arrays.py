"""When a catalogue is read into arrays: once the second broad query is asked of one state, by who stays or by a thread of his."""

import math
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.reading_beside import ReadingBeside
from cachescope.catalogue.states import State, state_of_snapshots
from cachescope.query.spec_query import SpecQuery

if TYPE_CHECKING:
    from cachescope.catalogue.spec_arrays import SpecArrays

__all__ = ["KeptArrays", "is_broad"]

_ENOUGH = 2
"""Reading takes as long as a few broad queries, and most processes ask one."""

_REST = 10
"""After reading they are not read again for so many times as long: while many mirrors are synced, each is a new state."""


def is_broad(query: SpecQuery | str) -> bool:
    """Say whether a query asks about specs of many packages, or about edges.

    What else is asked of one package is found in an index: SQL takes less time.
    """
    if isinstance(query, str):
        return True
    node = query.node
    anonymous = node.name is None and node.hash is None
    return anonymous or bool(query.dependencies) or any(variant.propagate for variant in node.variants)


class KeptArrays:
    """The arrays of the newest state that was asked for; lives as long as its reader. Safe to use from several threads."""

    def __init__(
        self, catalogue: Catalogue, *, beside: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """With ``beside`` a thread reads them, until the catalogue is closed; else who asks the second broad query does."""
        self._database = catalogue.database
        self._beside = ReadingBeside(catalogue) if beside else None
        self._clock = clock
        self._rests_until = -math.inf
        self._lock = Lock()
        self._state: State | None = None
        self._arrays: SpecArrays | None = None
        self._asked = 0
        self._is_reading = False
        self._is_given_up = False
        """Whether this state could not be read."""

    def of(self, connection: Connection, query: SpecQuery | str) -> "SpecArrays | None":
        """Return the arrays of the state that the connection sees, for this query; None if SQL is to answer it.

        While one thread reads them, the others are answered by SQL, and so is who sees another state.
        """
        broad = is_broad(query)
        if self._arrays is None and not broad:
            return None
        state = state_of_snapshots(connection)
        with self._lock:
            self._see(state)
            if self._arrays is not None:
                return self._arrays
            self._asked += broad
            begun = self._clock()
            is_resting = begun < self._rests_until
            if self._asked < _ENOUGH or self._is_reading or self._is_given_up or is_resting:
                return None
            self._is_reading = True
        if self._beside is None:
            return self._read_in_place(connection, state, begun)
        self._beside.start(
            self._read_beside, lambda found: self._end_reading(*(found or (state, None)), begun)
        )
        return None

    @property
    def is_reading(self) -> bool:
        """Whether they are being read at this moment."""
        return self._is_reading

    def _see(self, state: State) -> None:
        if state != self._state:
            self._state, self._arrays, self._asked, self._is_given_up = state, None, 0, False

    def _read_in_place(self, connection: Connection, state: State, begun: float) -> "SpecArrays | None":
        arrays: SpecArrays | None = None
        try:
            from cachescope.catalogue.reading_arrays import read_arrays

            # Once a state somebody waits longer than for an answer, or the arrays of a large catalogue would never be had.
            self._database.wait(connection)
            arrays = read_arrays(connection)
        finally:
            self._end_reading(state, arrays, begun)
        return arrays

    def _read_beside(self, connection: Connection) -> "tuple[State, SpecArrays | None]":
        """Read them over a connection of its own, which may see a newer state than who asked."""
        from cachescope.catalogue.reading_arrays import read_arrays

        state = state_of_snapshots(connection)
        with self._lock:
            self._see(state)
        return state, read_arrays(connection)

    def _end_reading(self, state: State, arrays: "SpecArrays | None", begun: float) -> None:
        with self._lock:
            self._is_reading = False
            self._rests_until = (ended := self._clock()) + _REST * (ended - begun)
            if self._state == state:
                self._arrays, self._is_given_up = arrays, arrays is None
