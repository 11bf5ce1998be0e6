"""A wanted spec beside a cached one: own fields, the set of dependencies, and the deepest nodes that differ.

A hash covers a spec's dependencies by their hashes. So where own fields agree and a dependency differs, the reason lies in
that dependency or below it. The way down ends at equal hashes (nothing below differs) and at a node that differs by itself
(it is the reason). A dependency that is missing itself is followed: its causes are these too. But only as far as they
explain it: where it differs from the cached one in more than from its own nearest binary, that is a further reason.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.jobs.why_fields import AT_HOME, LANGUAGES, WEIGHT_OF_PAGE, FieldComparer, weight
from cachescope.model.identity import DagHash
from cachescope.model.sightings import CachedEdge, CachedSpec, KnownSpec
from cachescope.model.spec import (
    RUNTIME,
    Architecture,
    ConcreteSpec,
    DependencyEdge,
    deptype_names,
)
from cachescope.model.why import Difference

__all__ = ["Comparer", "Deep", "DeepNode", "Evaluation"]

_DEEPEST = 200
_MOST_NODES = 40_000
"""Nodes of the catalogue that are read to go down: bounds time and memory for any lock file and any catalogue."""

_WEIGHT_OF_DEPTH = 6
"""What a node below counts beside its own differences: a difference of the spec itself explains more simply."""

_NEAR = 12
"""What a lacking dependency may differ from a cached one, for it to be looked at what lies below the two."""

_AS_NEAR = 3
"""How much farther a cached dependency may be from a lacking one than its nearest binary, to be as good as that."""

_NO_KEY = -1


class DeepNode(NamedTuple):
    """A node below a wanted spec that is there, but stands in the place of another; differs by itself."""

    hash: DagHash
    cached: int


class Deep(NamedTuple):
    """What is found below a pair of dependencies that differ."""

    follows: frozenset[DagHash]
    nodes: frozenset[DeepNode]


class _Matched(NamedTuple):
    """The dependencies of two specs, side by side."""

    pairs: Sequence[tuple[DependencyEdge, CachedEdge]]
    wanted: Sequence[DependencyEdge]
    """Only the wanted spec has them."""

    cached: Sequence[CachedEdge]
    """Only the cached one has them."""


_NOTHING = Deep(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A wanted spec against one cached binary."""

    candidate: CachedSpec
    own: tuple[Difference, ...]
    follows: frozenset[DagHash]
    nodes: frozenset[DeepNode]
    cost: float


