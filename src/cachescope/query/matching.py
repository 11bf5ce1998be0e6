"""What a query means: the reference, slow and plain. ``catalogue.lowering`` says the same in SQL.

``explain_mismatch`` returns every reason why a spec does not match; no reason means that it matches. Source: Spack 1.2
``Spec._satisfies`` for a concrete left side. Deviations, each on purpose:

- ``platform=*`` and ``os=*`` do not end the check of the architecture;
- ``%clang`` and its kin (``LEGACY_COMPILERS``) match builds older than Spack 1.0 under the old name too;
- a virtual is matched by what edges carry, so its version is ignored (``warnings`` says so).

Not by choice but as in Spack: whoever provides a virtual matches it whatever else is asked of the virtual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cachescope.model.spec import (
    Compiler,
    ConcreteSpec,
    DependencyEdge,
    Variant,
    compiler_text,
    deptype_names,
    variant_text,
)
from cachescope.query.grammar import LEGACY_COMPILERS
from cachescope.query.spec_query import DependencyQuery, NodeQuery, SpecQuery, VariantQuery
from cachescope.query.targets import target_matches, unknown_bounds
from cachescope.query.universe import Universe

__all__ = ["Reason", "explain_mismatch", "matches", "own_compiler_decides", "variant_fits", "warnings"]

_FORMAT_5 = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """One constraint that does not hold."""

    constraint: str
    """In the query's own spelling."""

    found: str
    """What the spec has in its place."""

    def __str__(self) -> str:
        return f"{self.constraint}: {self.found}"


def matches(query: SpecQuery, spec: ConcreteSpec, universe: Universe) -> bool:
    """Say whether a spec matches."""
    return next(_reasons(query, spec, universe), None) is None


def explain_mismatch(query: SpecQuery, spec: ConcreteSpec, universe: Universe) -> tuple[Reason, ...]:
    """Return why a spec does not match; empty if it does."""
    return tuple(_reasons(query, spec, universe))


def warnings(query: SpecQuery, universe: Universe) -> tuple[str, ...]:
    """Return what of a query is not taken as a person may mean it."""
    found = []
    for node in (query.node, *(edge.node for edge in query.edges())):
        if universe.is_virtual(node.name) and node.version is not None:
            found.append(
                f"the version of the virtual package {node.name} is not known to a catalogue and was ignored: @{node.version}"
            )
        if node.target is not None:
            found.extend(
                f"the target {bound} is unknown; a range with it matches nothing"
                for bound in unknown_bounds(node.target)
            )
    found.extend(
        f"{edge} stands behind the second mention of a dependency and was ignored, as in Spack: write it behind the first"
        for edge in query.ignored
    )
    return tuple(found)


def _reasons(query: SpecQuery, spec: ConcreteSpec, universe: Universe) -> Iterator[Reason]:
    if query.node.name != spec.name and universe.is_virtual(query.node.name):
        # A provider satisfies the virtual, and nothing else is asked of it.
        yield from _virtual_reasons(query.node, spec, universe)
        return
    yield from _node_reasons(query.node, spec, universe)
    for edge in query.dependencies:
        yield from _edge_reasons(edge, query.node.name, spec, universe)


def _virtual_reasons(node: NodeQuery, spec: ConcreteSpec, universe: Universe) -> Iterator[Reason]:
    if node.hash is not None and not spec.hash.startswith(node.hash):
        yield Reason(f"/{node.hash}", f"/{spec.hash}")
    if node.name is not None and spec.name not in universe.providers[node.name]:
        yield Reason(node.name, f"{spec.name} does not provide it")


# -- one node -----------------------------------------------------------------------------------------------------------


