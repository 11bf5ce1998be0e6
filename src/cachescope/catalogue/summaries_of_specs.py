"""Rows to ``SpecSummary``: the one shape in which every list shows a spec."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, FromClause, Row, Select, bindparam, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.stored_specs import spec_summaries
from cachescope.catalogue.summaries import chunks
from cachescope.model.identity import MirrorName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary

__all__ = ["present_in", "read_rows", "read_summaries", "select_specs", "spec_columns"]

_STATEMENTS = 32
"""Scopes whose statements are kept."""


def spec_columns() -> tuple[Any, ...]:
    """Return the columns that ``read_summaries`` needs, besides ``state``."""
    return (
        t.spec.c.id,
        t.spec.c.hash,
        t.name.c.text.label("name"),
        t.version.c.text.label("version"),
        t.version.c.key.label("version_key"),
        t.compiler.c.name.label("compiler_name"),
        t.compiler.c.version.label("compiler_version"),
        t.architecture.c.platform,
        t.architecture.c.os,
        t.architecture.c.target,
        t.variant_set.c.key.label("variants_key"),
        t.variant_set.c.content.label("variants_content"),
        t.spec.c.spec_format,
        t.spec.c.knowledge,
    )


def select_specs(presence: FromClause | None = None, *extra: Any) -> Select[Any]:
    """Select specs with all their parts; with ``presence`` only those in it, and their ``state``."""
    tables = (
        t.spec.join(t.name, t.name.c.id == t.spec.c.name_id)
        .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
        .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
        .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
        .outerjoin(t.variant_set, t.variant_set.c.id == t.spec.c.variant_set_id)
    )
    columns = [*spec_columns(), *extra]
    if presence is not None:
        tables = tables.join(presence, presence.c.spec_id == t.spec.c.id)
        columns.append(presence.c.state)
    return select(*columns).select_from(tables)


def present_in(
    connection: Connection, spec_ids: Sequence[int], scope: Scope
) -> Mapping[int, tuple[MirrorName, ...]]:
    """Return where specs are present now, within a scope, sorted."""
    found: dict[int, set[MirrorName]] = {}
    for some in chunks(spec_ids):
        for spec_id, ref, stack in connection.execute(_standing(scope), {"keys": some}):
            found.setdefault(spec_id, set()).add(MirrorName(Ref(ref), Stack(stack)))
    return {spec_id: tuple(sorted(names)) for spec_id, names in found.items()}


@lru_cache(maxsize=_STATEMENTS)
def _standing(scope: Scope) -> Select[Any]:
    """Return the mirrors of a scope that specs are present in; made once, for making it takes longer than its answer."""
    return (
        select(t.presence.c.spec_id, t.mirror.c.ref, t.mirror.c.stack)
        .join(t.source, t.source.c.id == t.presence.c.source_id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(
            t.presence.c.spec_id.in_(bindparam("keys", expanding=True)),
            t.presence.c.until.is_(None),
            t.presence.c.state == int(Presence.PRESENT),
            *scope.conditions(),
        )
    )


@lru_cache(maxsize=_STATEMENTS)
def _specs_by_key(scope: Scope) -> Select[Any]:
    """Return the statement that reads the specs ``keys`` of a scope, in any order; made once."""
    wanted = t.spec.c.id.in_(bindparam("keys", expanding=True))
    if scope.conditions():
        return select_specs(current_presence(scope, wanted))
    return select_specs(None, t.spec.c.presence.label("state")).where(wanted)


def read_rows(connection: Connection, keys: Sequence[int], scope: Scope) -> Sequence[Row[Any]]:
    """Read specs that a source of the scope has, in the order of their keys, for ``read_summaries``. 1 statement for 500."""
    rows: dict[int, Row[Any]] = {}
    for some in chunks(keys):
        rows.update((row.id, row) for row in connection.execute(_specs_by_key(scope), {"keys": some}))
    return [rows[key] for key in keys]


def read_summaries(connection: Connection, rows: Iterable[Row[Any]], scope: Scope) -> list[SpecSummary]:
    """Make summaries of rows of ``select_specs``; one further statement for each 500 rows says where they are present."""
    rows = list(rows)
    return spec_summaries(rows, present_in(connection, [row.id for row in rows], scope))
