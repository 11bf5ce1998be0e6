"""The graph of a lock file: what is needed at run time, and how many others depend on a spec. Pure."""

from collections.abc import Iterable, Mapping

from cachescope.model.identity import DagHash
from cachescope.model.lockfile import LockFile
from cachescope.model.spec import RUNTIME, ConcreteSpec

__all__ = ["count_dependents", "dependencies_first", "run_closure"]

_BLOCK = 8192
"""Dependents that are counted in one pass, as one bit each: bounds memory for lock files of any size."""


def run_closure(roots: Iterable[DagHash], specs: Mapping[DagHash, ConcreteSpec]) -> set[DagHash]:
    """Return the roots and all that link and run edges reach from them, as far as ``specs`` describes it."""
    found = set(roots)
    pending = list(found)
    while pending:
        spec = specs.get(pending.pop())
        if spec is None:
            continue
        for edge in spec.edges:
            if edge.kind.deptypes & RUNTIME and edge.hash not in found:
                found.add(edge.hash)
                pending.append(edge.hash)
    return found


def count_dependents(lock: LockFile) -> dict[DagHash, int]:
    """Return for each spec of a lock file how many others depend on it, directly or not, along edges of every type."""
    order = list(lock.specs)  # dependencies first
    counts = dict.fromkeys(order, 0)
    for start in range(0, len(order), _BLOCK):
        block = {dag_hash: 1 << place for place, dag_hash in enumerate(order[start : start + _BLOCK])}
        above: dict[DagHash, int] = {}
        # What stands before the block depends on nothing in it, but is depended on: go from the top down.
        for dag_hash in reversed(order):
            found = above.pop(dag_hash, 0)
            counts[dag_hash] += found.bit_count()
            found |= block.get(dag_hash, 0)
            if found:
                for edge in lock.specs[dag_hash].edges:
                    above[edge.hash] = above.get(edge.hash, 0) | found
    return counts


def dependencies_first(specs: Mapping[DagHash, ConcreteSpec]) -> list[DagHash]:
    """Order specs so that dependencies stand before what depends on them; an edge that closes a circle is passed over."""
    ordered: dict[DagHash, None] = {}
    opened: set[DagHash] = set()
    for start in specs:
        if start in opened:
            continue
        opened.add(start)
        stack = [(start, iter(specs[start].edges))]
        while stack:
            dag_hash, edges = stack[-1]
            child = next(
                (edge.hash for edge in edges if edge.hash in specs and edge.hash not in opened), None
            )
            if child is None:
                stack.pop()
                ordered[dag_hash] = None
            else:
                opened.add(child)
                stack.append((child, iter(specs[child].edges)))
    return list(ordered)
