"""When a catalogue is read into arrays: by who stays, once the second broad query is asked of one state."""

import math
import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from cachescope.catalogue.database import Database
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

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
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
            if state != self._state:
                self._state, self._arrays, self._asked, self._is_given_up = state, None, 0, False
            if self._arrays is not None:
                return self._arrays
            self._asked += broad
            begun = self._clock()
            is_resting = begun < self._rests_until
            if self._asked < _ENOUGH or self._is_reading or self._is_given_up or is_resting:
                return None
            self._is_reading = True
        arrays: SpecArrays | None = None
        try:
            from cachescope.catalogue.reading_arrays import read_arrays

            # Once a state somebody waits longer than for an answer, or the arrays of a large catalogue would never be had.
            self._database.wait(connection)
            arrays = read_arrays(connection)
        finally:
            with self._lock:
                self._is_reading = False
                self._rests_until = (ended := self._clock()) + _REST * (ended - begun)
                if self._state == state:
                    self._arrays, self._is_given_up = arrays, arrays is None
        return arrays
