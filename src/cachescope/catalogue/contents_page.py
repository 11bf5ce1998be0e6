"""What came and went between two parts of the catalogue, counted by the database: a page names some packages of it.

The same answer as ``jobs.contents.diff_contents``, which names every spec.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Select, Subquery, func, literal, select, union_all

from cachescope.catalogue import schema as t
from cachescope.catalogue.contents import check_known
from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.catalogue.times import to_stored
from cachescope.model.contents import (
    ChangedSpec,
    ChangeKind,
    ContentsPage,
    PackageTotals,
    Part,
    SideTotal,
)
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import DagHash
from cachescope.model.record import Presence
from cachescope.query.versions import version_key

__all__ = ["contents_page"]

_PACKAGES = 40
_SPECS = 3
"""Of each side of a package that are named."""

Keep = Callable[[tuple[object, ...], Callable[[], Any]], Any]


@dataclass(frozen=True, slots=True)
class _Totals:
    first: SideTotal
    second: SideTotal
    stay: int
    changed: tuple[PackageTotals, ...]


def contents_page(
    connection: Connection, first: Part, second: Part, *, page: int, keep: Keep
) -> ContentsPage:
    """Compare two parts. 9 statements at the most; one of them looks at all that both have, and is kept by ``keep``.

    Raises ``NotInCatalogue`` for a part that is unknown, of which nothing was known at its time, and for a page beyond the last.
    """
    sides = [_present(connection, part) for part in (first, second)]
    totals: _Totals = keep(("contents", first, second), lambda: _totals(connection, first, second, sides))
    pages = max(1, -(-len(totals.changed) // _PACKAGES))
    if page > pages:
        raise NotInCatalogue(f"there is no page {page}", hint=f"the last one is {pages}")
    listed = totals.changed[(page - 1) * _PACKAGES : page * _PACKAGES]
    named = _first_specs(connection, sides, [one.name for one in listed])
    return ContentsPage(
        first=totals.first,
        second=totals.second,
        stay=totals.stay,
        kinds={kind: sum(one.kind is kind for one in totals.changed) for kind in ChangeKind},
        packages=tuple(
            replace(
                one,
                first_came=tuple(named.get((one.name, 0), ())),
                first_went=tuple(named.get((one.name, 1), ())),
            )
            for one in listed
        ),
        page=page,
        pages=pages,
    )


def _present(connection: Connection, part: Part) -> Select[Any]:
    """Return what selects the specs that are, or were, present in a part."""
    sources = LockLookup(connection, [part.against]).source_keys
    statement = select(t.presence.c.spec_id.label("spec_id")).where(
        t.presence.c.source_id.in_(sources), t.presence.c.state == int(Presence.PRESENT)
    )
    if part.moment is None:
        return statement.where(t.presence.c.until.is_(None))
    check_known(connection, part, sources)
    since, until = t.snapshot.alias("since"), t.snapshot.alias("until")
    stored = to_stored(part.moment)
    return (
        statement.join(since, since.c.id == t.presence.c.since)
        .outerjoin(until, until.c.id == t.presence.c.until)
        .where(since.c.taken_at <= stored, (until.c.id.is_(None)) | (until.c.taken_at > stored))
    )


def _both(sides: Sequence[Select[Any]]) -> Subquery:
    """Return each spec once, with whether the first side has it and whether the second does."""
    marked = union_all(
        *(
            side.add_columns(literal(1 - index).label("before"), literal(index).label("after"))
            for index, side in enumerate(sides)
        )
    ).subquery()
    return (
        select(
            marked.c.spec_id,
            func.max(marked.c.before).label("before"),
            func.max(marked.c.after).label("after"),
        )
        .group_by(marked.c.spec_id)
        .subquery()
    )


@dataclass(slots=True)
class _Package:
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    specs: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Of the first, of the second, of both."""


