"""Why a query matches nothing: names and variants that do not exist, and the smallest sets of constraints to drop."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.finding import Found, Part, find, first_specs
from cachescope.catalogue.near_names import near_names
from cachescope.catalogue.scope import Scope, is_known
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.unknown_names import notes_on_unknown
from cachescope.model.record import Presence
from cachescope.model.results import NoMatch, Relaxation
from cachescope.model.spec import Compiler, compiler_text
from cachescope.query.relaxing import Constraint, constraints, relaxations
from cachescope.query.spec_query import NodeQuery, SpecQuery

if TYPE_CHECKING:
    from cachescope.catalogue.spec_arrays import SpecArrays

__all__ = ["explain_no_match"]

_LARGEST_SET = 3
_TRIED = 60
"""Relaxed queries that are counted at the most."""

_NOTHING_SYNCED = (
    "nothing was synced into this catalogue yet: 'cachescope sync URL --as NAME' reads a cache, "
    "'cachescope sync' all that were added"
)
_SHOWN = 5
_NEAREST = 5
_INSTEAD = 3


def explain_no_match(
    connection: Connection,
    asked: str,
    query: SpecQuery | None,
    scope: Scope,
    *,
    mentioned: bool,
    arrays: "SpecArrays | None",
) -> NoMatch:
    """Explain an empty answer. Counts at most 60 relaxed queries, those with one constraint less first.

    They are counted in the arrays, if there are some.
    """
    if connection.execute(select(t.spec.c.id).limit(1)).first() is None:
        return NoMatch(notes=(_NOTHING_SYNCED,))
    if query is None:
        return NoMatch(suggestions=near_names(connection, asked))
    name = query.node.name
    if name is not None:
        alone = SpecQuery(node=NodeQuery(name=name))
        if not find(connection, alone, scope, mentioned=mentioned, arrays=arrays).total(connection):
            return _no_such_package(connection, name, scope, mentioned=mentioned, arrays=arrays)
    notes = (
        *_unknown_variants(connection, query, scope, mentioned=mentioned),
        *notes_on_unknown(connection, query),
    )
    found = _relaxed(connection, query, scope, mentioned=mentioned, arrays=arrays)
    if not found:
        return NoMatch(notes=notes)
    found.sort(key=lambda one: -one[0].total)
    best = found[0][1]
    return NoMatch(
        notes=notes,
        relaxations=tuple(relaxation for relaxation, _ in found[:_SHOWN]),
        nearest=tuple(first_specs(connection, best, limit=_NEAREST)),
    )


def _no_such_package(
    connection: Connection, name: str, scope: Scope, *, mentioned: bool, arrays: "SpecArrays | None"
) -> NoMatch:
    notes: list[str] = []
    anywhere = find(
        connection, SpecQuery(node=NodeQuery(name=name)), Scope(), mentioned=mentioned, arrays=arrays
    ).total(connection)
    only_mentioned = not mentioned and find(
        connection, SpecQuery(node=NodeQuery(name=name)), scope, mentioned=True
    ).total(connection)
    if anywhere:
        place = "/".join(filter(None, (scope.ref, scope.stack)))
        notes.append(f"{place} has no binary of {name}; other mirrors have {anywhere}")
    if only_mentioned:
        notes.append(
            f"{name} is only mentioned as a dependency ({only_mentioned:,} {'spec' if only_mentioned == 1 else 'specs'}): there is no binary of it here"
        )
    near = near_names(connection, name)
    if not notes and f"py-{name}" in near:
        notes.append(f"this name exists only as py-{name}")
    elif not notes:
        notes.append(f"no mirror in the catalogue has a package {name}")
    return NoMatch(notes=tuple(notes), suggestions=near)


def _unknown_variants(
    connection: Connection, query: SpecQuery, scope: Scope, *, mentioned: bool
) -> tuple[str, ...]:
    """Name the variants that no spec of the package has, with the ones that exist."""
    name = query.node.name
    asked = [variant.name for variant in query.node.variants if not variant.propagate]
    if name is None or not asked:
        return ()
    lowest = Presence.MENTIONED if mentioned else Presence.UNSTATED
    named = select(t.name.c.id).where(t.name.c.text == name).scalar_subquery()
    sets = select(t.spec.c.variant_set_id).where(t.spec.c.name_id == named, is_known(scope, lowest))
    known = (
        connection.execute(
            select(t.variant.c.name)
            .join(t.variant_set_member, t.variant_set_member.c.variant_id == t.variant.c.id)
            .where(t.variant_set_member.c.set_id.in_(sets), t.variant.c.kind != "flag")
            .distinct()
            .order_by(t.variant.c.name)
        )
        .scalars()
        .all()
    )
    unknown = [one for one in asked if one not in known]
    listed = ", ".join(known) or "no variants"
    return tuple(f"no spec of {name} has a variant {one}; there are {listed}" for one in unknown)


def _relaxed(
    connection: Connection, query: SpecQuery, scope: Scope, *, mentioned: bool, arrays: "SpecArrays | None"
) -> list[tuple[Relaxation, Found]]:
    tried = 0
    for size in range(1, min(_LARGEST_SET, len(constraints(query))) + 1):
        found: list[tuple[Relaxation, Found]] = []
        for dropped, rest in relaxations(query, size):
            if rest.node.is_empty and not rest.dependencies:
                continue
            tried += 1
            if tried > _TRIED:
                break
            matched = find(connection, rest, scope, mentioned=mentioned, arrays=arrays)
            total = matched.total(connection)
            if total:
                instead = _instead(connection, matched, dropped[0]) if size == 1 else ()
                texts = tuple(one.text for one in dropped)
                found.append(
                    (Relaxation(dropped=texts, query=str(rest), total=total, instead=instead), matched)
                )
        if found:
            return found
    return []


def _instead(connection: Connection, found: Found, dropped: Constraint) -> tuple[tuple[str, int], ...]:
    """Say what the specs have in place of the constraint that was dropped, where that is one value."""
    part: Part
    texts: Callable[[Row[Any] | None], str | None]
    match dropped.field:
        case "version":
            table, part = t.version, "version"
            texts = _version_text
        case "os" | "platform" | "target":
            table, part = t.architecture, "architecture"
            texts = partial(_architecture_text, dropped.field)
        case "dependency" if dropped.text.startswith("%"):
            table, part = t.compiler, "compiler"
            texts = _compiler_text
        case _:
            return ()
    specs = found.counted_by(connection, part)
    rows: dict[int | None, Row[Any]] = {}
    for some in chunks([key for key in specs if key is not None]):
        rows.update((row.id, row) for row in connection.execute(select(table).where(table.c.id.in_(some))))
    counted = Counter[str]()
    for key, number in specs.items():
        text = texts(rows.get(key))
        if text is not None:
            counted[text] += number
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return tuple(ordered[:_INSTEAD])


def _version_text(row: Row[Any] | None) -> str | None:
    return f"@{row.text}" if row is not None else None


def _architecture_text(field: str, row: Row[Any] | None) -> str | None:
    return f"{field}={getattr(row, field)}" if row is not None else None


def _compiler_text(row: Row[Any] | None) -> str:
    return "%" + compiler_text(Compiler(row.name, row.version) if row is not None else None)
