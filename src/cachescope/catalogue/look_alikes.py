"""Look-alikes: specs that agree in every visible column, and what separates them.

A DAG hash covers a spec's dependencies by their hashes, so equal hashes end the comparison: from the group down, only
dependencies whose hashes differ are looked at, level by level, until fields differ.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.spec_writer import Knowledge
from cachescope.catalogue.summaries import chunks
from cachescope.model.results import DependencyDifference

__all__ = ["distinguish"]

_LARGEST_GROUP = 60
_DEEPEST = 12
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class _Slot:
    """One place in the DAGs of a group: the path of names to it, and which spec each member has there."""

    path: tuple[str, ...]
    specs: tuple[int | None, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.specs)) > 1


def distinguish(connection: Connection, spec_ids: Sequence[int]) -> tuple[DependencyDifference, ...] | None:
    """Return in which fields and dependencies the specs differ, nearest first; None if there are too many to compare.

    At most 3 statements a level of the DAG, and 12 levels.
    """
    if len(spec_ids) > _LARGEST_GROUP:
        return None
    if len(spec_ids) < 2:  # noqa: PLR2004 - nothing to compare
        return ()
    reader = _Nodes(connection)
    differences: list[DependencyDifference] = []
    level = [_Slot((), tuple(spec_ids))]
    seen: set[tuple[int | None, ...]] = set()
    for _ in range(_DEEPEST):
        level = [slot for slot in level if slot.differs and slot.specs not in seen]
        if not level:
            break
        seen.update(slot.specs for slot in level)
        reader.load({key for slot in level for key in slot.specs if key is not None})
        below: list[_Slot] = []
        for slot in level:
            own = _own_differences(reader, slot)
            differences.extend(own)
            # Where a dependency itself is another one, what lies below it follows from that.
            if not own:
                below.extend(_children(reader, slot))
        level = below
    return tuple(differences)


def _own_differences(reader: "_Nodes", slot: _Slot) -> list[DependencyDifference]:
    if None in slot.specs:
        values = tuple(_ABSENT if key is None else reader.label(key) for key in slot.specs)
        return [DependencyDifference(path=slot.path, field="dependency", values=values)]
    rows = [reader.rows[key] for key in slot.specs if key is not None]
    found = []
    for field, column in _FIELDS:
        values = tuple(_text(getattr(row, column)) for row in rows)
        if len(set(values)) > 1:
            found.append(DependencyDifference(path=slot.path, field=field, values=values))
    if len({row.variant_set_id for row in rows}) > 1:
        values = reader.variants([row.variant_set_id for row in rows])
        if len(set(values)) > 1:
            found.append(DependencyDifference(path=slot.path, field="variants", values=values))
    return found


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


def _children(reader: "_Nodes", slot: _Slot) -> list[_Slot]:
    """Return the dependencies of a slot, matched by name; several of one name are matched in their order."""
    names: dict[tuple[str, int], list[int | None]] = {}
    for position, key in enumerate(slot.specs):
        counted: dict[str, int] = defaultdict(int)
        for name, child in reader.edges.get(key or 0, ()):
            places = names.setdefault((name, counted[name]), [None] * len(slot.specs))
            places[position] = child
            counted[name] += 1
    return [_Slot((*slot.path, name), tuple(specs)) for (name, _), specs in names.items()]


class _Nodes:
    """Fields and edges of the specs that were met, read level by level."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.rows: dict[int, Row[Any]] = {}
        self.edges: dict[int, list[tuple[str, int]]] = {}
        self._texts: dict[int, str] = {}

    def load(self, keys: set[int]) -> None:
        namespace = t.name.alias("namespace")
        missing = sorted(keys - self.rows.keys())
        for some in chunks(missing):
            rows = self._connection.execute(
                select(
                    t.spec.c.id,
                    t.spec.c.knowledge,
                    t.version.c.text.label("version"),
                    (t.compiler.c.name + "@" + t.compiler.c.version).label("compiler"),
                    t.architecture.c.os,
                    t.architecture.c.target,
                    t.architecture.c.platform,
                    namespace.c.text.label("namespace"),
                    t.spec.c.external,
                    t.spec.c.build_spec,
                    t.spec.c.package_hash,
                    t.spec.c.variant_set_id,
                )
                .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
                .outerjoin(t.compiler, t.compiler.c.id == t.spec.c.compiler_id)
                .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
                .outerjoin(namespace, namespace.c.id == t.spec.c.namespace_id)
                .where(t.spec.c.id.in_(some))
            )
            self.rows.update({row.id: row for row in rows})
            edges = self._connection.execute(
                select(t.edge.c.parent_id, t.name.c.text, t.edge.c.child_id)
                .join(t.spec, t.spec.c.id == t.edge.c.child_id)
                .join(t.name, t.name.c.id == t.spec.c.name_id)
                .where(t.edge.c.parent_id.in_(some))
                .order_by(t.edge.c.parent_id, t.edge.c.position)
            )
            for parent, name, child in edges:
                self.edges.setdefault(parent, []).append((name, child))

    def label(self, key: int) -> str:
        row = self.rows[key]
        return row.version or ("known by hash alone" if row.knowledge == Knowledge.NAMED else _ABSENT)

    def variants(self, sets: Sequence[int | None]) -> tuple[str, ...]:
        """Return for each set the variants that not all of them share."""
        members: dict[int | None, set[str]] = {one: set() for one in sets}
        rows = self._connection.execute(
            select(t.variant_set_member.c.set_id, t.variant.c.name, t.variant.c.kind, t.variant.c.value)
            .join(t.variant, t.variant.c.id == t.variant_set_member.c.variant_id)
            .where(t.variant_set_member.c.set_id.in_([one for one in set(sets) if one is not None]))
        )
        for set_id, name, kind, value in rows:
            text = ("+" if value == "true" else "~") + name if kind == "bool" else f"{name}={value}"
            members[set_id].add(text)
        shared = set.intersection(*members.values())
        return tuple(" ".join(sorted(members[one] - shared)) or _ABSENT for one in sets)
