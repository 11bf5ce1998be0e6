"""Counts all packages of a large scope from arrays: a third of the time of the statement that says the same.

``summaries.package_counts`` is that statement; small scopes and ``db check`` use it, so each counts what the other wrote.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, cast, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import fast_rows
from cachescope.model.record import Presence

__all__ = ["ScopeCounter"]

Column: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"

_KEY_BITS = 31
"""Keys are integers of 32 bits with a sign; 0 stands for none. Two in one number halve the values that are fetched."""
_STATE_BITS = 2


class _Specs(NamedTuple):
    """The specs of a scope by columns; keys are 0 where a spec has none."""

    name: Column
    version: Column
    compiler: Column
    architecture: Column
    state: Column

    @classmethod
    def of(cls, first: Column, second: Column) -> "_Specs":
        key = (1 << _KEY_BITS) - 1
        return cls(
            name=first >> _KEY_BITS,
            version=first & key,
            compiler=second >> _KEY_BITS + _STATE_BITS,
            architecture=second >> _STATE_BITS & key,
            state=second & (1 << _STATE_BITS) - 1,
        )


class _Listed(NamedTuple):
    """What a source lists, as it is fetched: two keys in a number, and the key of the spec."""

    first: Column
    second: Column
    key: Column


class ScopeCounter:
    """Counts scopes of one state of the catalogue. What a mirror's sources have is read once, for it and for its ref."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._by_source: dict[int, _Listed] = {}
        self._systems, self._targets = _parts_of_architectures(connection)
        self._rank_of, self._version_of = _ranks(connection)

    def count(self, ref: str, stack: str, sources: Sequence[int]) -> Iterator[tuple[object, ...]]:
        """Return the rows of ``package_summary`` for a scope that has these sources; both texts are empty for all."""
        if not ref and not stack:
            specs = _of_all(self._connection)
        else:
            specs = _highest([self._source(one) for one in sources])
        return ((ref, stack, *row) for row in self._rows(specs))

    def _source(self, key: int) -> "_Listed":
        known = self._by_source.get(key)
        if known is None:
            known = self._by_source[key] = _of_source(self._connection, key)
        return known

    def _rows(self, specs: _Specs) -> Iterator[tuple[object, ...]]:
        names, place = np.unique(specs.name, return_inverse=True)
        is_binary = specs.state > int(Presence.MENTIONED)
        # Of packages without a binary, the mentions count.
        has_binary = np.bincount(place[is_binary], minlength=len(names)) > 0
        counted = is_binary | ~has_binary[place]
        newest = np.zeros(len(names), dtype=np.int64)
        np.maximum.at(newest, place[counted], self._rank_of[specs.version[counted]])
        numbers = [
            *(np.bincount(place[specs.state == int(state)], minlength=len(names)) for state in _STATES),
            *(
                _different(place[counted], column[counted], len(names))
                for column in (
                    specs.version,
                    specs.compiler,
                    self._systems[specs.architecture],
                    self._targets[specs.architecture],
                )
            ),
        ]
        return zip(
            names.tolist(),
            *(one.tolist() for one in numbers),
            (self._version_of[one] for one in newest.tolist()),
            strict=True,
        )


_STATES = (Presence.PRESENT, Presence.MENTIONED, Presence.UNSTATED)
"""In the order of the columns of ``package_summary``."""


def _of_all(connection: Connection) -> _Specs:
    statement = select(*_packed(t.spec.c.presence)).where(t.spec.c.presence.is_not(None))
    return _Specs.of(*_columns(connection, statement, 2))


def _of_source(connection: Connection, source: int) -> _Listed:
    statement = (
        select(*_packed(t.presence.c.state), t.presence.c.spec_id)
        .select_from(t.presence.join(t.spec, t.spec.c.id == t.presence.c.spec_id))
        .where(t.presence.c.source_id == source, t.presence.c.until.is_(None))
    )
    return _Listed(*_columns(connection, statement, 3))


def _highest(sources: Sequence[_Listed]) -> _Specs:
    """Put sources together: each spec once, with the highest state that one of them gives it."""
    if len(sources) == 1:
        return _Specs.of(sources[0].first, sources[0].second)
    first, second, key = map(np.concatenate, zip(*sources, strict=True))
    # The state stands in the lowest bits, and all above are the same for one spec: the last of each key is its highest.
    order = np.lexsort((second, key))
    key = key[order]
    is_last = np.append(key[1:] != key[:-1], [True] * (len(key) > 0))
    return _Specs.of(first[order][is_last], second[order][is_last])


def _packed(state: ColumnElement[int]) -> Sequence[ColumnElement[Any]]:
    def key(column: ColumnElement[int]) -> ColumnElement[int]:
        return func.coalesce(cast(column, BigInteger), 0)

    spec, shift = t.spec.c, 1 << _KEY_BITS
    return (
        key(spec.name_id) * shift + key(spec.version_id),
        (key(spec.compiler_id) * shift + key(spec.architecture_id)) * (1 << _STATE_BITS) + state,
    )


def _columns(connection: Connection, statement: Select[Any], width: int) -> Sequence[Column]:
    values = chain.from_iterable(fast_rows(connection, statement))
    table = np.fromiter(values, dtype=np.int64).reshape(-1, width)
    return [table[:, one] for one in range(width)]


def _different(place: Column, column: Column, packages: int) -> Column:
    """Count the different keys of each package; 0 is none."""
    stated = column > 0
    pairs = np.unique(place[stated] << _KEY_BITS | column[stated])
    return np.bincount(pairs >> _KEY_BITS, minlength=packages)


def _parts_of_architectures(connection: Connection) -> tuple[Column, Column]:
    """Return numbers for the systems and targets of architectures, by their keys; 0 for no architecture."""
    rows = connection.execute(select(t.architecture.c.id, t.architecture.c.os, t.architecture.c.target)).all()
    systems, targets = np.zeros((2, max((row.id for row in rows), default=0) + 1), dtype=np.int64)
    numbers: dict[str, int] = {}
    for row in rows:
        systems[row.id] = numbers.setdefault(row.os, len(numbers) + 1)
        targets[row.id] = numbers.setdefault(row.target, len(numbers) + 1)
    return systems, targets


def _ranks(connection: Connection) -> tuple[Column, Sequence[int | None]]:
    """Return the rank of each version by its key, and the version of each rank; rank 0 is no version."""
    keys = connection.execute(select(t.version.c.id).order_by(t.version.c.key)).scalars().all()
    ranks = np.zeros(max(keys, default=0) + 1, dtype=np.int64)
    ranks[list(keys)] = np.arange(1, len(keys) + 1)
    return ranks, [None, *keys]
