"""A column that SQLite is not to seek by in an index."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["unindexed"]


class unindexed(FunctionElement[int]):  # noqa: N801 - named as functions of SQL are
    """The same key, for SQLite as a sum: it then does not seek in an index once for each of many values.

    PostgreSQL plans by counts of values, which it has for columns alone.
    """

    type = Integer()
    inherit_cache = True


@compiles(unindexed)
def _plain(element: unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(unindexed, "sqlite")
def _as_a_sum(element: unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)} + 0)"
