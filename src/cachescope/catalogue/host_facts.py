"""What of a binary's DAG decides on which hosts it runs: the C library that it needs at run time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, or_, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.summaries import chunks
from cachescope.model.spec import RUNTIME
from cachescope.query.hosts import LIBCS
from cachescope.query.versions import version_key

__all__ = ["LibcNode", "libc_of"]

_LIBC = "libc"
_DEEPEST = 200
"""Levels of dependencies that are followed: far more than any real DAG has, so that a hostile one ends."""

LibcNode = tuple[str, str]
"""Name and version."""


def libc_of(connection: Connection, spec_ids: Iterable[int]) -> Mapping[int, LibcNode | None]:
    """Return for each spec the C library that its runtime closure needs, the newest if there are several; None if none.

    It is the end of an edge that carries the virtual ``libc``, else a node named ``glibc`` or ``musl``, as in specs before
    Spack 1.0. The spec itself does not count. 2 statements, and one a level for 500 nodes of all closures together.
    """
    wanted = list(dict.fromkeys(spec_ids))
    candidates = _candidates(connection)
    closure = _runtime_closure(connection, wanted, candidates) if candidates else _Closure()
    newest_first = sorted(candidates, key=lambda key: version_key(candidates[key][1]), reverse=True)
    found: dict[int, LibcNode] = {}
    # The newest libc takes all that lead to it, so every edge is gone up once.
    for ends in (closure.by_virtual, closure.by_name):
        for key in newest_first:
            _spread(candidates[key], ends.get(key, ()), closure.parents, found)
    return {key: found.get(key) for key in wanted}


@dataclass(slots=True)
class _Closure:
    """Runtime edges below the specs, from child to parents."""

    parents: dict[int, list[int]] = field(default_factory=dict)
    by_virtual: dict[int, list[int]] = field(default_factory=dict)
    """By C library, the nodes that have it as their ``libc``."""

    by_name: dict[int, list[int]] = field(default_factory=dict)


def _candidates(connection: Connection) -> dict[int, LibcNode]:
    """Return all specs of packages that are a C library to somebody, if their versions are known."""
    provides = select(t.provider.c.name_id).where(t.provider.c.virtual == _LIBC)
    names = select(t.name.c.id).where(or_(t.name.c.text.in_(LIBCS), t.name.c.id.in_(provides)))
    rows = connection.execute(
        select(t.spec.c.id, t.name.c.text, t.version.c.text)
        .join(t.name, t.name.c.id == t.spec.c.name_id)
        .join(t.version, t.version.c.id == t.spec.c.version_id)
        .where(t.spec.c.name_id.in_(names))
    )
    return {key: (name, version) for key, name, version in rows}


def _runtime_closure(
    connection: Connection, spec_ids: Sequence[int], candidates: Mapping[int, LibcNode]
) -> _Closure:
    closure = _Closure()
    rows = connection.execute(select(t.edge_kind.c.id, t.edge_kind.c.deptypes, t.edge_kind.c.virtuals))
    carries_libc = {
        key: _LIBC in virtuals.split(",") for key, deptypes, virtuals in rows if deptypes & RUNTIME
    }
    seen = set(spec_ids)
    level: Sequence[int] = spec_ids
    for _ in range(_DEEPEST):
        below: list[int] = []
        for some in chunks(level):
            edges = connection.execute(
                select(t.edge.c.parent_id, t.edge.c.child_id, t.edge.c.kind_id).where(
                    t.edge.c.parent_id.in_(some)
                )
            )
            for parent, child, kind in edges:
                if kind not in carries_libc:
                    continue
                closure.parents.setdefault(child, []).append(parent)
                if child in candidates and (carries_libc[kind] or candidates[child][0] in LIBCS):
                    ends = closure.by_virtual if carries_libc[kind] else closure.by_name
                    ends.setdefault(child, []).append(parent)
                if child not in seen:
                    seen.add(child)
                    below.append(child)
        if not below:
            break
        level = below
    return closure


def _spread(
    libc: LibcNode, nodes: Iterable[int], parents: Mapping[int, list[int]], found: dict[int, LibcNode]
) -> None:
    """Give the nodes, and all that reach them, this C library, unless they have one."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = libc
            pending.extend(parents.get(node, ()))
