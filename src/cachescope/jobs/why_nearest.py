"""For each spec that is lacking, the cached binaries nearest to it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

from cachescope.jobs.why_compare import Comparer, Evaluation
from cachescope.model.identity import DagHash
from cachescope.model.sightings import CachedSpec
from cachescope.model.spec import ConcreteSpec
from cachescope.model.why import Difference

__all__ = ["nearest_binaries"]

_CONSIDERED = 40
"""Binaries of a package whose dependencies are read, for one spec."""

_EVALUATED = 6
"""Of these, how many are compared down to the deepest differences: by own fields, and again by dependencies."""

_MOST_EVALUATED = 24
"""The same, where many have equal fields and differ in dependencies alone."""

_WEIGHT_OF_DEPENDENCY = 10


def nearest_binaries(
    lacking: Sequence[ConcreteSpec],
    binaries: Mapping[str, Sequence[CachedSpec]],
    externals: Mapping[str, Sequence[CachedSpec]],
    comparer: Comparer,
) -> dict[DagHash, list[Evaluation]]:
    """Return for each spec its nearest binaries by name (for externals: externals that are mentioned), the nearest first.

    ``lacking`` stand dependencies first: how near a binary is depends on what is nearest to the dependencies. Of equally
    near ones, those come first whose differences explain most of the other specs too: what all lack for the same reason
    must not look like many reasons.
    """
    considered = {
        spec.hash: _considered(spec, (externals if spec.external else binaries).get(spec.name, ()), comparer)
        for spec in lacking
    }
    comparer.load_edges({one.key for some in considered.values() for _, one in some})
    chosen = {spec.hash: _chosen(spec, considered[spec.hash], comparer) for spec in lacking}
    comparer.prepare((dag_hash, one.key) for dag_hash, some in chosen.items() for one in some)
    often = _often(lacking, considered, comparer)
    evaluated: dict[DagHash, list[Evaluation]] = {}
    for spec in lacking:
        found = [comparer.evaluate(spec, one) for one in chosen[spec.hash]]
        found.sort(
            key=lambda one: (
                one.cost,
                -sum(often[difference] for difference in one.own),
                one.candidate.hash,
            )
        )
        evaluated[spec.hash] = found
        if found:
            comparer.best[spec.hash] = found[0]
    return evaluated


def _considered(
    spec: ConcreteSpec, candidates: Sequence[CachedSpec], comparer: Comparer
) -> list[tuple[int, CachedSpec]]:
    rough = comparer.fields.roughly(spec, candidates)
    return nsmallest(_CONSIDERED, rough, key=lambda one: (one[0], one[1].key))


def _chosen(
    spec: ConcreteSpec, considered: Sequence[tuple[int, CachedSpec]], comparer: Comparer
) -> list[CachedSpec]:
    """Choose by own fields, and by own fields and dependencies together."""
    there = {
        comparer.known[edge.hash].key
        for edge in spec.edges
        if edge.hash in comparer.known and edge.hash not in comparer.lacking
    }
    weighed = []
    for rough, one in considered:
        others = there - {edge.child for edge in comparer.children(one.key)} if one.recorded else set()
        weighed.append((rough, len(others) * _WEIGHT_OF_DEPENDENCY, one))
    alike = sum(rough == considered[0][0] for rough, _ in considered)
    by_fields = nsmallest(
        min(max(alike, _EVALUATED), _MOST_EVALUATED), weighed, key=lambda one: (one[0], one[1], one[2].key)
    )
    by_all = nsmallest(_EVALUATED, weighed, key=lambda one: (one[0] + one[1], one[2].key))
    return [*{one.key: one for _, _, one in (*by_fields, *by_all)}.values()]


def _often(
    lacking: Iterable[ConcreteSpec],
    considered: Mapping[DagHash, Sequence[tuple[int, CachedSpec]]],
    comparer: Comparer,
) -> Counter[Difference]:
    """Count of how many specs a difference is one from the binaries whose own fields are nearest."""
    counts: Counter[Difference] = Counter()
    for spec in lacking:
        binaries = considered[spec.hash]
        nearest = {
            difference
            for rough, one in binaries
            if rough == binaries[0][0]
            for difference in comparer.fields.own(spec, one)
        }
        counts.update(nearest)
    return counts
