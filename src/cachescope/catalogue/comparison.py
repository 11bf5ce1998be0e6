"""Two specs side by side: their own fields, their dependencies, and the deepest causes of what differs.

Goes down where look-alikes do (``descent``), but past differences too: two specs of any kind may be compared, and that a
spec is of another version does not say why one of its dependencies is of another target.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from cachescope.catalogue import schema as t
from cachescope.catalogue.descent import Nodes, Slot, children, descend
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.scope import Scope, current_presence
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.model.comparison import (
    Cause,
    ChangedDependency,
    Comparison,
    Consequence,
    DependencyChange,
    DependencySide,
    FieldDifference,
)
from cachescope.model.results import SpecSummary
from cachescope.model.spec import EdgeKind, VariantSet, deptype_names

__all__ = ["compare_specs"]

_MOST_PAIRS = 2000
_DEEPEST = 200
"""Levels that are gone down: far more than any real DAG has, so that a hostile one ends."""

_SHORT_HASH = 7
_FORMAT_5 = 5  # since then the compiler is a dependency, and named again as one
_EVERYWHERE = Scope()

_ALWAYS = ("name", "version", "compiler", "platform", "os", "target")
_OF_RECORDS = ("namespace", "recipe", "external", "build_spec", "format")
"""What published pages do not say."""

_COLUMNS = {"recipe": "package_hash", "format": "spec_format"}

_Pair = tuple[int, int]


def compare_specs(connection: Connection, first_id: int, second_id: int) -> Comparison:
    """Compare two specs of the catalogue by their keys.

    4 statements and 2 a level of the DAGs, each for 500 specs.
    """
    summaries = _summaries(connection, (first_id, second_id))
    nodes = Nodes(connection)
    met = _Met(nodes)
    ended = descend(nodes, (first_id, second_id), levels=_DEEPEST, enters=met.enter)
    met.read_all()
    root = (first_id, second_id)
    own, dependencies = met.own_of(root), met.dependencies_of(root)
    order = _deepest_first(root, met)
    return Comparison(
        first=summaries[first_id],
        second=summaries[second_id],
        own=own,
        dependencies=dependencies,
        causes=tuple(
            Cause(met.slots[pair].path, *met.hashes(pair), met.differences[pair])
            for pair in order
            if met.differences[pair]
        ),
        consequences=tuple(
            Consequence(met.slots[pair].path, *met.hashes(pair))
            for pair in order
            if not met.differences[pair] and met.below[pair]
        ),
        dependencies_known=first_id == second_id or met.are_recorded(root),
        complete=ended and not met.left_out,
    )


def _summaries(connection: Connection, keys: Sequence[int]) -> Mapping[int, SpecSummary]:
    presence = current_presence(_EVERYWHERE, t.spec.c.id.in_(keys))
    rows = connection.execute(
        select_specs(None, presence.c.state)
        .outerjoin(presence, presence.c.spec_id == t.spec.c.id)
        .where(t.spec.c.id.in_(keys))
    ).all()
    return {
        row.id: summary
        for row, summary in zip(rows, read_summaries(connection, rows, _EVERYWHERE), strict=True)
    }


@dataclass(slots=True)
class _Met:
    """The pairs of nodes that the descent met, and what is said of each."""

    nodes: Nodes
    slots: dict[_Pair, Slot] = field(default_factory=dict)
    below: dict[_Pair, list[_Pair]] = field(default_factory=dict)
    differences: dict[_Pair, tuple[FieldDifference, ...]] = field(default_factory=dict)
    """Of the pair itself: what makes it a cause."""

    left_out: bool = False
    _sets: Mapping[int, VariantSet] = field(default_factory=dict)

    def enter(self, slot: Slot) -> bool:
        """Take a place where both have something; what only one has is told by the pair above."""
        pair = _pair(slot)
        if pair is None:
            return False
        if len(self.slots) >= _MOST_PAIRS:
            self.left_out = True
            return False
        self.slots[pair] = slot
        return self.are_recorded(pair)

    def are_recorded(self, pair: _Pair) -> bool:
        """Say whether records describe both."""
        return all(
            key in self.nodes.rows and self.nodes.rows[key].knowledge == Knowledge.RECORD for key in pair
        )

    def hashes(self, pair: _Pair) -> tuple[Any, Any]:
        """Return the DAG hashes of both."""
        return self.nodes.rows[pair[0]].hash, self.nodes.rows[pair[1]].hash

    def read_all(self) -> None:
        """Compare each pair, once all of them are known."""
        places = {pair: self._children(pair) for pair in self.slots}
        self.nodes.load(
            {key for some in places.values() for slot in some for key in slot.specs if key is not None}
        )
        self._sets = self.nodes.variant_sets(
            {
                set_id
                for pair in self.slots
                for key in pair
                if (set_id := self.nodes.rows[key].variant_set_id) is not None
            }
        )
        for pair, slots in places.items():
            kids = [kid for slot in slots if slot.differs and (kid := _pair(slot)) is not None]
            self.below[pair] = [kid for kid in kids if kid in self.slots]
            found = [one for one in self._fields(pair) if one.field != "compiler" or self._decides(pair)]
            found += [one for slot in slots for one in self._of_edge(slot)]
            if not found and not kids and self._is_said_to_agree(pair):
                found.append(FieldDifference("hash", *self.hashes(pair)))
            self.differences[pair] = tuple(found)

    def own_of(self, pair: _Pair) -> tuple[FieldDifference, ...]:
        """Return in which of their own fields two specs differ, dependencies aside."""
        return tuple(self._fields(pair)) if pair in self.slots else ()

    def dependencies_of(self, pair: _Pair) -> tuple[ChangedDependency, ...]:
        """Return in which direct dependencies two specs differ."""
        found = [self._changed(slot) for slot in self._children(pair)] if pair in self.slots else []
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.name))

    def _children(self, pair: _Pair) -> list[Slot]:
        return children(self.nodes, self.slots[pair]) if self.are_recorded(pair) else []

    def _decides(self, pair: _Pair) -> bool:
        """Say whether the compiler is a field of its own, not one of the dependencies told once more."""
        return not self.are_recorded(pair) or any(
            self.nodes.rows[key].spec_format < _FORMAT_5 for key in pair
        )

    def _is_said_to_agree(self, pair: _Pair) -> bool:
        """Say whether the hashes differ although all that could differ was compared."""
        return all(self.nodes.rows[key].knowledge != Knowledge.PAGE for key in pair)

    def _fields(self, pair: _Pair) -> list[FieldDifference]:
        one, other = (self.nodes.rows[key] for key in pair)
        words = [_knowledge(one), _knowledge(other)]
        if Knowledge.NAMED in {one.knowledge, other.knowledge}:
            names = _compared(one, other, ("name",))
            return names if words[0] == words[1] else [*names, FieldDifference("record", *words)]
        both_recorded = self.are_recorded(pair)
        found = _compared(one, other, (*_ALWAYS, *(_OF_RECORDS if both_recorded else ())))
        sets = [self._sets.get(row.variant_set_id) for row in (one, other)]
        found += _variants(sets[0], sets[1], whole_patches=both_recorded)
        if both_recorded:
            flags = [
                {name: " ".join(items) for name, items in some.flags} if some is not None else {}
                for some in sets
            ]
            found += _by_name("flags", flags[0], flags[1])
        return found

    def _of_edge(self, slot: Slot) -> list[FieldDifference]:
        change = self._changed(slot)
        if change is None:
            return []
        if change.first is None or change.second is None:
            return [
                FieldDifference(
                    f"dependency:{change.name}", _side_text(change.first), _side_text(change.second)
                )
            ]
        first, second = change.first.kind, change.second.kind
        found = []
        if first.deptypes != second.deptypes:
            types = [" ".join(deptype_names(kind.deptypes)) or None for kind in (first, second)]
            found.append(FieldDifference(f"deptypes:{change.name}", *types))
        if set(first.virtuals) != set(second.virtuals):
            virtuals = [" ".join(kind.virtuals) or None for kind in (first, second)]
            found.append(FieldDifference(f"virtuals:{change.name}", *virtuals))
        return found

    def _changed(self, slot: Slot) -> ChangedDependency | None:
        sides = [self._side(key, kind) for key, kind in zip(slot.specs, slot.kinds, strict=True)]
        first, second = sides
        if first is None:
            change = DependencyChange.ADDED
        elif second is None:
            change = DependencyChange.REMOVED
        elif first.hash != second.hash:
            change = DependencyChange.OTHER_SPEC
        elif first.kind.deptypes != second.kind.deptypes or set(first.kind.virtuals) != set(
            second.kind.virtuals
        ):
            change = DependencyChange.USED_OTHERWISE
        else:
            return None
        return ChangedDependency(slot.path[-1], change, first, second)

    def _side(self, key: int | None, kind: EdgeKind | None) -> DependencySide | None:
        if key is None or kind is None:
            return None
        row = self.nodes.rows[key]
        return DependencySide(row.hash, row.version or "", kind)


def _pair(slot: Slot) -> _Pair | None:
    first, second = slot.specs
    return (first, second) if first is not None and second is not None else None


def _knowledge(row: Row[Any]) -> str:
    return "known by its hash alone" if row.knowledge == Knowledge.NAMED else "recorded"


def _side_text(side: DependencySide | None) -> str | None:
    if side is None:
        return None
    short = f"/{side.hash[:_SHORT_HASH]}"
    return f"{side.version} {short}" if side.version else short


def _compared(one: Row[Any], other: Row[Any], fields: Iterable[str]) -> list[FieldDifference]:
    found = []
    for name in fields:
        column = _COLUMNS.get(name, name)
        first, second = (_text(name, getattr(row, column)) for row in (one, other))
        if first != second:
            found.append(FieldDifference(name, first, second))
    return found


def _text(name: str, value: object) -> str | None:
    if name == "external":
        return "true" if value else "false"
    return None if value is None or value == "" else str(value)


def _variants(
    one: VariantSet | None, other: VariantSet | None, *, whole_patches: bool
) -> list[FieldDifference]:
    """Compare variants by name, a value by its texts: formats differ in whether one text is a list."""
    sides = []
    for variants in (one, other):
        values = {}
        for name, value in variants.variants if variants is not None else ():
            if isinstance(value, bool):
                values[name] = "true" if value else "false"
                continue
            texts = (value,) if isinstance(value, str) else value
            if name == "patches" and not whole_patches:
                # A published page has only the beginning of each.
                texts = tuple(text[:_SHORT_HASH] for text in texts)
            values[name] = ",".join(sorted(texts))
        sides.append(values)
    return _by_name("variant", *sides)


def _by_name(kind: str, one: Mapping[str, str], other: Mapping[str, str]) -> list[FieldDifference]:
    return [
        FieldDifference(f"{kind}:{name}", one.get(name), other.get(name))
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]


def _deepest_first(root: _Pair, met: _Met) -> list[_Pair]:
    """Order the pairs by their longest way from the root, longest first, so that what lies below stands before."""
    if root not in met.slots:
        return []
    finished: dict[_Pair, int] = {}
    opened = {root}
    stack = [(root, iter(met.below[root]))]
    while stack:
        pair, kids = stack[-1]
        kid = next((kid for kid in kids if kid not in opened), None)
        if kid is None:
            finished[pair] = len(finished)
            stack.pop()
        else:
            opened.add(kid)
            stack.append((kid, iter(met.below[kid])))
    depth = dict.fromkeys(finished, 0)
    for pair in reversed(finished):
        for kid in met.below[pair]:
            if finished[kid] < finished[pair]:  # an edge that closes a circle leads nowhere deeper
                depth[kid] = max(depth[kid], depth[pair] + 1)
    return sorted(finished, key=lambda pair: (-depth[pair], met.slots[pair].path))
