"""How many bytes binaries have, and the binaries that they need to run: answers from what ``sync --sizes`` has read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, exists, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.summaries import chunks
from cachescope.model.archive import ArchiveState, SizeSum
from cachescope.model.identity import ROOT
from cachescope.model.mirror import Layout
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.model.spec import RUNTIME

__all__ = ["closure_sums", "download_order", "knows_sizes", "sizes_of", "with_sizes"]

_EVERYWHERE = Scope()
_CLOSURES = 400
"""Closures that one answer computes; a package has seldom more binaries, and each costs a walk."""


def download_order(stack: str, layout: str, name: str) -> tuple[bool, bool, str]:
    """Order the places of one binary: that of a stack before the large root, v3 before v2, then by name."""
    return (stack == ROOT, layout != Layout.V3, name)


def knows_sizes(connection: Connection) -> bool:
    """Say whether any size was read at all. 1 statement."""
    return connection.execute(select(t.archive.c.spec_id).limit(1)).first() is not None


def sizes_of(
    connection: Connection,
    spec_ids: Sequence[int],
    scope: Scope,
    *,
    sources: Collection[int] | None = None,
) -> Mapping[int, int]:
    """Return the bytes of binaries that are present within a scope and whose size is known. 1 statement for 500.

    Of several places the one counts that one would download from, a signed one first. ``sources`` are keys of those that
    count, None for all.
    """
    within = [] if sources is None else [t.source.c.id.in_(sources)]
    chosen: dict[int, tuple[tuple[bool, tuple[bool, bool, str]], int]] = {}
    for some in chunks(spec_ids):
        rows = connection.execute(
            select(
                t.archive.c.spec_id,
                t.archive.c.size,
                t.archive.c.signed,
                t.mirror.c.ref,
                t.mirror.c.stack,
                t.source.c.layout,
                t.source.c.view,
            )
            .join(
                t.presence,
                (t.presence.c.source_id == t.archive.c.source_id)
                & (t.presence.c.spec_id == t.archive.c.spec_id),
            )
            .join(t.source, t.source.c.id == t.archive.c.source_id)
            .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
            .where(
                t.archive.c.spec_id.in_(some),
                t.archive.c.state == int(ArchiveState.STATED),
                t.presence.c.until.is_(None),
                t.presence.c.state == int(Presence.PRESENT),
                *scope.conditions(),
                *within,
            )
        )
        for spec_id, size, signed, ref, stack, layout, view in rows:
            found = ((not signed, download_order(stack, layout, f"{ref}/{stack}@{view}")), size)
            if spec_id not in chosen or found < chosen[spec_id]:
                chosen[spec_id] = found
    return {spec_id: size for spec_id, (_, size) in chosen.items()}


def with_sizes(
    connection: Connection, spec_ids: Sequence[int], specs: Sequence[SpecSummary], scope: Scope
) -> tuple[list[SpecSummary], SizeSum | None]:
    """Give specs their sizes and, to the first 400, the sums of their closures; and the sum of those that are present.

    1 statement where no size was read at all, else 3 and 3 for 500 specs.
    """
    if not knows_sizes(connection):
        return list(specs), None
    sizes = sizes_of(connection, spec_ids, scope)
    closures = closure_sums(connection, spec_ids[:_CLOSURES], sizes)
    sized = [
        replace(spec, size=sizes.get(key), closure=closures.get(key))
        for key, spec in zip(spec_ids, specs, strict=True)
    ]
    present = [one for one in sized if one.presence is Presence.PRESENT]
    known = [one.size for one in present if one.size is not None]
    return sized, SizeSum(bytes=sum(known), known=len(known), total=len(present))


def closure_sums(
    connection: Connection, roots: Sequence[int], sizes: Mapping[int, int]
) -> Mapping[int, SizeSum]:
    """Sum what each of these specs needs on the host: itself and all below it along link and run edges.

    ``sizes`` are those of the roots. Externals are left out, as there is nothing to download. At most 500 roots; 1
    statement, and 2 for 500 specs of the closures.
    """
    children: dict[int, list[int]] = {}
    for parent, child in _edges_to_run(connection, roots):
        children.setdefault(parent, []).append(child)
    everything = {*roots, *(child for below in children.values() for child in below)}
    others = sizes_of(connection, sorted(everything.difference(roots)), _EVERYWHERE)
    known = {**others, **sizes}
    external, absent = _nothing_to_download(connection, sorted(everything))
    return {root: _sum(_closure(root, children) - external, known, absent) for root in roots}


def _edges_to_run(connection: Connection, roots: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Read all link and run edges below the roots with one recursive statement."""
    at_run = t.edge_kind.c.deptypes.bitwise_and(int(RUNTIME)) != 0
    edges = t.edge.join(t.edge_kind, t.edge_kind.c.id == t.edge.c.kind_id)
    first = select(t.edge.c.parent_id, t.edge.c.child_id).select_from(edges)
    below = first.where(t.edge.c.parent_id.in_(roots), at_run).cte("below", recursive=True)
    further = select(t.edge.c.parent_id, t.edge.c.child_id).select_from(
        edges.join(below, below.c.child_id == t.edge.c.parent_id)
    )
    below = below.union(further.where(at_run))
    return [(row.parent_id, row.child_id) for row in connection.execute(select(below))]


def _nothing_to_download(connection: Connection, spec_ids: Sequence[int]) -> tuple[set[int], set[int]]:
    """Return which of these are external, and which of the others no mirror holds now."""
    external: set[int] = set()
    absent: set[int] = set()
    present = exists().where(
        t.presence.c.spec_id == t.spec.c.id,
        t.presence.c.until.is_(None),
        t.presence.c.state > int(Presence.MENTIONED),
    )
    for some in chunks(spec_ids):
        rows = connection.execute(
            select(t.spec.c.id, t.spec.c.external, present.label("present")).where(t.spec.c.id.in_(some))
        )
        for row in rows:
            if row.external:
                external.add(row.id)
            elif not row.present:
                absent.add(row.id)
    return external, absent


def _closure(root: int, children: Mapping[int, Sequence[int]]) -> set[int]:
    met = {root}
    pending = [root]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in met:
                met.add(child)
                pending.append(child)
    return met


def _sum(closure: set[int], sizes: Mapping[int, int], absent: set[int]) -> SizeSum:
    known = [sizes[key] for key in closure if key in sizes]
    return SizeSum(
        bytes=sum(known), known=len(known), total=len(closure), without_binary=len(closure & absent)
    )
