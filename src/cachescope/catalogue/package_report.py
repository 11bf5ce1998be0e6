"""Everything that is known of one package within a scope, and the lists of packages and refs."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Integer, Row, case, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.look_alikes import distinguish
from cachescope.catalogue.near_names import near_names
from cachescope.catalogue.scope import Scope, checked_scope, current_presence
from cachescope.catalogue.sizes import with_sizes
from cachescope.catalogue.spec_writer import Knowledge
from cachescope.catalogue.summaries import package_counts
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import MirrorName, PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import (
    Counts,
    LookAlikes,
    PackageList,
    PackageReport,
    PackageSummary,
    RefStacks,
    SpecSummary,
)

__all__ = ["package_list", "package_report", "ref_stacks"]

_SHOWN_SPECS = 2000
_COMPARED_GROUPS = 20


def package_report(
    connection: Connection, name: PackageName, *, ref: Ref | None, stack: Stack | None
) -> PackageReport:
    """Report one package: at most 8 statements, 1 for 500 specs, those of ``with_sizes``, and of ``distinguish`` for 20 groups."""
    scope = checked_scope(connection, ref, stack)
    name_id = connection.execute(select(t.name.c.id).where(t.name.c.text == name)).scalar()
    presence = current_presence(scope, t.spec.c.name_id == name_id)
    states: Counter[int] = Counter(connection.execute(select(presence.c.state)).scalars())
    if not states:
        raise _unknown(connection, name, scope)
    rows = connection.execute(
        select_specs(presence)
        .where(presence.c.state > int(Presence.MENTIONED) if states.keys() - {0} else presence.c.state >= 0)
        .order_by(t.version.c.key.desc().nulls_last(), t.spec.c.hash)
        .limit(_SHOWN_SPECS)
    ).all()
    summaries, sizes = with_sizes(
        connection, [row.id for row in rows], read_summaries(connection, rows, scope), scope
    )
    versions = list(dict.fromkeys(spec.version for spec in summaries))
    return PackageReport(
        name=name,
        ref=ref,
        stack=stack,
        counts=Counts(states[Presence.PRESENT], states[Presence.MENTIONED], states[Presence.UNSTATED]),
        versions=tuple(versions),
        compilers=_counted(spec.compiler_name for spec in summaries),
        systems=_counted(spec.architecture.os for spec in summaries),
        targets=_counted(spec.architecture.target for spec in summaries),
        stacks=_stacks(connection, name_id, scope),
        groups=_groups(connection, [(row.id, row.knowledge) for row in rows], summaries),
        shown=len(summaries),
        sizes=sizes,
    )


def _unknown(connection: Connection, name: PackageName, scope: Scope) -> NotInCatalogue:
    elsewhere = connection.execute(
        select(t.package_summary.c.ref, t.package_summary.c.stack)
        .join(t.name, t.name.c.id == t.package_summary.c.name_id)
        .where(t.name.c.text == name, t.package_summary.c.stack != "")
        .order_by(t.package_summary.c.ref, t.package_summary.c.stack)
        .limit(5)
    ).all()
    if elsewhere:
        place = f"{scope.ref}/{scope.stack}" if scope.ref and scope.stack else scope.ref or scope.stack
        listed = ", ".join(f"{row.ref}/{row.stack}" for row in elsewhere)
        return NotInCatalogue(f"there is no {name} in {place}", hint=f"it is in {listed}")
    near = near_names(connection, name)
    hint = f"near names: {', '.join(near)}" if near else "'cachescope search \"*\"' lists all packages"
    return NotInCatalogue(f"no mirror in the catalogue has a package {name}", hint=hint)


def _counted(texts: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(texts).items(), key=lambda one: (-one[1], one[0])))


def _stacks(
    connection: Connection, name_id: int | None, scope: Scope
) -> tuple[tuple[MirrorName, int, int], ...]:
    rows = connection.execute(
        select(
            t.package_summary.c.ref,
            t.package_summary.c.stack,
            t.package_summary.c.present,
            t.package_summary.c.unstated,
        )
        .where(t.package_summary.c.name_id == name_id, t.package_summary.c.stack != "")
        .order_by(t.package_summary.c.ref, t.package_summary.c.stack)
    )
    return tuple(
        (MirrorName(Ref(ref), Stack(stack)), present, unstated)
        for ref, stack, present, unstated in rows
        if scope.ref in {None, ref} and scope.stack in {None, stack}
    )


def _groups(
    connection: Connection, keys: Sequence[tuple[int, int]], summaries: Sequence[SpecSummary]
) -> tuple[LookAlikes, ...]:
    """Group specs that agree in every visible column: newest version first, then the largest group."""
    order = {
        version: place for place, version in enumerate(dict.fromkeys(spec.version for spec in summaries))
    }
    paired = sorted(
        zip(keys, summaries, strict=True), key=lambda one: (order[one[1].version], _visible(one[1]))
    )
    groups = [
        list(members) for _, members in groupby(paired, key=lambda one: (one[1].version, _visible(one[1])))
    ]
    groups.sort(key=lambda members: (order[members[0][1].version], -len(members), _visible(members[0][1])))
    found = []
    compared = 0
    for members in groups:
        members.sort(key=lambda one: one[1].hash)
        known = all(knowledge == Knowledge.RECORD for (_, knowledge), _ in members)
        differences = None
        if known and len(members) > 1 and compared < _COMPARED_GROUPS:
            compared += 1
            differences = distinguish(connection, [key for (key, _), _ in members])
        found.append(
            LookAlikes(
                specs=tuple(spec for _, spec in members),
                dependencies_known=known,
                differences=differences or (),
                explained=differences is not None or len(members) == 1 or not known,
            )
        )
    return tuple(found)


def _visible(spec: SpecSummary) -> tuple[str, ...]:
    arch = spec.architecture
    return (spec.compiler_name, arch.platform, arch.os, arch.target, *spec.variant_texts)


def package_list(
    connection: Connection, *, ref: Ref | None, stack: Stack | None, prefix: str, limit: int, offset: int
) -> PackageList:
    """List packages of a mirror, a ref or the whole catalogue, from the summaries. At most 3 statements.

    A stack of all refs together has no summary: its packages are counted when they are asked for.
    """
    checked_scope(connection, ref, stack)
    summary: FromClause = t.package_summary
    conditions: list[ColumnElement[bool]] = []
    if ref is None and stack is not None:
        counted = package_counts("", stack, None).subquery("counted")
        columns = [
            column.label(known.name) for column, known in zip(counted.c, t.package_summary.c, strict=True)
        ]
        summary = select(*columns).subquery("summary")
    else:
        conditions = [summary.c.ref == (ref or ""), summary.c.stack == (stack or "")]
    if prefix:
        conditions.append(t.name.c.text.between(prefix, prefix + "~"))
    tables = summary.join(t.name, t.name.c.id == summary.c.name_id).outerjoin(
        t.version, t.version.c.id == summary.c.newest_version_id
    )
    total = connection.execute(select(func.count()).select_from(tables).where(*conditions)).scalar_one()
    statement = (
        select(summary, t.name.c.text.label("name"), t.version.c.text.label("newest"))
        .select_from(tables)
        .where(*conditions)
        .order_by(t.name.c.text)
        .offset(offset)
    )
    if limit:
        statement = statement.limit(limit)
    packages = tuple(_package(row) for row in connection.execute(statement))
    return PackageList(ref=ref, stack=stack, prefix=prefix, total=total, packages=packages, offset=offset)


def _package(row: Row[Any]) -> PackageSummary:
    return PackageSummary(
        name=PackageName(row.name),
        counts=Counts(row.present, row.mentioned, row.unstated),
        versions=row.versions,
        compilers=row.compilers,
        systems=row.systems,
        targets=row.targets,
        newest_version=row.newest or "",
    )


_RELEASE = re.compile(r"v\d")


def ref_stacks(connection: Connection) -> tuple[RefStacks, ...]:
    """List refs with their stacks and distinct specs: ``develop`` first, then releases and snapshots, newest first. 2 statements."""
    summary = t.package_summary
    rows = connection.execute(
        select(
            summary.c.ref,
            func.sum(summary.c.present, type_=Integer),
            func.sum(summary.c.mentioned, type_=Integer),
            func.sum(summary.c.unstated, type_=Integer),
            func.sum(case((summary.c.present + summary.c.unstated > 0, 1), else_=0), type_=Integer),
        )
        .where(summary.c.stack == "", summary.c.ref != "")
        .group_by(summary.c.ref)
    )
    counted = {
        ref: (Counts(present, mentioned, unstated), packages)
        for ref, present, mentioned, unstated, packages in rows
    }
    stacks: dict[str, list[Stack]] = {}
    for ref, stack in connection.execute(
        select(t.mirror.c.ref, t.mirror.c.stack).order_by(t.mirror.c.ref, t.mirror.c.stack)
    ):
        stacks.setdefault(ref, []).append(Stack(stack))
    refs = [
        RefStacks(
            ref=Ref(ref),
            stacks=tuple(names),
            counts=counted.get(ref, (Counts(), 0))[0],
            packages=counted.get(ref, (Counts(), 0))[1],
        )
        for ref, names in sorted(stacks.items(), reverse=True)
    ]
    return tuple(sorted(refs, key=lambda one: (one.ref != "develop", not _RELEASE.match(one.ref))))