@dataclass(slots=True)
class Comparer:
    """Compares specs of a lock file with cached ones; everything is compared once."""

    lookup: LockLookup
    specs: Mapping[DagHash, ConcreteSpec]
    known: Mapping[DagHash, KnownSpec]
    lacking: Container[DagHash]
    """What is missing, and externals that the catalogue has not met."""

    external_places: Mapping[DagHash, str]
    home: Architecture | None = None
    """What most specs of the lock file that are there are built for."""

    best: dict[DagHash, Evaluation] = field(default_factory=dict)
    """The nearest binary of each lacking spec, as far as it is known: dependencies come first."""

    complete: bool = True
    """False where more nodes differ than are read."""

    fields: FieldComparer = field(init=False)
    """The same by own fields alone."""

    _read: int = 0
    _shapes: dict[tuple[DagHash, int], list[Difference]] = field(default_factory=dict)
    _nodes: dict[int, CachedSpec] = field(default_factory=dict)
    _edges: dict[int, tuple[CachedEdge, ...]] = field(default_factory=dict)
    _deep: dict[tuple[DagHash, int], Deep] = field(default_factory=dict)
    _matches: dict[tuple[DagHash, int], _Matched] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Share what is compared by own fields alone."""
        self.fields = FieldComparer(self.lookup, self.specs, self.lacking, self.external_places, self.home)

    # -- reading ------------------------------------------------------------------------------------------------------

    def take(self, cached: Iterable[CachedSpec]) -> None:
        """Remember specs that were read already, and read their variants."""
        cached = list(cached)
        self._nodes.update((one.key, one) for one in cached)
        self.lookup.variants({one.variant_set for one in cached})

    def load_edges(self, keys: Iterable[int]) -> None:
        """Read the edges of cached specs."""
        missing = {key for key in keys if key not in self._edges}
        if missing:
            self._edges.update(self.lookup.edges(missing))

    def children(self, key: int) -> tuple[CachedEdge, ...]:
        """Return the edges of a cached spec that were read."""
        return self._edges.get(key, ())

    def cached(self, key: int) -> CachedSpec:
        """Return a cached spec."""
        if key not in self._nodes:
            self.take(self.lookup.specs([key]).values())
        return self._nodes[key]

    def prepare(self, pairs: Iterable[tuple[DagHash, int]]) -> None:
        """Read all that comparing these pairs will need, level by level. At most 4 statements a level for 500 nodes."""
        level = set(pairs)
        seen: set[tuple[DagHash, int]] = set()
        for depth in range(_DEEPEST):
            level -= seen
            if not level:
                return
            seen |= level
            keys = {key for _, key in level}
            unread = {key for key in keys if key not in self._nodes}
            self._read += len(unread)
            if self._read > _MOST_NODES:
                self.complete = False
                return
            if unread:
                self.take(self.lookup.specs(unread).values())
            self.load_edges(keys)
            self.fields.load_places(key for key in keys if self._nodes[key].external)
            self._load_unmatched(level)
            level = {
                pair for above in level if not depth or self._is_near(*above) for pair in self._below(*above)
            }
        self.complete = self.complete and not level

    def _load_unmatched(self, pairs: Iterable[tuple[DagHash, int]]) -> None:
        """Read the dependencies that only the cached side has, for their versions."""
        matched = (self._matched(self.specs[one], self._nodes[key]) for one, key in pairs)
        keys = {other.child for found in matched for other in found.cached}
        unread = keys - self._nodes.keys()
        if unread:
            self._nodes.update(self.lookup.specs(unread))

    def _is_near(self, dag_hash: DagHash, key: int) -> bool:
        """Say whether it is looked at what lies below a pair of dependencies."""
        own = self.fields.own(self.specs[dag_hash], self._nodes[key])
        return sum(weight(one.field) for one in own) <= _NEAR if dag_hash in self.lacking else not own

    def _below(self, dag_hash: DagHash, key: int) -> Iterator[tuple[DagHash, int]]:
        """Return the pairs of dependencies that must be looked at below a pair."""
        spec, cached = self.specs[dag_hash], self._nodes[key]
        for edge, other in self._differing(spec, cached):
            if edge.hash in self.specs:
                yield edge.hash, other.child

    # -- comparing ----------------------------------------------------------------------------------------------------

    def evaluate(self, spec: ConcreteSpec, cached: CachedSpec, *, depth: int = 0) -> Evaluation:
        """Compare a wanted spec with one binary; ``prepare`` has read what that needs."""
        own = list(self.fields.own(spec, cached))
        if not cached.recorded:
            cost: float = WEIGHT_OF_PAGE + sum(weight(one.field) for one in own)
            return Evaluation(cached, tuple(own), frozenset(), frozenset(), cost)
        own += self._shape(spec, cached)
        deep = self._united(spec, cached, depth=depth)
        own = self._without_derived(spec, cached, own)
        if not own and not deep.follows and not deep.nodes:
            own = [Difference("hash", spec.hash, cached.hash)]
        explained = set(own)
        said = {one: self.said_of(one) for one in deep.nodes}
        nodes = frozenset(one for one, found in said.items() if not found or not explained.issuperset(found))
        cost = sum(weight(one.field) for one in own) + len(deep.follows) / 10
        cost += sum(_WEIGHT_OF_DEPTH + sum(weight(each.field) for each in said[one]) for one in nodes)
        if spec.architecture != cached.architecture == self.home:
            cost -= AT_HOME
        return Evaluation(cached, tuple(own), deep.follows, nodes, cost)

    def said_of(self, node: DeepNode) -> tuple[Difference, ...]:
        """Return what makes a node differ from the one in whose place it stands, beyond what its own causes say."""
        spec, cached = self.specs[node.hash], self._nodes.get(node.cached)
        if cached is None:
            return ()
        best = self.best.get(node.hash)
        said = best.own if best is not None else ()
        return tuple(
            one for one in (*self.fields.own(spec, cached), *self._shape(spec, cached)) if one not in said
        )

    # -- dependencies ---------------------------------------------------------------------------------------------------

    def _key(self, dag_hash: DagHash) -> int | None:
        known = self.known.get(dag_hash)
        return known.key if known is not None else None

    def _matched(self, spec: ConcreteSpec, cached: CachedSpec) -> _Matched:
        """Match dependencies: equal specs first, then by name (and use), then by a virtual that both provide."""
        found = self._matches.get((spec.hash, cached.key))
        if found is not None:
            return found
        others = {other.child: other for other in self.children(cached.key)}
        pairs: list[tuple[DependencyEdge, CachedEdge]] = []
        pending: list[DependencyEdge] = []
        for edge in spec.edges:
            same = others.pop(self._key(edge.hash) or _NO_KEY, None)
            if same is None:
                pending.append(edge)
            else:
                pairs.append((edge, same))
        rest = list(others.values())
        for fits in (_same_name_and_use, _same_name, _same_virtual):
            left = []
            for edge in pending:
                place = next((place for place, other in enumerate(rest) if fits(edge, other)), None)
                if place is None:
                    left.append(edge)
                else:
                    pairs.append((edge, rest.pop(place)))
            pending = left
        found = self._matches[spec.hash, cached.key] = _Matched(pairs, pending, rest)
        return found

    def _differing(
        self, spec: ConcreteSpec, cached: CachedSpec
    ) -> Iterator[tuple[DependencyEdge, CachedEdge]]:
        """Return the matched dependencies that are not the same spec, those aside that the compiler's difference is."""
        other_compiler = any(one.field == "compiler" for one in self.fields.own(spec, cached))
        for edge, other in self._matched(spec, cached).pairs:
            if other.child == self._key(edge.hash):
                continue
            if other_compiler and not LANGUAGES.isdisjoint(edge.kind.virtuals):
                continue
            yield edge, other

    def _shape(self, spec: ConcreteSpec, cached: CachedSpec) -> list[Difference]:
        """Return dependencies that only one has, and those that are used otherwise."""
        found = self._shapes.get((spec.hash, cached.key))
        if found is None:
            if cached.key not in self._edges:
                return []
            found = self._shapes[spec.hash, cached.key] = self._shaped(spec, cached)
        return found

    def _shaped(self, spec: ConcreteSpec, cached: CachedSpec) -> list[Difference]:
        pairs, mine, theirs = self._matched(spec, cached)
        found = []
        for edge, other in pairs:
            types = edge.kind.deptypes, other.kind.deptypes
            if types[0] != types[1]:
                names = [" ".join(deptype_names(one)) or None for one in types]
                found.append(Difference(f"deptypes:{edge.name}", *names))
            virtuals = sorted(edge.kind.virtuals), sorted(other.kind.virtuals)
            if virtuals[0] != virtuals[1]:
                found.append(
                    Difference(f"virtuals:{edge.name}", *(" ".join(one) or None for one in virtuals))
                )
        found += [Difference(f"dependency:{edge.name}", self._version(edge.hash), None) for edge in mine]
        for other in theirs:
            below = self._nodes.get(other.child)
            version = below.version if below is not None else "present"
            found.append(Difference(f"dependency:{other.name}", None, version))
        return found

    def _version(self, dag_hash: DagHash) -> str:
        spec = self.specs.get(dag_hash)
        return spec.version if spec is not None else f"/{dag_hash[:7]}"

    def _without_derived(
        self, spec: ConcreteSpec, cached: CachedSpec, own: Sequence[Difference]
    ) -> list[Difference]:
        """Leave out a version that is that of a dependency: ``gcc-runtime`` has the version of its ``gcc``."""
        if not any(one.field == "version" for one in own):
            return list(own)
        for edge, other in self._differing(spec, cached):
            below = self._nodes.get(other.child)
            if (
                below is not None
                and spec.name.startswith(f"{edge.name}-")
                and self._version(edge.hash) == spec.version
                and below.version == cached.version
            ):
                return [one for one in own if one.field not in {"version", "recipe"}]
        return list(own)

    def _united(self, spec: ConcreteSpec, cached: CachedSpec, *, depth: int) -> Deep:
        follows: set[DagHash] = set()
        nodes: set[DeepNode] = set()
        for edge, other in self._differing(spec, cached):
            if edge.hash in self.lacking:
                follows.add(edge.hash)
            below = self._descend(edge.hash, other.child, depth + 1)
            follows |= below.follows
            nodes |= below.nodes
        return Deep(frozenset(follows), frozenset(nodes))

    def _descend(self, dag_hash: DagHash, key: int, depth: int) -> Deep:
        """Return what makes a dependency differ from the one in whose place it stands; of a lacking one only what is more than its causes say."""
        pair = (dag_hash, key)
        found = self._deep.get(pair)
        if found is None:
            found = self._deep[pair] = self._descended(DeepNode(dag_hash, key), depth)
        return found

    def _descended(self, node: DeepNode, depth: int) -> Deep:
        spec, cached = self.specs.get(node.hash), self._nodes.get(node.cached)
        if spec is None:
            return _NOTHING
        itself = Deep(frozenset(), frozenset({node}))
        unread = cached is None or node.cached not in self._edges or depth > _DEEPEST
        if node.hash in self.lacking:
            best = self.best.get(node.hash)
            if best is None or cached is None or unread:
                return _NOTHING
            farther = self.evaluate(spec, cached, depth=depth).cost - best.cost
            return itself if farther > _AS_NEAR else _NOTHING
        if cached is None or unread or self.said_of(node):
            return itself
        below = self._united(spec, cached, depth=depth)
        return below if below.follows or below.nodes else itself


def _same_name_and_use(one: DependencyEdge, other: CachedEdge) -> bool:
    return one.name == other.name and bool(one.kind.deptypes & RUNTIME) == bool(other.kind.deptypes & RUNTIME)


def _same_name(one: DependencyEdge, other: CachedEdge) -> bool:
    return one.name == other.name


def _same_virtual(one: DependencyEdge, other: CachedEdge) -> bool:
    return not set(one.kind.virtuals).isdisjoint(other.kind.virtuals)
