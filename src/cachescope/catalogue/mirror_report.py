"""One mirror as a whole: its largest packages, who compiled them, and what each snapshot changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Integer, case, func, select

from cachescope.catalogue import registry
from cachescope.catalogue import schema as t
from cachescope.catalogue.package_report import package_summary
from cachescope.catalogue.scope import checked_scope
from cachescope.catalogue.times import from_stored
from cachescope.model.identity import MirrorName, PackageName, Ref, SourceName, Stack, ViewName
from cachescope.model.mirror import Layout
from cachescope.model.mirrors import CompilerUse, MirrorReport, SnapshotChange, Tally
from cachescope.model.record import Presence
from cachescope.model.results import Counts, PackageSummary
from cachescope.model.spec import Compiler, compiler_text

__all__ = ["mirror_report", "recent_changes"]

_BIGGEST = 15
_CHANGES = 12
_NAMED = 4


def mirror_report(connection: Connection, name: MirrorName) -> MirrorReport:
    """Report one mirror. 9 statements, of which 4 look at all that it has. Raises ``NotInCatalogue``."""
    checked_scope(connection, name.ref, name.stack)
    statuses = tuple(one for one in registry.source_statuses(connection) if one.name == name)
    sources = (
        select(t.source.c.id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(t.mirror.c.ref == name.ref, t.mirror.c.stack == name.stack)
    )
    ids = list(connection.execute(sources).scalars())
    packages, counts = _packages(connection, name)
    compilers = _compilers(connection, ids)
    systems, targets = _architectures(connection, ids)
    return MirrorReport(
        name=name,
        sources=statuses,
        counts=counts,
        packages=packages[0],
        biggest=packages[1],
        compilers=compilers,
        systems=systems,
        targets=targets,
        changes=recent_changes(connection, ids),
    )


def _packages(
    connection: Connection, name: MirrorName
) -> tuple[tuple[int, tuple[PackageSummary, ...]], Counts]:
    summary = t.package_summary
    here = (summary.c.ref == name.ref, summary.c.stack == name.stack)
    total, present, mentioned, unstated = connection.execute(
        select(
            func.sum(case((summary.c.present + summary.c.unstated > 0, 1), else_=0), type_=Integer),
            func.sum(summary.c.present, type_=Integer),
            func.sum(summary.c.mentioned, type_=Integer),
            func.sum(summary.c.unstated, type_=Integer),
        ).where(*here)
    ).one()
    rows = connection.execute(
        select(summary, t.name.c.text.label("name"), t.version.c.text.label("newest"))
        .join(t.name, t.name.c.id == summary.c.name_id)
        .outerjoin(t.version, t.version.c.id == summary.c.newest_version_id)
        .where(*here, summary.c.present > 0)
        .order_by(summary.c.present.desc(), t.name.c.text)
        .limit(_BIGGEST)
    )
    biggest = tuple(package_summary(row) for row in rows)
    return (int(total or 0), biggest), Counts(int(present or 0), int(mentioned or 0), int(unstated or 0))


def _binaries_of(sources: Sequence[int]) -> tuple[object, ...]:
    return (
        t.presence.c.source_id.in_(sources),
        t.presence.c.until.is_(None),
        t.presence.c.state > int(Presence.MENTIONED),
    )


def _compilers(connection: Connection, sources: Sequence[int]) -> tuple[CompilerUse, ...]:
    """Return the compilers that the binaries were built with, by packages: not by nodes of the DAGs that are compilers."""
    rows = connection.execute(
        select(
            t.spec.c.compiler_id,
            func.count(func.distinct(t.spec.c.name_id)),
            func.count(func.distinct(t.spec.c.id)),
        )
        .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
        .where(*_binaries_of(sources))  # type: ignore[arg-type]  # conditions, told apart by SQLAlchemy only at run time
        .group_by(t.spec.c.compiler_id)
    ).all()
    names = {
        key: compiler_text(Compiler(name, version))
        for key, name, version in connection.execute(
            select(t.compiler.c.id, t.compiler.c.name, t.compiler.c.version)
        )
    }
    found = [
        CompilerUse(names.get(key, compiler_text(None)), packages, specs) for key, packages, specs in rows
    ]
    return tuple(sorted(found, key=lambda one: (-one.packages, one.name)))


def _architectures(
    connection: Connection, sources: Sequence[int]
) -> tuple[tuple[Tally, ...], tuple[Tally, ...]]:
    rows = connection.execute(
        select(t.architecture.c.os, t.architecture.c.target, func.count(func.distinct(t.spec.c.id)))
        .join(t.spec, t.spec.c.architecture_id == t.architecture.c.id)
        .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
        .where(*_binaries_of(sources))  # type: ignore[arg-type]  # as above
        .group_by(t.architecture.c.os, t.architecture.c.target)
    )
    systems, targets = Counter[str](), Counter[str]()
    for os, target, number in rows:
        systems[os] += number
        targets[target] += number
    return _tallies(systems), _tallies(targets)


def _tallies(counted: Counter[str]) -> tuple[Tally, ...]:
    return tuple(Tally(name, counted[name]) for name in sorted(counted, key=lambda one: (-counted[one], one)))


def recent_changes(connection: Connection, sources: Sequence[int]) -> tuple[SnapshotChange, ...]:
    """Return what the last snapshots of these sources changed, newest first.

    3 statements, of which 2 look at all that the sources ever had, and 1 a change to name some of it.
    """
    came: Counter[int] = Counter()
    gone: Counter[int] = Counter()
    for column, counted in ((t.presence.c.since, came), (t.presence.c.until, gone)):
        rows = connection.execute(
            select(column, func.count())
            .where(
                t.presence.c.source_id.in_(sources),
                t.presence.c.state == int(Presence.PRESENT),
                column.is_not(None),
            )
            .group_by(column)
        )
        counted.update({int(key): int(number) for key, number in rows})
    snapshots = connection.execute(
        select(
            t.snapshot.c.id, t.snapshot.c.source_id, t.snapshot.c.taken_at, t.snapshot.c.scope,
            t.mirror.c.ref, t.mirror.c.stack, t.source.c.view, t.source.c.layout,
        )
        .join(t.source, t.source.c.id == t.snapshot.c.source_id)
        .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
        .where(t.snapshot.c.source_id.in_(sources))
        .order_by(t.snapshot.c.id)
    ).all()  # fmt: skip
    present: Counter[int] = Counter()
    known: set[int] = set()
    found = []
    for row in snapshots:
        present[row.source_id] += came[row.id] - gone[row.id]
        view = ViewName(row.view) if row.view else None
        found.append(
            SnapshotChange(
                id=row.id,
                source=SourceName(MirrorName(Ref(row.ref), Stack(row.stack)), view),
                layout=Layout(row.layout),
                at=from_stored(row.taken_at),
                came=came[row.id],
                gone=gone[row.id],
                present=present[row.source_id],
                first=row.source_id not in known and not row.scope,
                named=(),
            )
        )
        known.add(row.source_id)
    newest = found[: -_CHANGES - 1 : -1]
    return tuple(
        _with_names(connection, one) if one.came and not one.first else one for one in newest
    ) + tuple(found[-_CHANGES - 1 :: -1] if len(found) > _CHANGES else ())


def _with_names(connection: Connection, change: SnapshotChange) -> SnapshotChange:
    """Name some packages of which a snapshot brought binaries, those of most first."""
    rows = connection.execute(
        select(t.name.c.text, func.count())
        .join(t.spec, t.spec.c.name_id == t.name.c.id)
        .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
        .where(t.presence.c.since == change.id, t.presence.c.state == int(Presence.PRESENT))
        .group_by(t.name.c.text)
        .order_by(func.count().desc(), t.name.c.text)
        .limit(_NAMED)
    )
    return replace(change, named=tuple(PackageName(name) for name, _ in rows))
