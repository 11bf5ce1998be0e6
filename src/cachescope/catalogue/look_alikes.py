"""Look-alikes: specs that agree in every visible column, and what separates them.

From the group down, only dependencies whose hashes differ are looked at, level by level, until fields differ.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.descent import Nodes, Slot, children, descend
from cachescope.catalogue.spec_writer import Knowledge
from cachescope.model.results import DependencyDifference
from cachescope.model.spec import EdgeKind, deptype_names

__all__ = ["distinguish"]

_LARGEST_GROUP = 60
_DEEPEST = 12
_ABSENT = "-"


def distinguish(connection: Connection, spec_ids: Sequence[int]) -> tuple[DependencyDifference, ...] | None:
    """Return in which fields and dependencies the specs differ, nearest first; None if there are too many to compare.

    At most 3 statements a level of the DAG, and 12 levels.
    """
    if len(spec_ids) > _LARGEST_GROUP:
        return None
    if len(spec_ids) < 2:  # noqa: PLR2004 - nothing to compare
        return ()
    nodes = Nodes(connection)
    differences: list[DependencyDifference] = []

    def enters(slot: Slot) -> bool:
        own = _own_differences(connection, nodes, slot)
        differences.extend(own)
        # Where a dependency itself is another one, what lies below it follows from that.
        return not own

    descend(nodes, spec_ids, levels=_DEEPEST, enters=enters)
    return tuple(differences)


def _own_differences(connection: Connection, nodes: Nodes, slot: Slot) -> list[DependencyDifference]:
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
        values = _variants(connection, [row.variant_set_id for row in rows])
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


def _variants(connection: Connection, sets: Sequence[int | None]) -> tuple[str, ...]:
    """Return for each set the variants that not all of them share."""
    members: dict[int | None, set[str]] = {one: set() for one in sets}
    rows = connection.execute(
        select(t.variant_set_member.c.set_id, t.variant.c.name, t.variant.c.kind, t.variant.c.value)
        .join(t.variant, t.variant.c.id == t.variant_set_member.c.variant_id)
        .where(t.variant_set_member.c.set_id.in_([one for one in set(sets) if one is not None]))
    )
    for set_id, name, kind, value in rows:
        text = ("+" if value == "true" else "~") + name if kind == "bool" else f"{name}={value}"
        members[set_id].add(text)
    shared = set.intersection(*members.values())
    return tuple(" ".join(sorted(members[one] - shared)) or _ABSENT for one in sets)
