"""Reads all specs and edges of a catalogue into arrays: a second or two for 400,000 specs, so only who stays does so."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Row, Select, Table, Text, cast, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.spec_arrays import (
    ArchitectureRow,
    Column,
    EdgeArrays,
    EdgeKindRow,
    Height,
    Orders,
    SpecArrays,
    places_of,
)
from cachescope.model.spec import RUNTIME, Deptype

__all__ = ["read_arrays"]

_ROWS = 10_000
"""Rows that are read at a time."""

_FORMAT_5 = 5
_UNKNOWN = -1
_DEEPEST = 1000
"""Edges on one way down that are followed: far more than any real DAG has, so that a hostile one ends."""

_LAST = np.iinfo(np.int32).max

Numbers = NDArray[np.int32]


def read_arrays(connection: Connection) -> SpecArrays | None:
    """Read everything, in the state that the connection sees; None if edges run in a circle, of which SQL knows more. 14 statements, of which 3 read all specs or edges."""
    columns = _read(
        connection,
        select(
            t.spec.c.id,
            t.spec.c.name_id,
            *(
                func.coalesce(column, _UNKNOWN)
                for column in (
                    t.spec.c.version_id,
                    t.spec.c.architecture_id,
                    t.spec.c.compiler_id,
                    t.spec.c.variant_set_id,
                    t.spec.c.namespace_id,
                )
            ),
            t.spec.c.spec_format,
            t.spec.c.knowledge,
            func.coalesce(t.spec.c.presence, _UNKNOWN),
        ).order_by(t.spec.c.id),
        _count(connection, t.spec),
    )
    ids, name, version, architecture, compiler, variant_set, namespace, spec_format, knowledge, presence = (
        _compact(column) for column in columns
    )
    del columns
    from_page = (knowledge == int(Knowledge.PAGE)) & (compiler != _UNKNOWN)
    rows = connection.execute(select(t.edge_kind.c.id, t.edge_kind.c.deptypes, t.edge_kind.c.virtuals))
    kinds = [
        EdgeKindRow(key, Deptype(deptypes), frozenset(filter(None, virtuals.split(","))))
        for key, deptypes, virtuals in rows
    ]
    providers: dict[str, list[int]] = {}
    for virtual, provider in connection.execute(select(t.provider.c.virtual, t.provider.c.name_id)):
        providers.setdefault(virtual, []).append(provider)
    architectures = connection.execute(
        select(t.architecture.c.id, t.architecture.c.platform, t.architecture.c.os, t.architecture.c.target)
    ).all()  # an open result would keep SQLite interrupted, also for the end of the transaction, once it was
    edges = _edges(connection, ids, [kind.id for kind in kinds if kind.deptypes & RUNTIME])
    if edges is None:
        return None
    return SpecArrays(
        ids=ids,
        name=name,
        version=version,
        architecture=architecture,
        compiler=compiler,
        variant_set=variant_set,
        namespace=namespace,
        presence=presence,
        by_compiler=(spec_format < _FORMAT_5) | from_page,
        edges=edges,
        orders=_orders(connection, ids, name=name, version=version, architecture=architecture),
        architectures=[ArchitectureRow(*row) for row in architectures],
        kinds=kinds,
        providers=providers,
    )


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _read(connection: Connection, statement: Select[Any], count: int) -> Numbers:
    """Return the columns of a statement of so many rows of numbers, one a line."""
    columns = np.empty((len(statement.selected_columns), count), dtype=np.int32)
    start = 0
    for rows in _pieces(connection, statement):
        columns[:, start : start + len(rows)] = rows.T
        start += len(rows)
    return columns


def _pieces(connection: Connection, statement: Select[Any]) -> Iterator[Numbers]:
    width = len(statement.selected_columns)
    for rows in _rows(connection, statement):
        yield np.fromiter(chain.from_iterable(rows), np.int32, len(rows) * width).reshape(-1, width)


def _rows(connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
    """Return the rows of a statement by pieces: few enough at a time that they take little room beside the arrays."""
    result = connection.execute(statement, execution_options={"stream_results": True})
    cursor = result.cursor
    try:
        yield from result.partitions(_ROWS)
    finally:
        result.close()
        if cursor is not None:
            # Cut off just while the server closes it, it stays open; the second time it closes without asking.
            cursor.close()


def _compact(column: Column) -> Column:
    """Return a column of its own in the smallest numbers that hold it."""
    highest = int(column.max(initial=0))
    for smaller in (np.int8, np.int16):
        if highest <= np.iinfo(smaller).max:
            return column.astype(smaller)
    return column.copy()


# -- edges ---------------------------------------------------------------------------------------------------------------


def _edges(connection: Connection, ids: Column, runtime_kinds: list[int]) -> EdgeArrays | None:
    parent, child, kind = _read_edges(connection, ids)
    height = _heights(parent, child, len(ids))
    if height is None:
        return None
    counted = np.zeros(int(kind.max(initial=-1)) + 2, dtype=np.bool_)
    counted[[key for key in runtime_kinds if key < len(counted) - 1]] = True
    # Heights begin with 1: what has no edge has none.
    group = _compact(height * 2 - 1)[parent]
    group -= counted[kind]
    starts, order = [0], np.empty(len(group), dtype=np.int32)
    for number in range(2 * int(height.max(initial=0))):
        # A sort would do the same in one, and take several times the room of the edges.
        found = np.flatnonzero(group == number)
        starts.append(starts[-1] + len(found))
        order[starts[-2] : starts[-1]] = found
    heights = [Height(*starts[number : number + 3]) for number in range(0, len(starts) - 1, 2)]
    del group
    # One after the other: each takes the place of what it was made of.
    parent = parent[order]
    child = child[order]
    return EdgeArrays(parent, child, kind[order], heights, _compact(height - 1))


def _read_edges(connection: Connection, ids: Column) -> tuple[Column, Column, Column]:
    """Return parent and child of each edge by their places, and its kind.

    A row for each edge would take most of the time. So the database writes all edges of a parent as one text, in which
    each is one number.
    """
    count = _count(connection, t.edge)
    kinds = 1 + int(connection.execute(select(func.max(t.edge.c.kind_id))).scalar() or 0)
    parent, child = (np.empty(count, dtype=np.int32) for _ in range(2))
    kind: Column = np.empty(count, dtype=np.int16 if kinds <= np.iinfo(np.int16).max else np.int32)
    edge = cast(t.edge.c.child_id, BigInteger) * kinds + t.edge.c.kind_id
    listed = func.aggregate_strings(cast(edge, Text), ",")
    filled = 0
    statement = select(t.edge.c.parent_id, listed).group_by(t.edge.c.parent_id).order_by(t.edge.c.parent_id)
    for rows in _rows(connection, statement):
        keys, texts = zip(*rows, strict=True)
        numbers = np.fromstring(",".join(texts), dtype=np.int64, sep=",")
        above = np.repeat(places_of(ids, np.array(keys)), [text.count(",") + 1 for text in texts])
        below = places_of(ids, numbers // kinds)
        # A damaged catalogue may have edges that lead nowhere; the database does not find their ends either.
        whole = (above >= 0) & (below >= 0)
        end = filled + int(np.count_nonzero(whole))
        parent[filled:end], child[filled:end] = above[whole], below[whole]
        kind[filled:end] = numbers[whole] % kinds
        filled = end
    return parent[:filled], child[:filled], _compact(kind[:filled])


def _heights(parent: Column, child: Column, specs: int) -> Numbers | None:
    """Return how many edges lie on the longest way from each spec down to a leaf; None if there is no such way.

    So it is in a cycle. What is deeper than any honest DAG takes as long as one.
    """
    heights = np.zeros(specs, dtype=np.int32)
    for height in range(1, _DEEPEST + 1):
        if not len(parent):
            return heights
        heights[parent] = height
        is_open = np.zeros(specs, dtype=np.bool_)
        is_open[parent] = True
        rest = is_open[child]
        parent, child = parent[rest], child[rest]
    return None


# -- orders --------------------------------------------------------------------------------------------------------------


def _orders(
    connection: Connection, ids: Column, *, name: Column, version: Column, architecture: Column
) -> Orders:
    in_order = _read(connection, select(t.spec.c.id).order_by(t.spec.c.hash), len(ids))[0]
    by_hash = np.empty(len(ids), dtype=np.int32)
    by_hash[places_of(ids, in_order)] = np.arange(len(ids), dtype=np.int32)
    del in_order
    names = _ranks(connection, t.name.c.id, t.name.c.text)
    versions = _ranks(connection, t.version.c.id, t.version.c.key.desc(), unknown=_LAST)
    systems = _ranks(connection, t.architecture.c.id, t.architecture.c.os)
    targets = _ranks(connection, t.architecture.c.id, t.architecture.c.target)
    sorted_ = np.lexsort(
        (by_hash, targets[architecture], systems[architecture], versions[version], names[name])
    )
    by_name = np.empty(len(ids), dtype=np.int32)
    by_name[sorted_] = np.arange(len(ids), dtype=np.int32)
    return Orders(
        by_name=by_name,
        by_hash=by_hash,
        name=names,
        version=versions,
        os=systems,
        target=targets,
        compiler=_ranks(connection, t.compiler.c.id, t.compiler.c.name),
        compiler_version=_ranks(connection, t.compiler.c.id, t.compiler.c.version_key.desc(), unknown=_LAST),
    )


def _ranks(connection: Connection, key: Any, order: Any, *, unknown: int = _UNKNOWN) -> Numbers:
    """Return by the keys of a small table where each stands in an order, at the end where the unknown does.

    The database orders, as it does the rows of an answer: each has rules of its own for texts.
    """
    rows = connection.execute(select(key, func.dense_rank().over(order_by=order))).all()
    ranks = np.full(max((row[0] for row in rows), default=-1) + 2, unknown, dtype=np.int32)
    for at, rank in rows:
        ranks[at] = rank
    return ranks
