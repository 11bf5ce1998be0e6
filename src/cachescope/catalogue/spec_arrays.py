"""All specs and edges of one state of the catalogue as arrays, for queries that many specs take part in.

A spec is known here by its place in the order of keys. An interned value stands as its key, and what is not known as -1,
which every table answers at its end. Nothing changes once it was read, so threads share it.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachescope.model.spec import Deptype

__all__ = [
    "ArchitectureRow",
    "Column",
    "EdgeArrays",
    "EdgeKindRow",
    "Height",
    "KeptMasks",
    "Mask",
    "Orders",
    "SpecArrays",
    "fulfils",
    "places_of",
]

Mask = NDArray[np.bool_]
"""What holds of which spec, or of which edge."""

Column = NDArray[np.signedinteger]
"""A number for each spec or edge."""


def fulfils(column: Column, keys: Iterable[int]) -> Mask:
    """Return where a column has one of these keys; -1 is what is not known, and what is lower stands nowhere."""
    wanted = np.fromiter(keys, dtype=np.int64)
    if len(wanted) == 1:
        alone: Mask = column == wanted[0]
        return alone
    highest = int(column.max(initial=-1))
    table = np.zeros(highest + 2, dtype=np.bool_)
    table[wanted[(wanted >= -1) & (wanted <= highest)]] = True
    return table[column]


def places_of(ids: Column, keys: Column) -> Column:
    """Return where in an ascending column these keys are; -1 for one that is not there."""
    places = np.searchsorted(ids, keys)
    if not len(ids):
        return np.full_like(places, -1)
    places[places == len(ids)] = 0
    places[ids[places] != keys] = -1
    return places


class ArchitectureRow(NamedTuple):
    """One architecture of the catalogue."""

    id: int
    platform: str
    os: str
    target: str


class EdgeKindRow(NamedTuple):
    """One kind of edges."""

    id: int
    deptypes: Deptype
    virtuals: frozenset[str]


class Height(NamedTuple):
    """A piece of the edges: those that begin at parents of one height above the leaves, link and run edges first."""

    start: int
    end_of_runtime: int
    end: int


@dataclass(frozen=True, slots=True)
class EdgeArrays:
    """The edges, those of a parent behind those of all its children: one pass finds all that stands above some specs."""

    parent: Column
    child: Column
    kind: Column
    heights: Sequence[Height]
    """By height, from the lowest; within a piece the parents ascend."""

    height_of: Column
    """Of each spec, as the number of its piece; -1 for one without edges."""

    def of(self, specs: Column) -> Column:
        """Return the edges that begin at these specs, which ascend."""
        found = []
        heights = self.height_of[specs]
        for number in np.unique(heights[heights >= 0]).tolist():
            here, height = specs[heights == number], self.heights[number]
            for start, end in ((height.start, height.end_of_runtime), (height.end_of_runtime, height.end)):
                parents = self.parent[start:end]
                first = np.searchsorted(parents, here, "left")
                counts = np.searchsorted(parents, here, "right") - first
                # Of each of them as many numbers as it has edges, counted on from its first.
                before = np.cumsum(counts) - counts
                found.append(np.arange(counts.sum()) + np.repeat(start + first - before, counts))
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def parents_of(self, edges: Column, specs: int) -> Mask:
        """Return which of so many specs have one of these edges."""
        found = np.zeros(specs, dtype=np.bool_)
        found[self.parent[edges]] = True
        return found

    def with_all_above(self, specs: Mask, *, runtime: bool) -> Mask:
        """Return these specs and all that reach them, by link and run edges or by all."""
        reached = specs.copy()
        for height in self.heights:
            piece = slice(height.start, height.end_of_runtime if runtime else height.end)
            reached[self.parent[piece][reached[self.child[piece]]]] = True
        return reached

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return self.parent.nbytes + self.child.nbytes + self.kind.nbytes + self.height_of.nbytes


@dataclass(frozen=True, slots=True)
class Orders:
    """Where a spec, or what is known of it by its key, stands in an order; what is equal stands at one place."""

    by_name: Column
    """Of each spec in a list by name: no two stand at one place."""

    by_hash: Column
    name: Column
    version: Column
    """The newest first and what is not known last; so is the version of a compiler, all else the other way round."""

    os: Column
    target: Column
    compiler: Column
    compiler_version: Column


_KEPT = 32
"""Masks that are kept at the most: one takes a bit for each spec."""


class KeptMasks:
    """What holds of which spec, for the questions that were asked last."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, NDArray[np.uint8]] = {}
        self._lock = Lock()

    def get(self, key: Hashable, specs: int, ask: Callable[[], Mask]) -> Mask:
        """Return the answer of ``ask``, which speaks of so many specs, or the one that is kept."""
        with self._lock:
            packed = self._kept.pop(key, None)
        mask = np.unpackbits(packed, count=specs).view(np.bool_) if packed is not None else ask()
        with self._lock:
            self._kept[key] = packed if packed is not None else np.packbits(mask)
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecArrays:
    """What is asked of specs, and how they depend on each other."""

    ids: Column
    """Keys of the specs, ascending."""

    name: Column
    version: Column
    architecture: Column
    compiler: Column
    variant_set: Column
    namespace: Column
    presence: Column
    by_compiler: Mask
    """Whether ``%`` is judged by the compiler alone, as ``query.matching.own_compiler_decides`` says."""

    edges: EdgeArrays
    orders: Orders
    architectures: Sequence[ArchitectureRow]
    kinds: Sequence[EdgeKindRow]
    providers: Mapping[str, Sequence[int]]
    """Keys of names by virtual."""

    kept: KeptMasks = field(default_factory=KeptMasks)
    """What a scope has, which many questions ask."""

    @property
    def nbytes(self) -> int:
        """Bytes that all of them take; the small tables not counted."""
        columns: Sequence[NDArray[Any]] = (
            self.ids,
            self.name,
            self.version,
            self.architecture,
            self.compiler,
            self.variant_set,
            self.namespace,
            self.presence,
            self.by_compiler,
            self.orders.by_name,
            self.orders.by_hash,
        )
        return sum(one.nbytes for one in columns) + self.edges.nbytes

    def none(self) -> Mask:
        """Return that it holds of no spec."""
        return np.zeros(len(self.ids), dtype=np.bool_)

    def all(self) -> Mask:
        """Return that it holds of each spec."""
        return np.ones(len(self.ids), dtype=np.bool_)

    def with_keys(self, keys: Iterable[int]) -> Mask:
        """Return which specs have these keys of their own."""
        found = self.none()
        places = places_of(self.ids, np.fromiter(keys, dtype=np.int64))
        found[places[places >= 0]] = True
        return found
