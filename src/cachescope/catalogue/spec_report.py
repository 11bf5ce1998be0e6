"""Everything that is known of one spec."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.originals import RecordReader
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.search import resolve_hash
from cachescope.catalogue.sizes import closure_sums, download_order, knows_sizes, sizes_of
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.catalogue.times import from_stored
from cachescope.model.archive import Archive, ArchiveState
from cachescope.model.identity import DagHash, Digest, MirrorName, Ref, SourceName, Stack, ViewName
from cachescope.model.mirror import Layout, MirrorUrl, mirror_add
from cachescope.model.record import Presence, Verdict, Verification
from cachescope.model.results import Dependency, Dependent, Place, SpecReport, SpecSummary
from cachescope.model.spec import RUNTIME, Deptype, EdgeKind

__all__ = ["spec_report"]

_DEPENDENTS = 100
_EVERYWHERE = Scope()
_SUFFIX = 7


def spec_report(connection: Connection, text: str) -> SpecReport:
    """Report one spec by its hash or a unique beginning of it.

    At most 16 statements, and 6 for 500 specs of its DAG. Raises ``NotInCatalogue`` and ``AmbiguousHash``.
    """
    key = resolve_hash(connection, text)
    namespace = t.name.alias("namespace")
    row = connection.execute(
        select_specs(
            None,
            t.spec.c.package_hash,
            t.spec.c.build_spec,
            t.spec.c.external,
            t.spec.c.verdict,
            namespace.c.text.label("namespace"),
        )
        .outerjoin(namespace, namespace.c.id == t.spec.c.namespace_id)
        .where(t.spec.c.id == key)
    ).one()
    places = _places(connection, key)
    highest = max((place.presence for place in places if place.until is None), default=Presence.MENTIONED)
    (summary,) = _with_presence(read_summaries(connection, [row], _EVERYWHERE), [highest])
    sized = knows_sizes(connection)
    if sized:
        sizes = sizes_of(connection, [key], _EVERYWHERE)
        closure = closure_sums(connection, [key], sizes)
        summary = replace(summary, size=sizes.get(key), closure=closure[key])
    verification, note = _verification(connection, row)
    total, dependents = _dependents(connection, key)
    record = RecordReader(connection).read([key]).get(key, b"")
    return SpecReport(
        spec=summary,
        namespace=row.namespace or "",
        package_hash=row.package_hash or "",
        external=bool(row.external),
        build_spec=DagHash(row.build_spec) if row.build_spec else None,
        verification=verification,
        verification_note=note,
        dependencies_known=row.knowledge == Knowledge.RECORD,
        places=places,
        dependencies=_dependencies(connection, key, sized=sized),
        dependents=dependents,
        dependents_total=total,
        commands=_commands(summary, places, external=bool(row.external)),
        record=_indented(record),
    )


def _with_presence(summaries: Sequence[SpecSummary], presences: Sequence[Presence]) -> list[SpecSummary]:
    return [replace(one, presence=presence) for one, presence in zip(summaries, presences, strict=True)]


def _places(connection: Connection, key: int) -> tuple[Place, ...]:
    since, until = t.snapshot.alias("since"), t.snapshot.alias("until")
    rows = connection.execute(
        select(
            t.mirror.c.ref,
            t.mirror.c.stack,
            t.source.c.view,
            t.source.c.layout,
            t.source.c.url,
            t.mirror.c.url.label("mirror_url"),
            t.presence.c.state,
            since.c.taken_at.label("since"),
            until.c.taken_at.label("until"),
            *_archive_columns(),
        )
        .select_from(
            t.presence.join(t.source, t.source.c.id == t.presence.c.source_id)
            .outerjoin(
                t.archive,
                (t.archive.c.source_id == t.presence.c.source_id)
                & (t.archive.c.spec_id == t.presence.c.spec_id)
                & t.presence.c.until.is_(None),
            )
            .outerjoin(t.archive_kind, t.archive_kind.c.id == t.archive.c.kind_id)
            .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
            .join(since, since.c.id == t.presence.c.since)
            .outerjoin(until, until.c.id == t.presence.c.until)
        )
        .where(t.presence.c.spec_id == key)
        .order_by(
            t.presence.c.until.is_not(None),
            t.presence.c.state.desc(),
            t.mirror.c.ref,
            t.mirror.c.stack,
            t.source.c.layout.desc(),
            t.source.c.view,
            t.presence.c.since,
        )
    )
    return tuple(
        Place(
            source=SourceName(
                MirrorName(Ref(row.ref), Stack(row.stack)), ViewName(row.view) if row.view else None
            ),
            layout=Layout(row.layout),
            url=MirrorUrl(row.mirror_url or row.url) if row.mirror_url or row.url else None,
            presence=Presence(row.state),
            since=from_stored(row.since),
            until=from_stored(row.until) if row.until is not None else None,
            archive=_archive(row) if row.asked_at is not None else None,
        )
        for row in rows
    )


def _archive_columns() -> tuple[Any, ...]:
    return (
        t.archive.c.state.label("archive_state"),
        t.archive.c.asked_at,
        t.archive.c.size,
        t.archive.c.digest,
        t.archive.c.signed,
        t.archive.c.reason,
        t.archive_kind.c.media_type,
        t.archive_kind.c.compression,
        t.archive_kind.c.algorithm,
    )


def _archive(row: Row[Any]) -> Archive:
    return Archive(
        state=ArchiveState(row.archive_state),
        asked_at=from_stored(row.asked_at),
        size=row.size,
        digest=Digest(row.algorithm, row.digest.hex()) if row.digest is not None else None,
        media_type=row.media_type or "",
        compression=row.compression or "",
        signed=bool(row.signed) if row.signed is not None else None,
        reason=row.reason or "",
    )


def _verification(connection: Connection, row: Row[Any]) -> tuple[Verification | None, str]:
    if row.knowledge == Knowledge.NAMED:
        return None, "known only as a dependency: no index holds a record of it"
    if row.verdict is None:
        return None, "known from a published page, which does not hold the text that was hashed"
    verdict = Verdict(row.verdict)
    if verdict is Verdict.VERIFIED:
        return Verification(verdict, "recomputed from the record"), ""
    if verdict is Verdict.NOT_VERIFIABLE:
        return Verification(
            verdict,
            "the record does not hold the text that was hashed (an old format, or its target is an object)",
        ), ""
    suffix = row.hash[-_SUFFIX:]
    same_end = (
        connection.execute(
            select(t.spec.c.hash)
            .join(t.name, t.name.c.id == t.spec.c.name_id)
            .where(t.name.c.text == row.name, t.spec.c.hash.like(f"%{suffix}"), t.spec.c.hash != row.hash)
            .order_by(t.spec.c.hash)
            .limit(3)
        )
        .scalars()
        .all()
    )
    reason = "the record hashes to something else: it was altered, or spliced and lost its build spec"
    if not same_end:
        return Verification(verdict, reason), ""
    shared = ", ".join(f"/{one}" for one in same_end)
    return (
        Verification(
            verdict, "the record hashes to something else: it was spliced and lost its build spec", suffix
        ),
        f"a spliced spec ends in the last {_SUFFIX} characters of its build spec; {shared} of the same name ends in {suffix} too",
    )


def _indented(record: bytes) -> str:
    try:
        return json.dumps(json.loads(record), indent=2, ensure_ascii=False) if record else ""
    except (ValueError, RecursionError):
        return ""  # valid JSON that Python refuses: nested hundreds deep, or a number of thousands of digits


def _dependents(connection: Connection, key: int) -> tuple[int, tuple[Dependent, ...]]:
    presence = current_presence(
        _EVERYWHERE, t.spec.c.id.in_(select(t.edge.c.parent_id).where(t.edge.c.child_id == key))
    )
    total = connection.execute(select(func.count()).select_from(presence)).scalar_one()
    rows = connection.execute(
        select_specs(presence, t.edge_kind.c.deptypes, t.edge_kind.c.virtuals)
        .join(t.edge, (t.edge.c.parent_id == t.spec.c.id) & (t.edge.c.child_id == key))
        .join(t.edge_kind, t.edge_kind.c.id == t.edge.c.kind_id)
        .order_by(presence.c.state.desc(), t.name.c.text, t.version.c.key.desc().nulls_last(), t.spec.c.hash)
        .limit(_DEPENDENTS)
    ).all()
    summaries = read_summaries(connection, rows, _EVERYWHERE)
    return total, tuple(
        Dependent(spec=spec, kind=_kind(row.deptypes, row.virtuals))
        for spec, row in zip(summaries, rows, strict=True)
    )


def _kind(deptypes: int, virtuals: str) -> EdgeKind:
    return EdgeKind(Deptype(deptypes), tuple(virtuals.split(",")) if virtuals else ())


def _dependencies(connection: Connection, root: int, *, sized: bool) -> tuple[Dependency, ...]:
    """Walk the DAG depth first; the walk itself is in memory, the DAG is read with one recursive statement."""
    reachable = (
        select(t.edge.c.child_id.label("id"))
        .where(t.edge.c.parent_id == root)
        .cte("reachable", recursive=True)
    )
    reachable = reachable.union(
        select(t.edge.c.child_id).join(reachable, reachable.c.id == t.edge.c.parent_id)
    )
    presence = current_presence(_EVERYWHERE, t.spec.c.id.in_(select(reachable.c.id)))
    rows = connection.execute(
        select_specs(None, presence.c.state)
        .outerjoin(presence, presence.c.spec_id == t.spec.c.id)
        .where(t.spec.c.id.in_(select(reachable.c.id)))
    ).all()
    if not rows:
        return ()
    specs = {
        row.id: spec for row, spec in zip(rows, read_summaries(connection, rows, _EVERYWHERE), strict=True)
    }
    if sized:
        sizes = sizes_of(connection, list(specs), _EVERYWHERE)
        specs = {key: replace(spec, size=sizes.get(key)) for key, spec in specs.items()}
    parents = select(reachable.c.id).union(select(t.spec.c.id).where(t.spec.c.id == root))
    children: dict[int, list[tuple[int, EdgeKind]]] = {}
    edges = connection.execute(
        select(t.edge.c.parent_id, t.edge.c.child_id, t.edge_kind.c.deptypes, t.edge_kind.c.virtuals)
        .join(t.edge_kind, t.edge_kind.c.id == t.edge.c.kind_id)
        .where(t.edge.c.parent_id.in_(parents))
        .order_by(t.edge.c.parent_id, t.edge.c.position)
    )
    for parent, child, deptypes, virtuals in edges:
        children.setdefault(parent, []).append((child, _kind(deptypes, virtuals)))
    return _walk(root, specs, children)


def _walk(
    root: int, specs: dict[int, SpecSummary], children: dict[int, list[tuple[int, EdgeKind]]]
) -> tuple[Dependency, ...]:
    """List the edges below the root, those needed at run time before those needed only to build."""
    at_run = {root}
    pending = [root]
    while pending:
        for child, kind in children.get(pending.pop(), ()):
            if kind.deptypes & RUNTIME and child not in at_run:
                at_run.add(child)
                pending.append(child)
    found: list[Dependency] = []
    expanded: set[int] = {root}
    # A stack in place of recursion: a hostile index may hold a chain of any length, or a circle.
    stack = [(child, kind, 1) for child, kind in _ordered(children.get(root, ()))[::-1]]
    while stack:
        key, kind, depth = stack.pop()
        repeated = key in expanded
        found.append(
            Dependency(
                spec=specs[key], kind=kind, depth=depth, repeated=repeated, needed_at_run=key in at_run
            )
        )
        if not repeated:
            expanded.add(key)
            stack.extend((child, below, depth + 1) for child, below in _ordered(children.get(key, ()))[::-1])
    return tuple(found)


def _ordered(edges: Sequence[tuple[int, EdgeKind]]) -> list[tuple[int, EdgeKind]]:
    return sorted(edges, key=lambda one: not one[1].deptypes & RUNTIME)


def _commands(spec: SpecSummary, places: Sequence[Place], *, external: bool) -> tuple[str, ...]:
    """Return the commands that use exactly this binary.

    From a mirror whose manifest was read and is signed, if there is one; of several from that of a stack, not the largest.
    """
    usable = [
        (place, place.url)
        for place in places
        if place.until is None
        and place.presence is Presence.PRESENT
        and place.layout is not Layout.PAGES
        and place.url is not None
    ]
    if external or not usable:
        return ()

    def order(one: tuple[Place, MirrorUrl]) -> tuple[object, ...]:
        place, _ = one
        return _doubt(place.archive), download_order(
            place.source.mirror.stack, place.layout, str(place.source)
        )

    place, url = min(usable, key=order)
    return (
        mirror_add(place.source.mirror, url),
        "spack buildcache keys --install --trust",
        f"spack install --cache-only /{spec.hash}",
    )


def _doubt(archive: Archive | None) -> int:
    """Say how little is known of what a place would give: 0 where its document was read and is signed."""
    if archive is None:
        return 2
    if archive.state is not ArchiveState.STATED:
        return 3
    return 0 if archive.signed else 1
