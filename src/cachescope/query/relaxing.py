"""Queries that ask a little less: each constraint that can be left out, with its spelling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from cachescope.query.spec_query import NodeQuery, SpecQuery

__all__ = ["Constraint", "constraints", "relaxations", "without"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """One part of a query that can be left out."""

    text: str
    """In the query's own spelling."""

    field: str
    """``version``, ``target``, ``os``, ``platform``, ``variant``, ``flag``, ``namespace``, ``hash`` or ``dependency``."""

    place: int = 0
    """Which one of several of its field."""


def constraints(query: SpecQuery) -> Sequence[Constraint]:
    """Return what can be left out of a query; its name cannot."""
    node = query.node
    found: list[Constraint] = []
    if node.version is not None:
        found.append(Constraint(f"@{node.version}", "version"))
    found += [Constraint(str(variant), "variant", place) for place, variant in enumerate(node.variants)]
    found += [Constraint(str(flag), "flag", place) for place, flag in enumerate(node.flags)]
    for field in ("platform", "os", "target", "namespace"):
        value = getattr(node, field)
        if value is not None:
            found.append(Constraint(f"{field}={value}", field))
    if node.hash is not None:
        found.append(Constraint(f"/{node.hash}", "hash"))
    found += [Constraint(str(edge), "dependency", place) for place, edge in enumerate(query.dependencies)]
    return found


def without(query: SpecQuery, dropped: Sequence[Constraint]) -> SpecQuery:
    """Return the query without some of its constraints."""
    places = {(one.field, one.place) for one in dropped}
    node: NodeQuery = query.node
    node = replace(
        node,
        variants=tuple(one for place, one in enumerate(node.variants) if ("variant", place) not in places),
        flags=tuple(one for place, one in enumerate(node.flags) if ("flag", place) not in places),
        **{
            field: None
            for field in ("version", "platform", "os", "target", "namespace", "hash")
            if (field, 0) in places
        },
    )
    kept = tuple(edge for place, edge in enumerate(query.dependencies) if ("dependency", place) not in places)
    return SpecQuery(node=node, dependencies=kept)


def relaxations(query: SpecQuery, size: int) -> Sequence[tuple[tuple[Constraint, ...], SpecQuery]]:
    """Return all queries that leave out ``size`` constraints."""
    return [(dropped, without(query, dropped)) for dropped in combinations(constraints(query), size)]