def _node_reasons(node: NodeQuery, spec: ConcreteSpec, universe: Universe) -> Iterator[Reason]:
    if node.hash is not None and not spec.hash.startswith(node.hash):
        yield Reason(f"/{node.hash}", f"/{spec.hash}")
    if node.name is not None and node.name != spec.name:
        yield Reason(node.name, spec.name)
    if node.namespace is not None and spec.namespace and node.namespace != spec.namespace:
        yield Reason(f"namespace={node.namespace}", spec.namespace)
    if node.version is not None and not node.version.matches(spec.version):
        yield Reason(f"@{node.version}", f"@{spec.version}")
    yield from _variant_reasons(node.variants, spec, universe)
    arch = spec.architecture
    for key, asked, found in (("platform", node.platform, arch.platform), ("os", node.os, arch.os)):
        if asked not in {None, "*", found}:
            yield Reason(f"{key}={asked}", found)
    if node.target is not None and not target_matches(node.target, arch.target):
        yield Reason(f"target={node.target}", arch.target)
    flags = dict(spec.variants.flags)
    for flag in node.flags:
        if not set(flag.items) <= set(flags.get(flag.name, ())):
            yield Reason(str(flag), " ".join(flags.get(flag.name, ())) or "no such flags")


def _variant_reasons(
    variants: Sequence[VariantQuery], spec: ConcreteSpec, universe: Universe
) -> Iterator[Reason]:
    own = {variant.name: variant for variant in spec.variants.variants}
    for asked in variants:
        if asked.propagate:
            for node in universe.dag(spec):
                found = next((one for one in node.variants.variants if one.name == asked.name), None)
                if found is not None and not _holds(asked, found):
                    yield Reason(str(asked), f"{node.name} has {variant_text(found)}")
                    break
            continue
        variant = own.get(asked.name)
        if variant is None:
            yield Reason(str(asked), f"no variant {asked.name}")
        elif not _holds(asked, variant):
            yield Reason(str(asked), variant_text(variant, spec_format=spec.spec_format))


def variant_fits(asked: VariantQuery, variants: Sequence[Variant]) -> bool:
    """Say whether one of a spec's own variants satisfies what is asked, propagated or not."""
    return any(one.name == asked.name and _holds(asked, one) for one in variants)


def _holds(asked: VariantQuery, variant: Variant) -> bool:
    """Compare one variant; values are sets. An asked text may be the beginning of a patch."""
    value = variant.value
    if isinstance(asked.value, bool) or isinstance(value, bool):
        return asked.value == () or (isinstance(asked.value, bool) and asked.value is value)
    found = {value} if isinstance(value, str) else set(value)
    if asked.exact:
        return set(asked.value) == found
    if asked.name == "patches":
        return all(any(one.startswith(text) for one in found) for text in asked.value)
    return set(asked.value) <= found


# -- edges --------------------------------------------------------------------------------------------------------------


def _edge_reasons(
    edge: DependencyQuery, parent_name: str | None, spec: ConcreteSpec, universe: Universe
) -> Iterator[Reason]:
    """Judge an edge of the spec itself, and the ``%`` edges below it."""
    if _applies(edge, parent_name, spec, universe):
        if edge.sigil == "^":
            yield from _transitive_reasons(edge, spec, universe)
        else:
            yield from _direct_reasons(edge, parent_name, spec, universe)
    for below in edge.direct:
        if _applies(below, edge.node.name, spec, universe):
            yield from _direct_reasons(below, edge.node.name, spec, universe)


def _applies(edge: DependencyQuery, parent_name: str | None, spec: ConcreteSpec, universe: Universe) -> bool:
    """Say whether an edge's condition can hold for the node that the edge begins at."""
    if edge.when is None:
        return True
    node = spec if parent_name in {None, spec.name} else universe.lookup(spec, parent_name or "")
    return node is None or matches(edge.when, node, universe)


