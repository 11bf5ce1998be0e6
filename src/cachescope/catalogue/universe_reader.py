"""Reads whole DAGs back as model values, for the few queries that only the reference can decide."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, exists, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.stored_specs import decode_variant_set
from cachescope.catalogue.summaries import chunks
from cachescope.model.identity import DagHash, PackageName
from cachescope.model.spec import (
    Architecture,
    Compiler,
    ConcreteSpec,
    DependencyEdge,
    Deptype,
    EdgeKind,
    VariantSet,
)
from cachescope.query.universe import Universe

__all__ = ["read_universe"]


def read_universe(connection: Connection, spec_ids: Iterable[int]) -> Universe:
    """Return the DAGs below these specs, and who provides which virtual in the whole catalogue.

    Statements: 2 for each 500 nodes of a level, and 1.
    """
    specs: dict[DagHash, ConcreteSpec] = {}
    seen: set[int] = set()
    sets: dict[int, VariantSet] = {}
    level = set(spec_ids)
    while level:
        seen |= level
        below: set[int] = set()
        for some in chunks(sorted(level)):
            edges = _edges(connection, some, below)
            for spec in _specs(connection, some, edges, sets):
                specs[spec.hash] = spec
        level = below - seen
    named = t.name.alias()
    rows = connection.execute(
        select(t.provider.c.virtual, t.name.c.text)
        .join(t.name, t.name.c.id == t.provider.c.name_id)
        .where(
            ~exists(
                select(t.spec.c.id)
                .join(named, named.c.id == t.spec.c.name_id)
                .where(named.c.text == t.provider.c.virtual)
            )
        )
    )
    providers: dict[str, set[str]] = {}
    for virtual, package in rows:
        providers.setdefault(virtual, set()).add(package)
    return Universe(specs, {virtual: frozenset(packages) for virtual, packages in providers.items()})


def _edges(
    connection: Connection, parents: Sequence[int], below: set[int]
) -> dict[int, list[DependencyEdge]]:
    rows = connection.execute(
        select(
            t.edge.c.parent_id,
            t.edge.c.child_id,
            t.spec.c.hash,
            t.name.c.text,
            t.edge_kind.c.deptypes,
            t.edge_kind.c.virtuals,
        )
        .join(t.spec, t.spec.c.id == t.edge.c.child_id)
        .join(t.name, t.name.c.id == t.spec.c.name_id)
        .join(t.edge_kind, t.edge_kind.c.id == t.edge.c.kind_id)
        .where(t.edge.c.parent_id.in_(parents))
        .order_by(t.edge.c.parent_id, t.edge.c.position)
    )
    edges: dict[int, list[DependencyEdge]] = {}
    for parent, child, dag_hash, name, deptypes, virtuals in rows:
        below.add(child)
        kind = EdgeKind(Deptype(deptypes), tuple(filter(None, virtuals.split(","))))
        edges.setdefault(parent, []).append(DependencyEdge(name, DagHash(dag_hash), kind))
    return edges


def _specs(
    connection: Connection,
    keys: Sequence[int],
    edges: dict[int, list[DependencyEdge]],
    sets: dict[int, VariantSet],
) -> Iterable[ConcreteSpec]:
    namespace = t.name.alias("namespace")
    rows = connection.execute(
        select(
            t.spec,
            t.name.c.text.label("name"),
            t.version.c.text.label("version"),
            namespace.c.text.label("namespace"),
            t.architecture.c.platform,
            t.architecture.c.os,
            t.architecture.c.target,
            t.compiler.c.name.label("compiler_name"),
            t.compiler.c.version.label("compiler_version"),
            t.variant_set.c.key.label("variants_key"),
            t.variant_set.c.content.label("variants_content"),
        )
        .join(t.name, t.name.c.id == t.spec.c.name_id)
        .join(t.version, t.version.c.id == t.spec.c.version_id)
        .join(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
        .join(t.variant_set, t.variant_set.c.id == t.spec.c.variant_set_id)
        .outerjoin(namespace, namespace.c.id == t.spec.c.namespace_id)
        .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
        .where(t.spec.c.id.in_(keys), t.spec.c.knowledge > int(Knowledge.NAMED))
    )
    for row in rows:
        variants = sets.get(row.variant_set_id)
        if variants is None:
            variants = sets[row.variant_set_id] = decode_variant_set(row.variants_key, row.variants_content)
        yield ConcreteSpec(
            hash=DagHash(row.hash),
            name=PackageName(row.name),
            version=row.version,
            namespace=row.namespace or "",
            architecture=Architecture(row.platform, row.os, row.target),
            compiler=Compiler(row.compiler_name, row.compiler_version)
            if row.compiler_name is not None
            else None,
            variants=variants,
            package_hash=row.package_hash or "",
            external=bool(row.external),
            build_spec=DagHash(row.build_spec) if row.build_spec else None,
            spec_format=row.spec_format,
            edges=tuple(edges.get(row.id, ())),
        )
