"""Run closures within a choice of binaries: what lies below specs, which closures are whole, and what the others lack."""

from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import fast_rows
from cachescope.catalogue.summaries import chunks
from cachescope.model.spec import RUNTIME

__all__ = ["Dependencies", "read_dependencies"]

_RUN = 1
_SHIFT = 1


@dataclass(slots=True)
class Dependencies:
    """All that some specs depend on, directly or not, by keys of the catalogue.

    Edges stand as numbers in arrays: of 400,000 specs with four million edges they take some 60 MB.
    """

    edges: dict[int, "array[int]"] = field(default_factory=dict)
    """Parents in the order of their distance; of each edge the child, and whether running needs it, as one number."""

    def below(self, starts: Iterable[int]) -> set[int]:
        """Return these specs and all that they depend on, along edges of every type."""
        found = set(starts)
        pending = list(found)
        while pending:
            for edge in self.edges.get(pending.pop(), ()):
                child = edge >> _SHIFT
                if child not in found:
                    found.add(child)
                    pending.append(child)
        return found

    def run_closure(self, starts: Iterable[int], among: Collection[int]) -> set[int]:
        """Return these specs and what they need to run, as far as it is ``among`` the given ones."""
        found = set(starts)
        pending = list(found)
        while pending:
            for edge in self.edges.get(pending.pop(), ()):
                child = edge >> _SHIFT
                if edge & _RUN and child not in found and child in among:
                    found.add(child)
                    pending.append(child)
        return found

    def gaps(self, available: Collection[int], given: Collection[int]) -> Mapping[int, int]:
        """Return the available specs whose run closure has a gap, each with a spec that it lacks.

        ``given`` are specs that the host has by itself: externals.
        """
        lacks: dict[int, int] = {}
        upwards = [key for key in reversed(self.edges) if key in available]
        for key in upwards:
            for edge in self.edges[key]:
                child = edge >> _SHIFT
                if edge & _RUN and child not in available and child not in given:
                    lacks[key] = child
                    break
        grown = bool(lacks)
        while grown:
            # What is deeper mostly stands later, so that few rounds are needed.
            grown = False
            for key in upwards:
                if key in lacks:
                    continue
                for edge in self.edges[key]:
                    if edge & _RUN and (edge >> _SHIFT) in lacks:
                        lacks[key] = lacks[edge >> _SHIFT]
                        grown = True
                        break
        return lacks

    def dependents(self, among: Collection[int]) -> Mapping[int, int]:
        """Count for each spec how many of the given ones depend on it directly, by an edge of any type, as Spack does."""
        counts: dict[int, int] = {}
        for key in among:
            for edge in self.edges.get(key, ()):
                counts[edge >> _SHIFT] = counts.get(edge >> _SHIFT, 0) + 1
        return counts


def read_dependencies(connection: Connection, starts: Iterable[int]) -> Dependencies:
    """Read all that specs depend on. 1 statement, and 1 a level for 500 specs."""
    purposes = {
        key: _RUN if deptypes & RUNTIME else 0
        for key, deptypes in connection.execute(select(t.edge_kind.c.id, t.edge_kind.c.deptypes))
    }
    found = Dependencies()
    level = sorted(set(starts))
    seen = set(level)
    while level:
        below: set[int] = set()
        for some in chunks(level):
            for key in some:
                found.edges[key] = array("q")
            statement = (
                select(t.edge.c.parent_id, t.edge.c.child_id, t.edge.c.kind_id)
                .where(t.edge.c.parent_id.in_(some))
                .order_by(t.edge.c.parent_id, t.edge.c.position)
            )
            for parent, child, kind in fast_rows(connection, statement):
                found.edges[parent].append(child << _SHIFT | purposes[kind])
                if child not in seen:
                    seen.add(child)
                    below.add(child)
        level = sorted(below)
    return found
