"""From differences to causes: what is shared is said once, what follows is followed, and the rest is named as what it is. Pure.

Each lacking spec, dependencies first, gets the causes of its own, and those of the lacking specs below it through which it
misses. A set of causes is a number with one bit for each cause.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cachescope.jobs.coverage import Wanted
from cachescope.jobs.why_compare import Comparer, DeepNode, Evaluation
from cachescope.jobs.why_fields import is_of_system
from cachescope.model.identity import DagHash, MirrorName
from cachescope.model.record import Presence
from cachescope.model.spec import ConcreteSpec
from cachescope.model.why import CauseKind, Difference

__all__ = ["Draft", "Drafts"]

_SHARED_FIELDS = frozenset({"platform", "os", "target", "compiler", "namespace", "format"})
_SEVERAL = 2
_MANY = 3
"""A variant, or another state of the recipes, is taken for a common reason from so many packages on."""

_RECIPES = Difference("recipe", "another state of the recipes", "the state that the mirrors were built from")

_MOST_RELATIONS = 2_000_000
"""Specs that follow from causes, all pairs together, that are listed: no real lock file comes near."""

_Key = tuple[object, ...]


@dataclass(slots=True)
class Draft:
    """A cause in the making."""

    kind: CauseKind
    differences: tuple[Difference, ...] = ()
    subjects: dict[DagHash, None] = field(default_factory=dict)
    """What it is about."""

    direct: dict[DagHash, None] = field(default_factory=dict)
    """Specs that miss for it directly."""

    alternatives: Counter[str] = field(default_factory=Counter)
    """For a dependency: the versions that are used in its place."""

    places: tuple[MirrorName, ...] = ()
    about: ConcreteSpec | None = None
    """The package, where it is one."""


@dataclass(slots=True)
class Drafts:
    """Finds the causes of all lacking specs."""

    wanted: Wanted
    comparer: Comparer
    nearest: Mapping[DagHash, Sequence[Evaluation]]
    other_places: Mapping[tuple[str, str], tuple[MirrorName, ...]]
    """Other mirrors with binaries, by name and version."""

    drafts: list[Draft] = field(default_factory=list)
    bits: dict[DagHash, int] = field(default_factory=dict)
    """The causes of each lacking spec."""

    follows: dict[DagHash, tuple[DagHash, ...]] = field(default_factory=dict)
    entangled: bool = False
    """Whether more specs follow from more causes than can be listed."""

    _numbers: dict[_Key, int] = field(default_factory=dict)
    _shared: set[Difference] = field(default_factory=set)
    _explained: dict[DagHash, frozenset[DagHash]] = field(default_factory=dict)
    """Nodes below that the causes of a spec already speak of."""

    _parents: dict[DagHash, list[DagHash]] = field(default_factory=dict)

    def find(self, lacking: Iterable[DagHash]) -> None:
        """Find the causes; ``lacking`` stand dependencies first."""
        lacking = list(lacking)
        self._shared = self._shared_differences(lacking)
        for dag_hash, parent in self.wanted.specs.items():
            for edge in parent.edges:
                self._parents.setdefault(edge.hash, []).append(dag_hash)
        spec: ConcreteSpec | None
        for dag_hash in lacking:
            spec = self.wanted.specs.get(dag_hash)
            if (spec is None or not spec.external) and self._exact(dag_hash, spec):
                continue
            if spec is None:
                # All that is known is a hash.
                self._give(dag_hash, (CauseKind.ABSENT, dag_hash), Draft(CauseKind.ABSENT))
            else:
                self._compare(dag_hash, spec)

        self.entangled = sum(bits.bit_count() for bits in self.bits.values()) > _MOST_RELATIONS
        if self.entangled:
            self.bits.clear()
            for number, draft in enumerate(self.drafts):
                for dag_hash in draft.direct:
                    self.bits[dag_hash] = self.bits.get(dag_hash, 0) | 1 << number

    def numbers_of(self, dag_hash: DagHash) -> list[int]:
        """Return the causes of a lacking spec by their places."""
        bits = self.bits.get(dag_hash, 0)
        found = []
        while bits:
            lowest = bits & -bits
            found.append(lowest.bit_length() - 1)
            bits ^= lowest
        return found

    # -- what is shared -------------------------------------------------------------------------------------------------

    def _shared_differences(self, lacking: Sequence[DagHash]) -> set[Difference]:
        """Return the differences that several specs have alike."""
        specs: dict[Difference, set[str]] = {}
        recipes: set[str] = set()
        for dag_hash in lacking:
            spec, best = self.wanted.specs.get(dag_hash), self._best(dag_hash)
            if spec is None or best is None:
                continue
            versioned = any(one.field == "version" for one in best.own)
            for one in best.own:
                if one.field in _SHARED_FIELDS or one.field.startswith("flags:"):
                    specs.setdefault(one, set()).add(dag_hash)
                elif one.field.startswith("variant:"):
                    specs.setdefault(one, set()).add(spec.name)
                elif one.field == "recipe" and not versioned:
                    recipes.add(spec.name)
        shared = {
            one
            for one, found in specs.items()
            if len(found) >= (_MANY if one.field.startswith("variant:") else _SEVERAL)
        }
        if len(recipes) >= _MANY:
            shared.add(_RECIPES)
        return shared

    def _best(self, dag_hash: DagHash) -> Evaluation | None:
        found = self.nearest.get(dag_hash)
        return found[0] if found else None

    def _common(self, one: Difference, *, versioned: bool) -> Difference | None:
        """Return the shared difference that this one is."""
        if one in self._shared:
            return one
        if one.field == "recipe" and _RECIPES in self._shared and not versioned:
            return _RECIPES
        return None

    # -- one spec ---------------------------------------------------------------------------------------------------------

    def _exact(self, dag_hash: DagHash, spec: ConcreteSpec | None) -> bool:
        """Take a spec whose very hash is known to have been, or to be, somewhere. Returns whether that is its cause.

        A spec that follows from another is a consequence all the same: the deepest is named.
        """
        known = self.wanted.known.get(dag_hash)
        if known is None:
            return False
        best = self._best(dag_hash)
        ended = known.present_until
        key: _Key
        if known.elsewhere:
            key = (CauseKind.ELSEWHERE, known.elsewhere)
            draft = Draft(CauseKind.ELSEWHERE, places=known.elsewhere)
        elif ended is not None:
            key, draft = (CauseKind.VANISHED, *ended), Draft(CauseKind.VANISHED, places=(ended[0],))
        elif known.presence is Presence.MENTIONED:
            key, draft = (CauseKind.MENTIONED,), Draft(CauseKind.MENTIONED)
        else:
            return False
        if best is not None and not best.own and best.follows:
            return False
        draft.about = spec
        self._give(dag_hash, key, draft)
        return True

    def _compare(self, dag_hash: DagHash, spec: ConcreteSpec) -> None:
        best = self._best(dag_hash)
        if best is None:
            self._absent(dag_hash, spec)
            return
        self._follow(dag_hash, best)
        versioned = any(one.field == "version" for one in best.own)
        left: list[Difference] = []
        of_system = False
        for one in best.own:
            common = self._common(one, versioned=versioned)
            if common is None:
                left.append(one)
            else:
                of_system = of_system or is_of_system(common.field)
                kind = CauseKind.SHARED_DIFFERENCE
                self._give(dag_hash, (kind, common), Draft(kind, (common,)))
        if spec.external:
            self._external(dag_hash, spec, [] if of_system else left)
            return
        if left:
            self._own(dag_hash, spec, [*_decisive(left, best.own), *self._beside(dag_hash, best)])
        elif not best.own:
            self._by_dependencies(dag_hash, spec, best)

    def _follow(self, dag_hash: DagHash, best: Evaluation) -> None:
        followed = tuple(sorted(best.follows))
        self.follows[dag_hash] = followed
        for one in followed:
            self.bits[dag_hash] = self.bits.get(dag_hash, 0) | self.bits.get(one, 0)
            self._explained[dag_hash] = self._explained.get(dag_hash, frozenset()) | self._explained.get(
                one, frozenset()
            )

    def _absent(self, dag_hash: DagHash, spec: ConcreteSpec) -> None:
        if spec.external:
            # Nobody needs a binary of it; what depends on it is built on others, or on none.
            key: _Key = (CauseKind.OWN_FIELD, dag_hash)
            unknown = Difference("external", self.comparer.external_places.get(dag_hash, "external"), None)
            self._give(dag_hash, key, Draft(CauseKind.OWN_FIELD, (unknown,), about=spec))
            return
        places = self.other_places.get((spec.name, spec.version), ())
        for (name, _), mirrors in self.other_places.items() if not places else ():
            if name == spec.name:
                places = tuple(sorted({*places, *mirrors}))
        kind = CauseKind.ELSEWHERE if places else CauseKind.ABSENT
        self._give(
            dag_hash,
            (kind, spec.name, spec.version, places),
            Draft(kind, places=places, about=spec),
        )

    def _own(self, dag_hash: DagHash, spec: ConcreteSpec, differences: Sequence[Difference]) -> None:
        found = tuple(differences)
        key = (CauseKind.OWN_FIELD, spec.name, found)
        self._give(dag_hash, key, Draft(CauseKind.OWN_FIELD, found, about=spec))

    def _external(self, dag_hash: DagHash, spec: ConcreteSpec, left: Sequence[Difference]) -> None:
        """Take an external that no mirror was built with; one that builds others is said as their compiler."""
        version = next((one for one in left if one.field == "version"), None)
        if version is not None and self._is_compiler(dag_hash):
            compiler = Difference(
                "compiler", f"{spec.name}@{version.wanted}", f"{spec.name}@{version.cached}"
            )
            kind = CauseKind.SHARED_DIFFERENCE
            self._give(dag_hash, (kind, compiler), Draft(kind, (compiler,)))
        elif left:
            self._own(dag_hash, spec, left)

    def _is_compiler(self, dag_hash: DagHash) -> bool:
        return any(
            edge.hash == dag_hash and not {"c", "cxx", "fortran"}.isdisjoint(edge.kind.virtuals)
            for parent in self._parents.get(dag_hash, ())
            for edge in self.wanted.specs[parent].edges
        )

    # -- dependencies that are there --------------------------------------------------------------------------------------

    def _unexplained(self, dag_hash: DagHash, best: Evaluation) -> Iterator[DeepNode]:
        """Return nodes below that are there but others in the cached binary, unless a cause says so already."""
        explained = self._explained.get(dag_hash, frozenset())
        for node in sorted(best.nodes):
            differences = self.comparer.said_of(node)
            if not differences and node.hash in self.comparer.lacking:
                continue  # its own fields are cached: what it lacks together is its own cause
            if node.hash in explained or (differences and self._shared.issuperset(differences)):
                continue
            yield node

    def _beside(self, dag_hash: DagHash, best: Evaluation) -> list[Difference]:
        return sorted(
            {self.dependency(node) for node in self._unexplained(dag_hash, best)}, key=lambda one: one.field
        )

    def dependency(self, node: DeepNode) -> Difference:
        """Say of a node below which other one stands in its place."""
        spec, cached = self.wanted.specs[node.hash], self.comparer.cached(node.cached)
        return Difference(f"dependency:{spec.name}", *_told_apart(spec, cached.version, node, self.comparer))

    def _by_dependencies(self, dag_hash: DagHash, spec: ConcreteSpec, best: Evaluation) -> None:
        """Take a spec whose own fields are all cached, and whose dependencies are there, but not together."""
        nodes = list(self._unexplained(dag_hash, best))
        unused = [node for node in nodes if self._is_unused(node, dag_hash)]
        for node in unused:
            below = self.wanted.specs[node.hash]
            kind = CauseKind.DEPENDENCY_UNUSED
            number = self._number((kind, node.hash), Draft(kind, about=below))
            draft = self.drafts[number]
            draft.subjects[node.hash] = None
            self._say(dag_hash, number)
            draft.alternatives.update(self._alternatives(dag_hash, below, node))
        together = [node for node in nodes if node not in unused]
        if together and not unused:
            differences = tuple(
                sorted({self.dependency(node) for node in together}, key=lambda one: one.field)
            )
            kind = CauseKind.COMBINATION
            self._give(dag_hash, (kind, spec.name, differences), Draft(kind, differences, about=spec))
        # Of several binaries with equal fields each lacks another part: what depends on this need not say any of it again.
        spoken = {node.hash for one in self.nearest[dag_hash] if not one.own for node in one.nodes}
        self._explained[dag_hash] = self._explained.get(dag_hash, frozenset()) | spoken

    def _is_unused(self, node: DeepNode, dag_hash: DagHash) -> bool:
        """Say whether nothing of this lock file that is present depends on a node, nor any cached binary of this package."""
        if node.hash in self.comparer.lacking or any(
            self.wanted.is_present(parent) for parent in self._parents.get(node.hash, ())
        ):
            return False
        known = self.wanted.known.get(node.hash)
        return known is None or not any(
            edge.child == known.key
            for one in self.nearest[dag_hash]
            for edge in self.comparer.children(one.candidate.key)
        )

    def _alternatives(self, dag_hash: DagHash, below: ConcreteSpec, node: DeepNode) -> Iterator[str]:
        """Yield what the nearest binaries have in place of a dependency, which may not be one of their own."""
        found = {self.comparer.cached(node.cached).version}
        for one in self.nearest[dag_hash]:
            if one.own:
                continue
            for other in one.nodes:
                if other.hash == below.hash:
                    found.add(self.comparer.cached(other.cached).version)
        yield from found

    # -- keeping account ----------------------------------------------------------------------------------------------------

    def _number(self, key: _Key, draft: Draft) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.drafts)
            self.drafts.append(draft)
        return number

    def _say(self, dag_hash: DagHash, number: int) -> None:
        self.drafts[number].direct[dag_hash] = None
        self.bits[dag_hash] = self.bits.get(dag_hash, 0) | 1 << number

    def _give(self, dag_hash: DagHash, key: _Key, draft: Draft) -> None:
        """Say that a spec is what a cause is about."""
        number = self._number(key, draft)
        self.drafts[number].subjects[dag_hash] = None
        self._say(dag_hash, number)


def _decisive(left: Sequence[Difference], own: Sequence[Difference]) -> list[Difference]:
    """Leave out what other differences bring with them: nearest binaries name it, the cause need not.

    Variants and dependencies are conditional: where another variant or version is built, some of them exist on one side
    only. A recipe is hashed as it applies to the version, and patches are of a version.
    """
    versioned = any(one.field == "version" for one in own)
    chosen = versioned or any(
        one.field.startswith("variant:") and one.wanted is not None and one.cached is not None for one in own
    )
    found = []
    for one in left:
        one_sided = one.wanted is None or one.cached is None
        kind = one.field.partition(":")[0]
        if chosen and one_sided and kind in {"variant", "dependency"}:
            continue
        if chosen and kind in {"deptypes", "virtuals"}:
            continue
        if versioned and one.field in {"recipe", "variant:patches"}:
            continue
        found.append(one)
    return found or list(left)


def _told_apart(spec: ConcreteSpec, version: str, node: DeepNode, comparer: Comparer) -> tuple[str, str]:
    """Say two dependencies of one name by their versions, else by what differs in them, else by their hashes."""
    if spec.version != version:
        return spec.version, version
    differences = comparer.said_of(node)
    if differences and all(one.field != "recipe" for one in differences):
        return tuple(
            " ".join([spec.version, *(f"{one.field}={value or 'none'}" for one, value in pairs)])
            for pairs in (
                [(one, one.wanted) for one in differences],
                [(one, one.cached) for one in differences],
            )
        )  # type: ignore[return-value]  # two texts, one a side
    cached = comparer.cached(node.cached)
    return f"{spec.version} /{node.hash[:7]}", f"{cached.version} /{cached.hash[:7]}"
