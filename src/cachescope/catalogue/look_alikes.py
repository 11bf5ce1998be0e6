"""Look-alikes: specs that agree in every visible column, and what separates them.

From the group down, only dependencies whose hashes differ are looked at, level by level, until fields differ.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from cachescope.catalogue.descent import Nodes, Slot, children, descend_together
from cachescope.catalogue.knowledge import Knowledge
from cachescope.model.results import DependencyDifference
from cachescope.model.spec import EdgeKind, deptype_names

__all__ = ["distinguish", "distinguish_all"]

_LARGEST_GROUP = 60
_DEEPEST = 12
_ABSENT = "-"


def distinguish(connection: Connection, spec_ids: Sequence[int]) -> tuple[DependencyDifference, ...] | None:
    """Return in which fields and dependencies the specs differ, nearest first; None if there are too many to compare.

    At most 3 statements a level of the DAG, and 12 levels.
    """
    return distinguish_all(connection, [spec_ids])[0]


def distinguish_all(
    connection: Connection, groups: Sequence[Sequence[int]]
) -> list[tuple[DependencyDifference, ...] | None]:
    """Distinguish several groups at once, level by level: at most 3 statements a level for 500 specs of all together."""
    nodes = Nodes(connection)
    differences: list[list[DependencyDifference]] = [[] for _ in groups]

    def entering(found: list[DependencyDifference]) -> Callable[[Slot], bool]:
        def enters(slot: Slot) -> bool:
            own = _own_differences(nodes, slot)
            found.extend(own)
            # Where a dependency itself is another one, what lies below it follows from that.
            return not own

        return enters

    descend_together(
        nodes,
        [
            (group, entering(found))
            for group, found in zip(groups, differences, strict=True)
            if 1 < len(group) <= _LARGEST_GROUP
        ],
        levels=_DEEPEST,
    )
    return [
        None if len(group) > _LARGEST_GROUP else tuple(found)
        for group, found in zip(groups, differences, strict=True)
    ]


def _own_differences(nodes: Nodes, slot: Slot) -> list[DependencyDifference]:
    if None in slot.specs:
        values = tuple(_ABSENT if key is None else _label(nodes, key) for key in slot.specs)
        return [DependencyDifference(path=slot.path, field="dependency", values=values)]
    rows = [nodes.rows[key] for key in slot.specs if key is not None]
    found = []
    for field, column in _FIELDS:
        values = tuple(_text(getattr(row, column)) for row in rows)
        if len(set(values)) > 1:
            found.append(DependencyDifference(path=slot.path, field=field, values=values))
    if len({row.variant_set_id for row in rows}) > 1:
        values = _variants(nodes, [row.variant_set_id for row in rows])
        if len(set(values)) > 1:
            found.append(DependencyDifference(path=slot.path, field="variants", values=values))
    return found or _of_edges(nodes, slot)


def _of_edges(nodes: Nodes, slot: Slot) -> list[DependencyDifference]:
    """Return how the specs use their dependencies otherwise, where they have the same ones: nothing else explains them."""
    below = children(nodes, slot)
    if any(one.differs for one in below):
        return []
    found = []
    for field, text in (("deptypes", _deptypes), ("virtuals", _virtuals)):
        for one in below:
            values = tuple(text(kind) for kind in one.kinds if kind is not None)
            if len(set(values)) > 1:
                found.append(DependencyDifference(path=one.path, field=field, values=values))
    return found


def _deptypes(kind: EdgeKind) -> str:
    return " ".join(deptype_names(kind.deptypes)) or _ABSENT


def _virtuals(kind: EdgeKind) -> str:
    return " ".join(kind.virtuals) or _ABSENT


_FIELDS = (
    ("version", "version"),
    ("compiler", "compiler"),
    ("os", "os"),
    ("target", "target"),
    ("platform", "platform"),
    ("namespace", "namespace"),
    ("external", "external"),
    ("build spec", "build_spec"),
    ("recipe", "package_hash"),
)
_LONG, _SHOWN = 32, 12


def _text(value: object) -> str:
    if value is None or value == "":
        return _ABSENT
    text = str(value)
    return (
        text if len(text) < _LONG else text[:_SHOWN]
    )  # recipes and hashes: their beginning tells them apart


def _label(nodes: Nodes, key: int) -> str:
    row = nodes.rows[key]
    return row.version or ("known by hash alone" if row.knowledge == Knowledge.NAMED else _ABSENT)


def _variants(nodes: Nodes, sets: Sequence[int | None]) -> tuple[str, ...]:
    """Return for each set the variants that not all of them share."""
    known = nodes.variant_sets({one for one in sets if one is not None})
    members: dict[int | None, set[str]] = {None: set()}
    for key, held in known.items():
        found = members[key] = set()
        for name, value in held.variants:
            if isinstance(value, bool):
                found.add(f"{'+' if value else '~'}{name}")
            else:
                found.update(f"{name}={one}" for one in ((value,) if isinstance(value, str) else value))
        for name, values in held.flags:
            found.update(f"{name}={one}" for one in values)
    shared = set.intersection(*(members[one] for one in sets))
    return tuple(" ".join(sorted(members[one] - shared)) or _ABSENT for one in sets)
