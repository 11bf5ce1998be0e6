"""Writes specs that the catalogue does not have in full yet: rows, edges, compressed originals.

What is known of a spec only grows: named by an edge (0), told by a published page (1), read from a record (2).
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert, bulk_insert_flat
from cachescope.catalogue.interning import Interned
from cachescope.catalogue.originals import RecordCompressor
from cachescope.catalogue.summaries import chunks
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash
from cachescope.model.record import SpecRecords, Verdict, Verification
from cachescope.model.spec import ConcreteSpec

__all__ = ["Knowledge", "SpecWriter", "Standing"]

_BATCH = 2000


class Knowledge(enum.IntEnum):
    """How much the catalogue knows of a spec."""

    NAMED = 0
    PAGE = 1
    RECORD = 2


class SpecWriter:
    """Writes specs within one transaction, and gives out their keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._interned = Interned(connection)
        self._originals = RecordCompressor(connection)
        self._next = int(connection.execute(select(func.max(t.spec.c.id))).scalar() or 0) + 1
        self._was_empty = self._next == 1

    def find(self, hashes: Sequence[DagHash]) -> dict[DagHash, "Standing"]:
        """Return what stands of those hashes that the catalogue has."""
        if self._was_empty and self._next == 1:
            return {}
        found: dict[DagHash, Standing] = {}
        columns = (t.spec.c.hash, t.spec.c.id, t.spec.c.knowledge, t.spec.c.verdict)
        for some in chunks(hashes):
            for dag_hash, *standing in self._connection.execute(
                select(*columns).where(t.spec.c.hash.in_(some))
            ):
                found[dag_hash] = Standing(*standing)
        return found

    def write(
        self,
        records: SpecRecords,
        wanted: Sequence[DagHash],
        known: Mapping[DagHash, int],
        *,
        doubted: frozenset[DagHash] = frozenset(),
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[dict[DagHash, int], list[MalformedRecord]]:
        """Decode and write the wanted records; ``known`` has the keys of specs that were found before.

        A ``doubted`` spec stands with a record that did not recompute: only one that does replaces it. ``progress`` is
        told how many of how many are done. Returns the keys of all specs that were read, and the records that could
        not be.
        """
        level = Knowledge.PAGE if records.header.version is None else Knowledge.RECORD
        batch = _Keys(known, self._next)
        written: dict[DagHash, int] = {}
        rejected: list[MalformedRecord] = []
        if level is Knowledge.RECORD and self._originals.wants_training:
            self._originals.train(wanted, records.original)
        pending = iter(wanted)
        expected = frozenset(wanted)
        while some := list(islice(pending, _BATCH)):
            decoded, unreadable = _decode(records, some)
            rejected += unreadable
            specs = [one.spec for one in decoded]
            self._find_children(specs, batch, expected)
            self._interned.load(specs)
            for spec in specs:
                written[spec.hash] = batch.key(spec.hash, spec.name)
            better = [one for one in decoded if one.spec.hash not in doubted or one.is_verified]
            rows = self._rows(better, batch, level)
            self._interned.flush()
            self._store(rows)
            if progress is not None:
                progress(len(written) + len(rejected), len(wanted))
        self._insert_named(batch, written)
        self._next = batch.next
        self._interned.flush()
        return written, rejected

    def _find_children(
        self, specs: Iterable[ConcreteSpec], batch: "_Keys", expected: frozenset[DagHash]
    ) -> None:
        """Look up dependencies that the document itself does not hold: another mirror may have brought them."""
        missing = {
            edge.hash
            for spec in specs
            for edge in spec.edges
            if edge.hash not in batch.ids and edge.hash not in expected
        }
        if missing:
            batch.ids.update({one: standing.key for one, standing in self.find(sorted(missing)).items()})

    def _rows(self, decoded: Sequence["_Decoded"], batch: "_Keys", level: Knowledge) -> "_Rows":
        interned = self._interned
        rows = _Rows()
        ids, edges = batch.ids, rows.edges
        ends: dict[
            int, tuple[int, int]
        ] = {}  # decoders share edges, so their identity is enough within a batch
        for spec, verification, original in decoded:
            key = ids[spec.hash]
            row = (
                key,
                spec.hash,
                int(level),
                interned.names.key(spec.name),
                interned.versions.key(spec.version),
                interned.architecture(spec.architecture),
                interned.compiler(spec.compiler),
                interned.variant_set(spec.variants),
                interned.names.key(spec.namespace),
                spec.package_hash,
                spec.build_spec,
                int(spec.external),
                spec.spec_format,
                int(verification.verdict) if verification is not None else None,
            )
            (rows.upgrades if batch.stands(key) else rows.specs).append(row)
            rows.keys.append(key)
            rows.originals.append(original)
            for position, edge in enumerate(spec.edges):
                end = ends.get(id(edge))
                if end is None:
                    end = batch.key(edge.hash, edge.name), interned.edge_kind(edge.kind)
                    for virtual in edge.kind.virtuals:
                        interned.provider(virtual, edge.name)
                    ends[id(edge)] = end
                edges += (key, position, *end)
        return rows

    def _store(self, rows: "_Rows") -> None:
        bulk_insert(self._connection, t.spec, rows.specs)
        self._upgrade(rows.upgrades)
        bulk_insert_flat(self._connection, t.edge, rows.edges)
        bulk_insert(self._connection, t.spec_record, self._originals.rows(rows.keys, rows.originals))

    def _upgrade(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Fill in specs that stood with less knowledge; what a page or a worse record said of them gives way."""
        if not rows:
            return
        keys = [row[0] for row in rows]
        for some in chunks(keys):
            self._connection.execute(delete(t.spec_record).where(t.spec_record.c.spec_id.in_(some)))
            self._connection.execute(delete(t.edge).where(t.edge.c.parent_id.in_(some)))
        columns = [column for column in t.spec.columns if column.name != "id"]
        statement = (
            update(t.spec)
            .where(t.spec.c.id == bindparam("b_id"))
            .values({column.name: bindparam(f"b_{column.name}") for column in columns})
        )
        names = [f"b_{column.name}" for column in t.spec.columns]
        self._connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])

    def _insert_named(self, batch: "_Keys", written: Mapping[DagHash, int]) -> None:
        """Write a row for every dependency that no record describes, so that edges have an end and a name."""
        rows = []
        self._interned.names.load({name for one, name in batch.named.items() if one not in written})
        for dag_hash, name in batch.named.items():
            if dag_hash not in written:
                blank = (None,) * 5
                name_id = self._interned.names.key(name)
                rows.append(
                    (
                        batch.ids[dag_hash],
                        dag_hash,
                        int(Knowledge.NAMED),
                        name_id,
                        *blank,
                        None,
                        None,
                        0,
                        0,
                        None,
                    )
                )
        bulk_insert(self._connection, t.spec, rows)


class Standing(NamedTuple):
    """What the catalogue has of a spec."""

    key: int
    knowledge: int
    verdict: int | None
    """None where there is no record to recompute."""


class _Decoded(NamedTuple):
    spec: ConcreteSpec
    verification: Verification | None
    original: bytes

    @property
    def is_verified(self) -> bool:
        return self.verification is not None and self.verification.verdict is Verdict.VERIFIED


def _decode(records: SpecRecords, hashes: Iterable[DagHash]) -> tuple[list[_Decoded], list[MalformedRecord]]:
    """Decode a batch; the records that cannot be read are returned beside it."""
    decoded: list[_Decoded] = []
    rejected: list[MalformedRecord] = []
    for dag_hash in hashes:
        try:
            spec = records.spec(dag_hash)
        except MalformedRecord as error:
            rejected.append(error)
            continue
        decoded.append(_Decoded(spec, records.verification(spec), records.original(dag_hash)))
    return decoded, rejected


@dataclass(slots=True)
class _Rows:
    """What one batch adds to the tables."""

    specs: list[tuple[object, ...]] = field(default_factory=list)
    upgrades: list[tuple[object, ...]] = field(default_factory=list)
    """Rows of ``spec`` that stand already, with less knowledge."""

    edges: list[object] = field(default_factory=list)
    """Flat, for speed."""

    keys: list[int] = field(default_factory=list)
    originals: list[bytes] = field(default_factory=list)
    """Records, in the order of ``keys``."""


class _Keys:
    """Keys of specs by hash, known ones and those given out in this batch."""

    def __init__(self, known: Mapping[DagHash, int], first: int) -> None:
        self.ids: dict[DagHash, int] = dict(known)
        self.named: dict[DagHash, str] = {}
        self.next = first
        self._first = first

    def key(self, dag_hash: DagHash, name: str) -> int:
        found = self.ids.get(dag_hash)
        if found is None:
            found = self.ids[dag_hash] = self.next
            self.named[dag_hash] = name
            self.next += 1
        return found

    def stands(self, key: int) -> bool:
        """Say whether the row stood in the catalogue before."""
        return key < self._first
