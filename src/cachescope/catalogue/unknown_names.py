"""What a query names that nothing in the catalogue has: variants, dependencies, beginnings of hashes."""

import difflib
from collections.abc import Iterator

from sqlalchemy import Connection, select, union

from cachescope.catalogue import schema as t
from cachescope.catalogue.lowering import hash_starts_with
from cachescope.catalogue.near_names import near_names
from cachescope.query.grammar import LEGACY_COMPILERS
from cachescope.query.spec_query import NodeQuery, SpecQuery

__all__ = ["notes_on_unknown"]

_NEAR = 3


def notes_on_unknown(connection: Connection, query: SpecQuery) -> tuple[str, ...]:
    """Say which names of a query nothing here has, where no package is asked for by name or a dependency is.

    Variants of a named package are for the caller, who knows which ones that package has. At most 4 statements, and one
    for each unknown name.
    """
    ends = [edge.node for edge in query.edges()]
    return (
        *(_of_variants(connection, query.node) if query.node.name is None else ()),
        *_of_dependencies(connection, ends),
        *_of_hashes(connection, [query.node, *ends]),
    )


def _of_variants(connection: Connection, node: NodeQuery) -> Iterator[str]:
    asked = [one.name for one in node.variants]
    if not asked:
        return
    statement = select(t.variant.c.name).where(t.variant.c.kind != "flag").distinct()
    known = connection.execute(statement).scalars().all()
    for one in asked:
        if one not in known:
            near = ", ".join(difflib.get_close_matches(one, known, n=_NEAR))
            yield f"no spec of any package has a variant {one}" + (f"; there is {near}" if near else "")


def _of_dependencies(connection: Connection, ends: list[NodeQuery]) -> Iterator[str]:
    asked = dict.fromkeys(end.name for end in ends if end.name is not None)
    if not asked:
        return
    # Builds older than Spack 1.0 name their compiler otherwise, and have no dependency on it.
    names = [*asked, *(old for old, new in LEGACY_COMPILERS.items() if new in asked)]
    columns = (t.name.c.text, t.provider.c.virtual, t.compiler.c.name)
    found = connection.execute(union(*(select(one).where(one.in_(names)) for one in columns))).scalars().all()
    known = {*found, *(LEGACY_COMPILERS.get(one, one) for one in found)}
    for one in asked:
        if one not in known:
            near = ", ".join(near_names(connection, one, count=_NEAR))
            yield f"nothing in the catalogue is called {one} or provides it" + (
                f"; there is {near}" if near else ""
            )


def _of_hashes(connection: Connection, nodes: list[NodeQuery]) -> Iterator[str]:
    for prefix in dict.fromkeys(node.hash for node in nodes if node.hash is not None):
        statement = select(t.spec.c.id).where(hash_starts_with(t.spec.c.hash, prefix)).limit(1)
        if connection.execute(statement).first() is None:
            yield f"no spec in the catalogue has a hash that begins with {prefix}"