def _totals(connection: Connection, first: Part, second: Part, sides: Sequence[Select[Any]]) -> _Totals:
    both = _both(sides)
    rows = connection.execute(
        select(
            t.spec.c.name_id,
            t.spec.c.version_id,
            func.sum(both.c.before),
            func.sum(both.c.after),
            func.sum(both.c.before * both.c.after),
        )
        .join(both, both.c.spec_id == t.spec.c.id)
        .group_by(t.spec.c.name_id, t.spec.c.version_id)
    ).all()
    names = {row.id: row.text for row in connection.execute(select(t.name.c.id, t.name.c.text))}
    versions = {row.id: row.text for row in connection.execute(select(t.version.c.id, t.version.c.text))}
    packages: defaultdict[str, _Package] = defaultdict(_Package)
    for name, version, before, after, stay in rows:
        package = packages[names[name]]
        text = versions.get(version, "")
        if before:
            package.before.append(text)
        if after:
            package.after.append(text)
        for index, count in enumerate((before, after, stay)):
            package.specs[index] += int(count)
    changed = [
        _counted(name, one)
        for name, one in sorted(packages.items())
        if not one.specs[0] == one.specs[1] == one.specs[2]
    ]
    return _Totals(
        first=_side(first, packages.values(), 0),
        second=_side(second, packages.values(), 1),
        stay=sum(one.specs[2] for one in packages.values()),
        changed=tuple(changed),
    )


def _side(part: Part, packages: Iterable[_Package], index: int) -> SideTotal:
    counts = [one.specs[index] for one in packages]
    return SideTotal(
        name=part.text, moment=part.moment, specs=sum(counts), packages=sum(1 for one in counts if one)
    )


def _counted(name: str, package: _Package) -> PackageTotals:
    before, after, stay = package.specs
    versions = [tuple(sorted(set(some), key=_order)) for some in (package.before, package.after)]
    if not before:
        kind = ChangeKind.CAME
    elif not after:
        kind = ChangeKind.WENT
    else:
        kind = ChangeKind.VERSIONS if versions[0] != versions[1] else ChangeKind.BUILDS
    return PackageTotals(
        name=name,
        kind=kind,
        versions_before=versions[0],
        versions_after=versions[1],
        came=after - stay,
        went=before - stay,
        stay=stay,
    )


def _order(version: str) -> tuple[object, str]:
    return version_key(version), version


def _first_specs(
    connection: Connection, sides: Sequence[Select[Any]], names: Sequence[str]
) -> dict[tuple[str, int], list[ChangedSpec]]:
    """Return the first specs that one side alone has, by package and side: 0 came, 1 went."""
    if not names:
        return {}
    wanted = select(t.name.c.id).where(t.name.c.text.in_(names)).scalar_subquery()
    of_names = select(t.spec.c.id).where(t.spec.c.name_id.in_(wanted))
    both = _both([side.where(t.presence.c.spec_id.in_(of_names)) for side in sides])
    numbered = (
        select(
            t.spec.c.hash,
            t.spec.c.name_id,
            t.spec.c.version_id,
            both.c.before,
            func.row_number()
            .over(partition_by=(t.spec.c.name_id, both.c.before), order_by=t.spec.c.hash)
            .label("number"),
        )
        .join(both, both.c.spec_id == t.spec.c.id)
        .where(both.c.before != both.c.after)
        .subquery()
    )
    rows = connection.execute(
        select(numbered.c.hash, t.name.c.text, t.version.c.text, numbered.c.before)
        .join(t.name, t.name.c.id == numbered.c.name_id)
        .outerjoin(t.version, t.version.c.id == numbered.c.version_id)
        .where(numbered.c.number <= _SPECS)
        .order_by(numbered.c.hash)
    )
    found: dict[tuple[str, int], list[ChangedSpec]] = {}
    for dag_hash, name, version, before in rows:
        found.setdefault((name, int(before)), []).append(ChangedSpec(DagHash(dag_hash), version or ""))
    return found
