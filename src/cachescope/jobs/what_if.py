"""Coverage under a changed constraint, as an estimate: by nearest match, without asking Spack to concretize again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.jobs.coverage import Wanted
from cachescope.jobs.lock_graph import dependencies_first
from cachescope.jobs.why_compare import Comparer
from cachescope.model.coverage import Tally
from cachescope.model.errors import UserInputError
from cachescope.model.identity import DagHash
from cachescope.model.sightings import CachedSpec
from cachescope.model.spec import ConcreteSpec, VariantSet
from cachescope.model.why import Difference, WhatIf
from cachescope.query.matching import matches
from cachescope.query.spec_query import NodeQuery, SpecQuery
from cachescope.query.universe import Universe

__all__ = ["estimate"]

_NO_UNIVERSE = Universe({}, {})
_EXAMPLE = "for example 'target=x86_64_v3', '%gcc@13.2.0', 'openblas threads=none'"


def estimate(wanted: Wanted, lookup: LockLookup, query: SpecQuery) -> WhatIf:
    """Estimate how much would be present if every spec that a constraint applies to fulfilled it.

    A spec that changes, or depends on one that does, counts as present if some binary fulfils the constraint and agrees in
    all other own fields; whether all these binaries are built on each other is not looked at. Raises ``UserInputError`` for
    what cannot be estimated.
    """
    change = _Change(query)
    counted = [one for one in wanted.listed if not wanted.is_external(one)]
    specs = {one: wanted.specs[one] for one in counted if one in wanted.specs}
    names = {spec.name for spec in specs.values()}
    binaries = lookup.candidates(names)
    comparer = Comparer(lookup, wanted.specs, wanted.known, frozenset(), wanted.lock.external_places)
    for some in binaries.values():
        comparer.take(some)
    sets = lookup.variants(())
    changed = _changed(wanted, change)
    after = {
        one
        for one in counted
        if (
            one in changed
            and any(
                change.is_met(specs[one], cached, comparer, sets)
                for cached in binaries.get(specs[one].name, ())
            )
        )
        or (one not in changed and wanted.is_present(one))
    }
    before = {one for one in counted if wanted.is_present(one)}
    return WhatIf(
        query=str(query),
        before=Tally(len(before), len(counted)),
        after=Tally(len(after), len(counted)),
        changed=len(changed),
        gained=_in_order(counted, after - before),
        lost=_in_order(counted, before - after),
    )


def _in_order(counted: Iterable[DagHash], some: set[DagHash]) -> tuple[DagHash, ...]:
    return tuple(one for one in counted if one in some)


def _changed(wanted: Wanted, change: "_Change") -> set[DagHash]:
    """Return the specs that would change, and all that depend on them."""
    found: set[DagHash] = set()
    for one in dependencies_first(wanted.specs):
        spec = wanted.specs[one]
        if any(edge.hash in found for edge in spec.edges) or (
            not spec.external and change.applies(spec) and not change.is_fulfilled(spec)
        ):
            found.add(one)
    return {one for one in found if not wanted.is_external(one)}


class _Change:
    """A constraint, and what it means for one spec."""

    def __init__(self, query: SpecQuery) -> None:
        compilers = [edge for edge in query.dependencies if edge.sigil.startswith("%")]
        if len(compilers) != len(query.dependencies) or len(compilers) > 1:
            raise UserInputError(
                "only fields of specs and one compiler (%) can be assumed", where=str(query), hint=_EXAMPLE
            )
        node = query.node
        if node.hash is not None or (node.version is not None and node.name is None):
            raise UserInputError(
                "a version must be that of a package, and a hash cannot be assumed",
                where=str(query),
                hint=_EXAMPLE,
            )
        self._name = node.name
        self._node = replace(node, name=None)
        self._compiler: NodeQuery | None = compilers[0].node if compilers else None
        if self._compiler is not None and self._compiler.name is None:
            raise UserInputError("the compiler has no name", where=str(query), hint=_EXAMPLE)

    def applies(self, spec: ConcreteSpec) -> bool:
        """Whether the constraint speaks of this spec: by name, by a variant that it has, by having a compiler."""
        if self._name is not None and spec.name != self._name:
            return False
        node = self._node
        if any((node.version, node.flags, node.platform, node.os, node.target, node.namespace)):
            return True
        names = {variant.name for variant in spec.variants.variants}
        if any(variant.name in names for variant in node.variants):
            return True
        return self._compiler is not None and (spec.compiler is not None or self._is_runtime(spec.name))

    def _is_runtime(self, name: str) -> bool:
        return self._compiler is not None and name == f"{self._compiler.name}-runtime"

    def is_fulfilled(self, spec: ConcreteSpec) -> bool:
        """Whether a spec is as the constraint wants it."""
        names = {variant.name for variant in spec.variants.variants}
        node = replace(self._node, variants=tuple(one for one in self._node.variants if one.name in names))
        if not matches(SpecQuery(node=node), spec, _NO_UNIVERSE):
            return False
        compiler = self._compiler
        if compiler is None:
            return True
        if self._is_runtime(spec.name):
            return compiler.version is None or compiler.version.matches(spec.version)
        if spec.compiler is None:
            return True
        return spec.compiler.name == compiler.name and (
            compiler.version is None or compiler.version.matches(spec.compiler.version)
        )

    def is_met(
        self, spec: ConcreteSpec, cached: CachedSpec, comparer: Comparer, sets: Mapping[int, VariantSet]
    ) -> bool:
        """Whether a binary could stand for a spec: it fulfils the constraint, and agrees in all else."""
        left = [one for one in comparer.fields.own(spec, cached) if not self._frees(spec, one)]
        if left:
            return False
        if not self.applies(spec):
            return True
        return self.is_fulfilled(_as_spec(cached, sets[cached.variant_set]))

    def _frees(self, spec: ConcreteSpec, one: Difference) -> bool:
        """Whether a difference is what the constraint asks for, or comes with it."""
        if not self.applies(spec):
            # What stands above a change: the system and the compiler of the whole stay its own.
            return False
        kind, _, name = one.field.partition(":")
        node = self._node
        if kind == "variant":
            wanted = {variant.name for variant in node.variants}
            # Variants are conditional: another value, or version, brings others with it.
            return name in wanted or (
                (bool(wanted) or node.version is not None) and None in {one.wanted, one.cached}
            )
        free: Sequence[tuple[str, object]] = (
            ("version", node.version or self._is_runtime(spec.name)),
            ("recipe", node.version or self._is_runtime(spec.name)),
            ("platform", node.platform),
            ("os", node.os),
            ("target", node.target),
            ("namespace", node.namespace),
            ("flags", node.flags),
            ("compiler", self._compiler),
        )
        return any(kind == field and bool(given) for field, given in free)


def _as_spec(cached: CachedSpec, variants: VariantSet) -> ConcreteSpec:
    return ConcreteSpec(
        hash=cached.hash,
        name=cached.name,
        version=cached.version,
        namespace=cached.namespace,
        architecture=cached.architecture,
        compiler=cached.compiler,
        variants=variants,
        package_hash=cached.package_hash,
        external=cached.external,
        build_spec=None,
        spec_format=cached.spec_format,
        edges=(),
    )
