"""The fewest mirrors that cover the most. Pure.

Covering is hard in general, so sets are tried one by one, smallest first, as long as they are few; beyond that the mirror
that adds most is taken again and again, and the result says so.
"""

from collections.abc import Mapping
from itertools import combinations
from math import comb

from cachescope.model.coverage import MirrorSet, Tally
from cachescope.model.identity import MirrorName

__all__ = ["mirror_sets"]

_MOST_TRIED = 60_000
"""Sets that are tried for one size: a tenth of a second."""

_MOST_JOINED = 1_000_000
"""Mirrors that are put together for one size: sets of nearly all of many mirrors are few, but large."""


def mirror_sets(present: Mapping[MirrorName, int], total: int) -> tuple[MirrorSet, ...]:
    """Return the best set of one mirror, of two ... up to the fewest that reach what all reach together.

    ``present`` has one bit for each spec that a mirror has; ``total`` is the number of specs wanted. Sets that are no
    better than a smaller one are left out.
    """
    candidates = _worth_trying(present)
    best = 0
    for bits in candidates.values():
        best |= bits
    found: list[MirrorSet] = []
    reached = 0
    in_turn: tuple[MirrorName, ...] | None = None
    for size in range(1, len(candidates) + 1):
        if reached == best.bit_count():
            break
        tried = comb(len(candidates), size)
        exact = tried <= _MOST_TRIED and tried * size <= _MOST_JOINED
        if exact:
            names = _most_helpful_first(candidates, _best(candidates, size, best))
        else:
            in_turn = in_turn or _greedy(candidates)
            names = in_turn[:size]
        covered = _union(candidates, names).bit_count()
        if covered > reached:
            reached = covered
            found.append(MirrorSet(mirrors=names, tally=Tally(covered, total), exact=exact))
    return tuple(found)


def _worth_trying(present: Mapping[MirrorName, int]) -> dict[MirrorName, int]:
    """Leave out mirrors that have nothing, or nothing that a better one has not."""
    ordered = sorted(present, key=lambda name: (-present[name].bit_count(), name))
    kept: dict[MirrorName, int] = {}
    for name in ordered:
        bits = present[name]
        if bits and not any(bits | other == other for other in kept.values()):
            kept[name] = bits
    return kept


def _best(candidates: Mapping[MirrorName, int], size: int, best: int) -> tuple[MirrorName, ...]:
    chosen: tuple[MirrorName, ...] = ()
    most = -1
    for names in combinations(candidates, size):
        covered = _union(candidates, names)
        if covered.bit_count() > most:
            chosen, most = names, covered.bit_count()
            if covered == best:
                break
    return chosen


def _greedy(candidates: Mapping[MirrorName, int]) -> tuple[MirrorName, ...]:
    """Take the mirror that adds most, again and again, until none adds anything: the first ones are the set of any size."""
    left = dict(candidates)
    chosen: list[MirrorName] = []
    covered = 0
    while left:
        name = max(left, key=lambda one: (left[one] | covered).bit_count())
        if left[name] | covered == covered:
            break
        chosen.append(name)
        covered |= left.pop(name)
    return tuple(chosen)


def _union(candidates: Mapping[MirrorName, int], names: tuple[MirrorName, ...]) -> int:
    covered = 0
    for name in names:
        covered |= candidates[name]
    return covered


def _most_helpful_first(
    candidates: Mapping[MirrorName, int], names: tuple[MirrorName, ...]
) -> tuple[MirrorName, ...]:
    return _greedy({name: candidates[name] for name in names})
