"""Finding specs in the arrays of a catalogue: which match, how many, and which of them stand first in an order.

Only those that are shown are read from the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.array_lowering import lower_to_arrays
from cachescope.catalogue.finding import Part, Place, names_like
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.spec_arrays import Column, Mask, SpecArrays, fulfils
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.summaries_of_specs import read_rows
from cachescope.catalogue.universe_reader import read_universe
from cachescope.model.record import Presence
from cachescope.query.matching import matches
from cachescope.query.spec_query import SpecQuery

__all__ = ["FoundInArrays", "find_in_arrays"]


@dataclass(slots=True)
class FoundInArrays:
    """The specs of a scope that match, by their places."""

    arrays: SpecArrays
    places: Column
    scope: Scope
    after: Place | None = field(default=None, init=False)

    def total(self, _: Connection) -> int:
        """Count them."""
        return len(self.places)

    def counted_by(self, _: Connection, part: Part) -> Mapping[int | None, int]:
        """Count them by the key of a part."""
        column: Column = getattr(self.arrays, part)
        keys, numbers = np.unique(column[self.places], return_counts=True)
        pairs = zip(keys.tolist(), numbers.tolist(), strict=True)
        return {key if key >= 0 else None: number for key, number in pairs}

    def rows(self, connection: Connection, *, limit: int, sort: str) -> Sequence[Row[Any]]:
        """Read the first of them."""
        places = self.places
        if self.after is not None:
            key = connection.execute(select(t.spec.c.id).where(t.spec.c.hash == self.after.hash)).scalar_one()
            by_name = self.arrays.orders.by_name
            places = places[by_name[places] > by_name[self.arrays.ids == key]]
        chosen = first(self.arrays, places, limit=limit, sort=sort)
        return read_rows(connection, self.arrays.ids[chosen].tolist(), self.scope)


def first(arrays: SpecArrays, places: Column, *, limit: int, sort: str) -> Column:
    """Return the first of these specs in one of ``finding.SORTS``; all of them for a limit of 0."""
    orders = arrays.orders
    name, version = orders.name[arrays.name[places]], orders.version[arrays.version[places]]
    by_hash = orders.by_hash[places]
    keys: tuple[Column, ...]
    match sort:
        case "name":
            keys = (orders.by_name[places],)
        case "version":
            keys = (version, name, by_hash)
        case "os":
            keys = (orders.os[arrays.architecture[places]], name, version, by_hash)
        case "target":
            keys = (orders.target[arrays.architecture[places]], name, version, by_hash)
        case "compiler":
            compiler = arrays.compiler[places]
            keys = (orders.compiler[compiler], orders.compiler_version[compiler], name, by_hash)
        case _:
            keys = (by_hash,)
    if 0 < limit < len(places):
        # Only what is as low as the last that is wanted has to be sorted.
        chosen = keys[0] <= np.partition(keys[0], limit - 1)[limit - 1]
        keys, places = tuple(key[chosen] for key in keys), places[chosen]
    return places[np.lexsort(keys[::-1])][: limit or None]


def find_in_arrays(
    connection: Connection, arrays: SpecArrays, query: SpecQuery | str, scope: Scope, *, mentioned: bool
) -> FoundInArrays:
    """Find what matches a parsed query, or a pattern of names."""
    lowest = Presence.MENTIONED if mentioned else Presence.PRESENT
    known = _standing(connection, arrays, scope, lowest)
    if isinstance(query, str):
        names = connection.execute(names_like(query)).scalars().all()
        return FoundInArrays(arrays, np.flatnonzero(fulfils(arrays.name, names) & known), scope)
    lowered = lower_to_arrays(connection, arrays, query, known)
    found = lowered.fulfilling
    if lowered.unsure is not None and (lowered.unsure & found).any():
        found = _decided(connection, arrays, query, found, lowered.unsure)
    return FoundInArrays(arrays, np.flatnonzero(found), scope)


def _standing(connection: Connection, arrays: SpecArrays, scope: Scope, lowest: Presence) -> Mask:
    """Return which specs a source of the scope gives this presence now, or a higher one."""
    if not scope.conditions():
        found: Mask = arrays.presence >= int(lowest)
        return found

    def ask() -> Mask:
        standing = current_presence(scope)
        keys = connection.execute(select(standing.c.spec_id).where(standing.c.state >= int(lowest)))
        return arrays.with_keys(keys.scalars())

    return arrays.kept.get((scope, lowest), len(arrays.ids), ask)


def _decided(connection: Connection, arrays: SpecArrays, query: SpecQuery, found: Mask, unsure: Mask) -> Mask:
    """Let the reference decide about those of which the arrays are not sure."""
    keys = arrays.ids[np.flatnonzero(found & unsure)].tolist()
    universe = read_universe(connection, keys)
    matching = []
    for some in chunks(keys):
        rows = connection.execute(select(t.spec.c.id, t.spec.c.hash).where(t.spec.c.id.in_(some)))
        matching += [
            key
            for key, hash_ in rows
            if hash_ in universe.specs and matches(query, universe.specs[hash_], universe)
        ]
    return (found & ~unsure) | arrays.with_keys(matching)