def _direct_reasons(
    edge: DependencyQuery, parent_name: str | None, spec: ConcreteSpec, universe: Universe
) -> Iterator[Reason]:
    node: ConcreteSpec | None = spec
    if parent_name is not None and parent_name != edge.node.name:
        node = universe.lookup(spec, parent_name)
    if node is None:
        yield Reason(str(edge), f"no {parent_name} in its DAG")
        return
    if own_compiler_decides(node):
        if not _compiler_matches(edge.node, node.compiler):
            yield Reason(str(edge), f"built with {compiler_text(node.compiler)}")
        return
    if not any(
        _edge_fits(edge, found, universe) and _end_fits(edge.node, found, child, universe)
        for found, child in universe.children(node)
    ):
        yield Reason(str(edge), _direct_found(edge, node))


def own_compiler_decides(spec: ConcreteSpec) -> bool:
    """Say whether ``%`` is judged by the compiler alone: specs before format 5, and rows of published pages."""
    return spec.spec_format < _FORMAT_5 or (not spec.edges and spec.compiler is not None)


def _compiler_matches(node: NodeQuery, compiler: Compiler | None) -> bool:
    """Compare with an annotated compiler, which has a name and a version and nothing else."""
    if (
        compiler is None
        or any(not variant.propagate for variant in node.variants)
        or node.flags
        or node.hash
        or node.platform
        or node.os
        or node.target
    ):
        return False
    if node.name is not None and node.name not in {compiler.name, LEGACY_COMPILERS.get(compiler.name)}:
        return False
    return node.version is None or node.version.matches(compiler.version)


def _edge_fits(edge: DependencyQuery, found: DependencyEdge, universe: Universe) -> bool:
    if found.kind.deptypes & edge.deptypes != edge.deptypes:
        return False
    if universe.is_virtual(edge.node.name):
        asked = {edge.node.name, *edge.virtuals}
        return found.name == edge.node.name or not asked.isdisjoint(found.kind.virtuals)
    if edge.node.name is not None and found.name != edge.node.name:
        return False
    # With several virtuals, as in '%c,cxx=gcc', one is enough: a package may not need all of them.
    return not edge.virtuals or not set(edge.virtuals).isdisjoint(found.kind.virtuals)


def _end_fits(node: NodeQuery, found: DependencyEdge, child: ConcreteSpec | None, universe: Universe) -> bool:
    if child is None:
        # Only its name and hash are known.
        known = NodeQuery(name=node.name, hash=node.hash, namespace=node.namespace)
        if universe.is_virtual(node.name):
            return found.name in universe.providers[node.name or ""] and found.hash.startswith(
                node.hash or ""
            )
        named = node.name is None or node.name == found.name
        return named and node == known and found.hash.startswith(node.hash or "")
    return matches(SpecQuery(node=node), child, universe)


def _transitive_reasons(edge: DependencyQuery, spec: ConcreteSpec, universe: Universe) -> Iterator[Reason]:
    name = edge.node.name
    candidates = [
        (found, child)
        for found, child in universe.candidates(spec)
        if name is None or found.name == name or name in found.kind.virtuals
    ]
    if not candidates:
        yield Reason(str(edge), f"no {name} in its DAG" if name else "no dependencies")
        return
    for virtual in edge.virtuals:
        if not any(virtual in found.kind.virtuals or virtual == found.name for found, _ in candidates):
            yield Reason(str(edge), f"no {name} provides {virtual}")
            return
    if not any(_end_fits(edge.node, found, child, universe) for found, child in candidates):
        shown = ", ".join(
            sorted({f"{found.name}@{child.version}" if child else found.name for found, child in candidates})[
                :3
            ]
        )
        yield Reason(str(edge), f"has {shown}")


def _direct_found(edge: DependencyQuery, node: ConcreteSpec) -> str:
    same = [found for found in node.edges if found.name == edge.node.name]
    if same:
        kinds = " ".join(deptype_names(same[0].kind.deptypes)) + "".join(
            f" {one}" for one in same[0].kind.virtuals
        )
        return f"{same[0].name} /{same[0].hash[:7]} ({kinds.strip()})"
    return (
        f"built with {compiler_text(node.compiler)}"
        if node.compiler
        else f"no direct dependency on {edge.node.name or 'such a node'}"
    )
