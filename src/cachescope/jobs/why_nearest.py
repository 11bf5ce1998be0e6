"""For each spec that is lacking, the cached binaries nearest to it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

from cachescope.jobs.why_compare import Comparer, Evaluation
from cachescope.model.identity import DagHash
from cachescope.model.sightings import CachedSpec
from cachescope.model.spec import ConcreteSpec

__all__ = ["nearest_binaries"]

_CONSIDERED = 40
"""Binaries of a package whose dependencies are read, for one spec."""

_EVALUATED = 6
"""Of these, how many are compared down to the deepest differences: by own fields, and again by dependencies."""

_WEIGHT_OF_DEPENDENCY = 10


def nearest_binaries(
    lacking: Sequence[ConcreteSpec], candidates: Mapping[str, Sequence[CachedSpec]], comparer: Comparer
) -> dict[DagHash, list[Evaluation]]:
    """Return for each spec its nearest binaries, the nearest first; none where there is no binary of its name.

    Of equally near ones, those come first whose differences explain most of the other specs too: what all lack for the
    same reason must not look like many reasons.
    """
    considered = {spec.hash: _considered(spec, candidates.get(spec.name, ()), comparer) for spec in lacking}
    comparer.load_edges({one.key for some in considered.values() for _, one in some})
    chosen = {spec.hash: _chosen(spec, considered[spec.hash], comparer) for spec in lacking}
    comparer.prepare((dag_hash, one.key) for dag_hash, some in chosen.items() for one in some)
    evaluated = {spec.hash: [comparer.evaluate(spec, one) for one in chosen[spec.hash]] for spec in lacking}
    shared = _often(evaluated.values())
    for found in evaluated.values():
        found.sort(
            key=lambda one: (
                one.cost,
                -sum(shared[difference] for difference in one.own),
                one.candidate.hash,
            )
        )
    return evaluated


def _considered(
    spec: ConcreteSpec, candidates: Sequence[CachedSpec], comparer: Comparer
) -> list[tuple[int, CachedSpec]]:
    rough = ((comparer.roughly(spec, one), one) for one in candidates)
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
    by_fields = nsmallest(_EVALUATED, weighed, key=lambda one: (one[0], one[1], one[2].key))
    by_all = nsmallest(_EVALUATED, weighed, key=lambda one: (one[0] + one[1], one[2].key))
    return [*{one.key: one for _, _, one in (*by_fields, *by_all)}.values()]


def _often(evaluated: Iterable[Sequence[Evaluation]]) -> Counter[object]:
    """Count in how many specs a difference would explain, among the nearest binaries of each."""
    counts: Counter[object] = Counter()
    for found in evaluated:
        if found:
            best = min(one.cost for one in found)
            counts.update({difference for one in found if one.cost == best for difference in one.own})
    return counts
