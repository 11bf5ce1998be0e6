"""What the paths of binaries inside a mirror are made of, as columns and read back."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row

from cachescope.catalogue import schema as t
from cachescope.model.archive import Binary
from cachescope.model.identity import DagHash, PackageName
from cachescope.model.spec import Architecture, Compiler

__all__ = ["binary_columns", "binary_of", "binary_tables"]


def binary_tables() -> FromClause:
    """Return ``spec`` with all that the paths of a binary are made of."""
    return (
        t.spec.join(t.name, t.name.c.id == t.spec.c.name_id)
        .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
        .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
        .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
    )


def binary_columns() -> tuple[ColumnElement[Any], ...]:
    """Return the columns that ``binary_of`` reads."""
    return (
        t.spec.c.hash,
        t.name.c.text.label("name"),
        t.version.c.text.label("version"),
        t.compiler.c.name.label("compiler"),
        t.compiler.c.version.label("compiler_version"),
        t.architecture.c.platform,
        t.architecture.c.os,
        t.architecture.c.target,
    )


def binary_of(row: Row[Any]) -> Binary:
    """Make a binary of a row that has these columns."""
    return Binary(
        hash=DagHash(row.hash),
        name=PackageName(row.name),
        version=row.version or "",
        compiler=Compiler(row.compiler, row.compiler_version) if row.compiler is not None else None,
        architecture=Architecture(row.platform or "", row.os or "", row.target or ""),
    )
