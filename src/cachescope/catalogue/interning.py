"""What repeats stands once: texts and small values to their keys, within one write transaction.

There is one writer at a time, so new keys are counted up from the highest one that the table has.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Table, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert
from cachescope.catalogue.summaries import chunks
from cachescope.model.record_form import RecordForm
from cachescope.model.spec import Architecture, Compiler, EdgeKind, VariantSet
from cachescope.query.versions import version_key

__all__ = ["Interned", "variant_rows"]

Value = TypeVar("Value", bound=Hashable)


class _Table(Generic[Value]):
    """One interned table: looks values up once, and keeps the rows that are still to be written."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[Column[object]],
        row: Callable[[Value], tuple[object, ...]],
    ) -> None:
        self._connection = connection
        self._table = table
        self._columns = columns
        self._row = row
        self._ids: dict[Value, int] = {}
        self._new: list[tuple[object, ...]] = []
        self._next = int(connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
        self._flushed = self._next
        self._was_empty = self._next == 1

    def load_all(self, value: Callable[..., Value]) -> None:
        """Read the whole table: for those that stay small."""
        for key, *parts in self._connection.execute(select(self._table.c.id, *self._columns)):
            self._ids[value(*parts)] = key

    def load(self, values: Iterable[Value]) -> None:
        """Look up the values of one batch that were not met before."""
        if self._was_empty:
            return
        (column,) = self._columns
        for some in chunks([one for one in values if one not in self._ids]):
            for key, found in self._connection.execute(
                select(self._table.c.id, column).where(column.in_(some))
            ):
                self._ids[found] = key

    def key(self, value: Value) -> int:
        """Return the key of a value, giving it a new one if it has none."""
        found = self._ids.get(value)
        if found is None:
            found = self._ids[value] = self._next
            self._next += 1
            self._new.append((found, *self._row(value)))
        return found

    def keys(self, values: Sequence[Value]) -> list[int]:
        """Return the keys of a column."""
        different = dict.fromkeys(values)
        self.load(different)
        for one in different:
            self.key(one)
        return list(map(self._ids.__getitem__, values))

    def is_new(self, value: Value) -> bool:
        """Say whether the value came since the last flush."""
        return self._ids[value] >= self._flushed

    def flush(self) -> None:
        """Write the rows of the new values."""
        bulk_insert(self._connection, self._table, self._new)
        self._new.clear()
        self._flushed = self._next


class Interned:
    """All interned tables of one write transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.names: _Table[str] = _Table(connection, t.name, [t.name.c.text], lambda text: (text,))
        self.versions: _Table[str] = _Table(
            connection, t.version, [t.version.c.text], lambda text: (text, version_key(text))
        )
        self._architectures: _Table[Architecture] = _Table(
            connection,
            t.architecture,
            [t.architecture.c.platform, t.architecture.c.os, t.architecture.c.target],
            lambda one: (one.platform, one.os, one.target),
        )
        self._architectures.load_all(Architecture)
        self._compilers: _Table[Compiler] = _Table(
            connection,
            t.compiler,
            [t.compiler.c.name, t.compiler.c.version],
            lambda one: (one.name, one.version, version_key(one.version)),
        )
        self._compilers.load_all(Compiler)
        self._kinds: _Table[tuple[int, str]] = _Table(
            connection, t.edge_kind, [t.edge_kind.c.deptypes, t.edge_kind.c.virtuals], lambda one: one
        )
        self._kinds.load_all(lambda deptypes, virtuals: (deptypes, virtuals))
        self._sets: _Table[bytes] = _Table(connection, t.variant_set, [t.variant_set.c.digest], self._set_row)
        self._variants: _Table[tuple[str, str, str]] = _Table(
            connection, t.variant, [t.variant.c.name, t.variant.c.kind, t.variant.c.value], lambda one: one
        )
        self._forms: _Table[bytes] = _Table(
            connection,
            t.record_form,
            [t.record_form.c.digest],
            lambda digest: (digest, self._pending_forms[digest]),
        )
        self._pending_forms: dict[bytes, bytes] = {}
        self._variants_loaded = False
        self._providers: set[tuple[str, str]] | None = None
        self._new_providers: list[tuple[str, int]] = []
        self._pending: dict[bytes, VariantSet] = {}
        self._members: list[tuple[int, int]] = []

    def architectures(self, values: Sequence[Architecture]) -> list[int]:
        """Return the keys of a column of architectures."""
        return _by_identity(values, self._architectures.key)

    def compilers(self, values: Sequence[Compiler | None]) -> list[int | None]:
        """Return the keys of a column of compilers; None stays None."""
        return _by_identity(values, lambda one: self._compilers.key(one) if one is not None else None)

    def edge_kinds(self, values: Sequence[EdgeKind]) -> list[int]:
        """Return the keys of a column of kinds of edges."""
        return _by_identity(
            values, lambda kind: self._kinds.key((int(kind.deptypes), ",".join(kind.virtuals)))
        )

    def variant_sets(self, values: Sequence[VariantSet]) -> list[int]:
        """Return the keys of a column of variant sets, which are known by the digests of their texts."""
        different = {id(one): one for one in values}
        self._sets.load({_digest(one.key) for one in different.values()})
        return _by_identity(values, self._variant_set)

    def forms(self, values: Sequence[RecordForm | None]) -> list[int | None]:
        """Return the keys of a column of forms; None stays None."""
        different = dict(zip(map(id, values), values, strict=True))
        contents = {identity: one.content for identity, one in different.items() if one is not None}
        digests = {identity: _digest(content) for identity, content in contents.items()}
        self._pending_forms.update(zip(digests.values(), contents.values(), strict=True))
        self._forms.load(self._pending_forms)
        return _by_identity(
            values, lambda one: self._forms.key(digests[id(one)]) if one is not None else None
        )

    def note_providers(self, names: Sequence[str], kinds: Sequence[EdgeKind]) -> None:
        """Note which packages provide a virtual to somebody, from the columns of some edges."""
        found = {
            (virtual, name) for name, kind in zip(names, kinds, strict=True) for virtual in kind.virtuals
        }
        if self._providers is None:
            rows = self._connection.execute(
                select(t.provider.c.virtual, t.name.c.text).join(t.name, t.name.c.id == t.provider.c.name_id)
            )
            self._providers = {(known, package) for known, package in rows}
        new = sorted(found - self._providers)
        self._providers.update(new)
        keys = self.names.keys([name for _, name in new])
        self._new_providers += [(virtual, key) for (virtual, _), key in zip(new, keys, strict=True)]

    def _variant_set(self, value: VariantSet) -> int:
        digest = _digest(value.key)
        self._pending[digest] = value
        return self._sets.key(digest)

    def _set_row(self, digest: bytes) -> tuple[object, ...]:
        value = self._pending[digest]
        return digest, value.key, msgspec.msgpack.encode((value.variants, value.flags))

    def flush(self) -> None:
        """Write all rows that are new since the last flush."""
        new_sets = [
            (self._sets.key(digest), value)
            for digest, value in self._pending.items()
            if self._sets.is_new(digest)
        ]
        if new_sets and not self._variants_loaded:
            self._variants.load_all(lambda name, kind, value: (name, kind, value))
            self._variants_loaded = True
        for set_id, value in new_sets:
            self._members.extend(
                (set_id, self._variants.key(one)) for one in sorted(set(variant_rows(value)))
            )
        for table in (
            self.names,
            self.versions,
            self._architectures,
            self._compilers,
            self._kinds,
            self._sets,
            self._variants,
            self._forms,
        ):
            table.flush()
        bulk_insert(self._connection, t.variant_set_member, self._members)
        bulk_insert(self._connection, t.provider, self._new_providers)
        self._members.clear()
        self._pending.clear()
        self._pending_forms.clear()
        self._new_providers.clear()


Key = TypeVar("Key")
Part = TypeVar("Part")


def _by_identity(values: Sequence[Part], key: Callable[[Part], Key]) -> list[Key]:
    """Ask once for each different object of a column: decoders share equal parts, so there are few."""
    different = dict(zip(map(id, values), values, strict=True))
    keys = {identity: key(value) for identity, value in different.items()}
    return list(map(keys.__getitem__, map(id, values)))


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:16]


def variant_rows(value: VariantSet) -> Iterable[tuple[str, str, str]]:
    """Return name, kind and single value of every variant and flag of a set."""
    for name, content in value.variants:
        if isinstance(content, bool):
            yield name, "bool", "true" if content else "false"
        elif isinstance(content, str):
            yield name, "single", content
        else:
            for one in content or ("",):
                yield name, "multi", one
    for name, items in value.flags:
        for one in items:
            yield name, "flag", one
