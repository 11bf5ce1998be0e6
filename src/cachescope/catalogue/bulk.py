"""Many rows at once, past the object layer: statements are made of the same tables, values go to the driver as they are.

One statement inserts as many rows as the driver takes parameters for. Measured on 170,000 edges: a third of the time
that ``executemany`` takes, which binds and steps row by row.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache
from itertools import chain
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Select, Table

__all__ = ["bulk_insert", "bulk_insert_flat", "fast_rows"]

_FETCHED = 10_000
_PARAMETERS = 10_000
"""Values in one statement. SQLite takes 32,766; more than some thousands gain nothing."""


class _Cursor(Protocol):
    """What the drivers' cursors have in common."""

    def fetchmany(self, size: int) -> Sequence[tuple[Any, ...]]: ...

    def close(self) -> None: ...


@cache
def _statement(table: Table, rows: int) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    one = f"({', '.join('?' * len(table.columns))})"
    return f'INSERT INTO "{table.name}" ({columns}) VALUES {", ".join([one] * rows)}'  # noqa: S608 - names of our tables


def bulk_insert(connection: Connection, table: Table, rows: Iterable[tuple[object, ...]]) -> None:
    """Insert rows whose values stand in the order of the table's columns."""
    bulk_insert_flat(connection, table, list(chain.from_iterable(rows)))


def bulk_insert_flat(connection: Connection, table: Table, values: Sequence[object]) -> None:
    """Insert rows that stand one after the other in one sequence."""
    width = len(table.columns)
    step = _PARAMETERS // width * width
    for start in range(0, len(values), step):
        some = tuple(values[start : start + step])
        connection.exec_driver_sql(_statement(table, len(some) // width), some)


def fast_rows(connection: Connection, statement: Select[Any]) -> Iterator[tuple[Any, ...]]:
    """Select plain tuples as the driver gives them: numbers, texts and bytes, without the object layer's rows.

    Measured on 400,000 rows of three columns: a third of the time.
    """
    result = connection.execute(statement)
    with closing(cast("_Cursor", result.cursor)) as cursor:
        while some := cursor.fetchmany(_FETCHED):
            yield from some
