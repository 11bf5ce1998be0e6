"""A wanted spec beside a cached one by their own fields alone: what differs, and how far apart that puts them."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.model.identity import DagHash
from cachescope.model.sightings import CachedSpec
from cachescope.model.spec import Architecture, ConcreteSpec, VariantSet
from cachescope.model.why import Difference

__all__ = ["AT_HOME", "LANGUAGES", "WEIGHT_OF_PAGE", "FieldComparer", "is_of_system", "weight"]

LANGUAGES = frozenset({"c", "cxx", "fortran"})
"""Virtuals that a compiler provides."""

WEIGHT_OF_PAGE = 20
"""How far a binary is off of which only a published page speaks: nothing is known of its dependencies."""

AT_HOME = 5
"""What is taken off for a binary of another system, if it is the one for which the rest of the lock file is built."""

_WEIGHTS = {"platform": 60, "os": 14, "namespace": 9, "recipe": 6, "format": 3}
_WEIGHT_OF_KINDS = {"flags": 9, "dependency": 8, "deptypes": 3, "virtuals": 3}
_WEIGHT = 10

_SHORT_PATCH = 7


def weight(name: str) -> int:
    """Say how far apart a difference in this field puts two specs; more is farther."""
    kind, colon, _ = name.partition(":")
    if name == "variant:patches":
        return 5
    return _WEIGHT_OF_KINDS.get(kind, _WEIGHT) if colon else _WEIGHTS.get(name, _WEIGHT)


def is_of_system(name: str) -> bool:
    """Say whether a field belongs to the machine that was built for, rather than to the package."""
    return name in {"platform", "os", "target"}


@dataclass(slots=True)
class FieldComparer:
    """Compares own fields of specs of a lock file with those of cached ones; everything is compared once."""

    lookup: LockLookup
    specs: Mapping[DagHash, ConcreteSpec]
    lacking: Container[DagHash]
    """What is missing, and externals that the catalogue has not met."""

    external_places: Mapping[DagHash, str]
    home: Architecture | None
    """What most specs of the lock file that are there are built for."""

    _places: dict[int, str] = field(default_factory=dict)
    _compilers: dict[DagHash, bool] = field(default_factory=dict)
    _own: dict[tuple[DagHash, int], tuple[Difference, ...]] = field(default_factory=dict)
    _variants: dict[tuple[bytes, int, bool], tuple[Difference, ...]] = field(default_factory=dict)
    _normal: dict[bytes, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    _weights: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def load_places(self, externals: Iterable[int]) -> None:
        """Read where cached externals stand."""
        unread = {key for key in externals if key not in self._places}
        if unread:
            self._places.update(dict.fromkeys(unread, ""))
            self._places.update(self.lookup.external_places(unread))

    def roughly(self, spec: ConcreteSpec, candidates: Sequence[CachedSpec]) -> list[tuple[int, CachedSpec]]:
        """Return the weight of what differs in own fields, quickly: this is asked of every binary of a package.

        Binaries share few systems and few builds, so each of these is weighed once.
        """
        systems: dict[tuple[int, int], int] = {}
        builds: dict[tuple[str, int, str, str, str, bool], int] = {}
        found = []
        for one in candidates:
            # What the catalogue holds once is one object, for as long as the look-up lives.
            system = (id(one.architecture), id(one.compiler))
            weight_of_system = systems.get(system)
            if weight_of_system is None:
                weight_of_system = systems[system] = self._weight_of_system(spec, one)
            build = (
                one.version, one.variant_set, one.package_hash, one.namespace, one.build_spec, one.recorded
            )  # fmt: skip
            weight_of_build = builds.get(build)
            if weight_of_build is None:
                weight_of_build = builds[build] = self._weight_of_build(spec, one)
            found.append((weight_of_system + weight_of_build, one))
        return found

    def _weight_of_system(self, spec: ConcreteSpec, cached: CachedSpec) -> int:
        found = 0
        one, other = spec.architecture, cached.architecture
        if one != other:
            found += (one.platform != other.platform) * _WEIGHTS["platform"]
            found += (one.os != other.os) * _WEIGHTS["os"]
            found += (one.target != other.target) * _WEIGHT
            found -= (other == self.home) * AT_HOME
        if spec.compiler != cached.compiler and not self._compiler_is_missing(spec):
            found += _WEIGHT
        return found

    def _weight_of_build(self, spec: ConcreteSpec, cached: CachedSpec) -> int:
        found = self._variant_weight(spec.variants, cached.variant_set)
        found += (spec.version != cached.version) * _WEIGHT
        if not cached.recorded:
            return found + WEIGHT_OF_PAGE
        found += (spec.package_hash != cached.package_hash) * _WEIGHTS["recipe"]
        found += (spec.namespace != cached.namespace) * _WEIGHTS["namespace"]
        return found + ((spec.build_spec or "") != cached.build_spec) * _WEIGHT

    def own(self, spec: ConcreteSpec, cached: CachedSpec) -> tuple[Difference, ...]:
        """Return in which own fields two specs differ, dependencies aside."""
        found = self._own.get((spec.hash, cached.key))
        if found is None:
            found = self._own[spec.hash, cached.key] = tuple(self._fields(spec, cached))
        return found

    def _fields(self, spec: ConcreteSpec, cached: CachedSpec) -> Iterator[Difference]:
        one, other = spec.architecture, cached.architecture
        compilers = (spec.compiler, cached.compiler)
        if self._compiler_is_missing(spec):
            compilers = (None, None)
        values = [
            ("name", spec.name, cached.name),
            ("version", spec.version, cached.version),
            ("compiler", *(str(one) if one is not None else "" for one in compilers)),
            ("platform", one.platform, other.platform),
            ("os", one.os, other.os),
            ("target", one.target, other.target),
        ]
        if cached.recorded:
            values += [
                ("namespace", spec.namespace, cached.namespace),
                ("recipe", spec.package_hash, cached.package_hash),
                ("external", self._external(spec), self._cached_external(cached)),
                ("build_spec", spec.build_spec or "", cached.build_spec),
                ("format", str(spec.spec_format), str(cached.spec_format)),
            ]
        for name, wanted, found in values:
            if wanted != found:
                yield Difference(name, wanted or None, found or None)
        yield from self._of_variants(spec.variants, cached)

    def _external(self, spec: ConcreteSpec) -> str:
        return self.external_places.get(spec.hash, "external") if spec.external else ""

    def _cached_external(self, cached: CachedSpec) -> str:
        return (self._places.get(cached.key) or "external") if cached.external else ""

    def _compiler_is_missing(self, spec: ConcreteSpec) -> bool:
        """Say whether the compiler is a spec that is missing itself: then it is the cause, not a field of what it builds."""
        found = self._compilers.get(spec.hash)
        if found is None:
            found = self._compilers[spec.hash] = any(
                edge.hash in self.lacking and edge.hash in self.specs and not self.specs[edge.hash].external
                for edge in spec.edges
                if not LANGUAGES.isdisjoint(edge.kind.virtuals)
            )
        return found

    # -- variants and flags ---------------------------------------------------------------------------------------------

    def _of_variants(self, variants: VariantSet, cached: CachedSpec) -> tuple[Difference, ...]:
        key = (variants.key, cached.variant_set, cached.recorded)
        found = self._variants.get(key)
        if found is None:
            other = self.lookup.variants({cached.variant_set})[cached.variant_set]
            found = self._variants[key] = tuple(self._compared(variants, other, recorded=cached.recorded))
        return found

    def _variant_weight(self, variants: VariantSet, other: int) -> int:
        key = (variants.key, other)
        found = self._weights.get(key)
        if found is None:
            sets = self.lookup.variants({other})
            found = sum(weight(one.field) for one in self._compared(variants, sets[other], recorded=True))
            self._weights[key] = found
        return found

    def _compared(self, one: VariantSet, other: VariantSet, *, recorded: bool) -> Iterator[Difference]:
        if one.key == other.key:
            return
        first, second = self._normalised(one), self._normalised(other)
        for kind, mine, theirs in (("variant", first[0], second[0]), ("flags", first[1], second[1])):
            if kind == "flags" and not recorded:
                continue
            for name in sorted({*mine, *theirs}):
                wanted, cached = mine.get(name), theirs.get(name)
                if name == "patches" and not recorded and wanted is not None and cached is not None:
                    wanted, cached = (
                        ",".join(sorted(text[:_SHORT_PATCH] for text in value.split(",")))
                        for value in (wanted, cached)
                    )
                if wanted != cached:
                    yield Difference(f"{kind}:{name}", wanted, cached)

    def _normalised(self, variants: VariantSet) -> tuple[dict[str, str], dict[str, str]]:
        found = self._normal.get(variants.key)
        if found is None:
            values = {}
            for name, value in variants.variants:
                if isinstance(value, bool):
                    values[name] = "true" if value else "false"
                else:
                    values[name] = value if isinstance(value, str) else ",".join(sorted(value))
            flags = {name: " ".join(items) for name, items in variants.flags}
            found = self._normal[variants.key] = (values, flags)
        return found
