"""Writes specs that the catalogue does not have in full yet: rows, edges, compressed originals.

What is known of a spec only grows: named by an edge (0), told by a published page (1), read from a record (2).
Specs come by columns and go to the tables by columns: what is done for each edge is done by ``map`` and ``zip`` alone.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, repeat
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert, fast_rows, indexes_last, rows_by_key
from cachescope.catalogue.edge_names import EdgeNames
from cachescope.catalogue.interning import Interned
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.originals import DictionaryKeeper, RecordKeeper
from cachescope.catalogue.summaries import chunks
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash
from cachescope.model.record import Presence, Verdict
from cachescope.model.spec_records import SpecBatch, SpecRecords

__all__ = ["SpecWriter", "Standing", "Written"]


_MANY = 20_000
"""Specs from which on the indexes of an empty table are better made behind them."""


_SCANNED = 4
"""Specs that are passed over in the time in which one is looked up."""


class Standing(NamedTuple):
    """What the catalogue has of a spec."""

    key: int
    knowledge: int
    verdict: int | None
    """None where there is no record to recompute."""

    presence: int | None
    """The highest that a source gives it now; None where none does."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the records that were wanted."""

    keys: Mapping[DagHash, int]
    """Keys of all specs that were known or read."""

    unreadable: frozenset[DagHash]
    rejected: Sequence[MalformedRecord]
    """Why they are unreadable."""


class SpecWriter:
    """Writes specs within one transaction, and gives out their keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._interned = Interned(connection)
        self._dictionary = DictionaryKeeper(connection)
        self._keeper = RecordKeeper(connection, self._dictionary)
        self.upgraded: dict[int, int] = {}
        """Specs that stood before and were told anew, with the names that they had: others may count them, too."""

        self._next = int(connection.execute(select(func.max(t.spec.c.id))).scalar() or 0) + 1
        self._was_empty = self._next == 1

    @property
    def _is_empty(self) -> bool:
        return self._was_empty and self._next == 1

    def find(self, hashes: Collection[DagHash]) -> dict[DagHash, Standing]:
        """Return what stands of those hashes that the catalogue has."""
        if self._is_empty:
            return {}
        columns = (t.spec.c.hash, t.spec.c.id, t.spec.c.knowledge, t.spec.c.verdict, t.spec.c.presence)
        if len(hashes) * _SCANNED < self._next:
            rows = rows_by_key(self._connection, columns, t.spec.c.hash, hashes)
        else:
            wanted = frozenset(hashes)
            rows = (row for row in fast_rows(self._connection, select(*columns)) if row[0] in wanted)
        return {row[0]: Standing._make(row[1:]) for row in rows}

    def keys_of(self, hashes: Collection[DagHash]) -> dict[DagHash, int]:
        """Return the keys of specs that stand."""
        columns = (t.spec.c.hash, t.spec.c.id)
        return {
            DagHash(one): key for one, key in rows_by_key(self._connection, columns, t.spec.c.hash, hashes)
        }

    def write(
        self,
        records: SpecRecords,
        wanted: Sequence[DagHash],
        known: Mapping[DagHash, int],
        *,
        doubted: frozenset[DagHash] = frozenset(),
        progress: Callable[[int, int], None] | None = None,
    ) -> Written:
        """Decode and write the wanted records; ``known`` has the keys of specs that were found before.

        A ``doubted`` spec stands with a record that did not recompute: only one that does replaces it. ``progress`` is
        told how many of how many are done.
        """
        first_large = self._is_empty and len(wanted) >= _MANY
        with indexes_last(self._connection, t.spec) if first_large else nullcontext():
            return self._write(records, wanted, known, doubted, progress)

    def _write(
        self,
        records: SpecRecords,
        wanted: Sequence[DagHash],
        known: Mapping[DagHash, int],
        doubted: frozenset[DagHash],
        progress: Callable[[int, int], None] | None,
    ) -> Written:
        level = Knowledge.PAGE if records.header.version is None else Knowledge.RECORD
        keys = _Keys(known, wanted, self._next)
        names = EdgeNames(self._next, len(wanted))
        unreadable: set[DagHash] = set()
        rejected: list[MalformedRecord] = []
        if level is Knowledge.RECORD and self._dictionary.wants_training:
            self._dictionary.train(records.samples(wanted))
        done = 0
        for batch in records.batches(wanted, self._dictionary.compression):
            read = wanted[done : done + len(batch) + len(batch.rejected)]
            done += len(read)
            if batch.rejected:
                rejected += batch.rejected
                unreadable |= set(read).difference(batch.hashes)
            self._write_batch(_without_worse(batch, doubted), keys, names, level, records.presence)
            if progress is not None:
                progress(done, len(wanted))
        self._insert_named(keys, names, unreadable)
        self._keeper.keep_above(names.differing(self._connection), records, first=self._next)
        self._next = keys.next
        self._interned.flush()
        return Written(keys.ids, frozenset(unreadable), rejected)

    def _write_batch(
        self,
        batch: SpecBatch,
        keys: "_Keys",
        names: EdgeNames,
        level: Knowledge,
        presence: Mapping[DagHash, Presence],
    ) -> None:
        self._find_children(batch, keys)
        spec_ids = list(map(keys.ids.__getitem__, batch.hashes))
        name_ids = self._interned.names.keys(batch.names)
        names.name(spec_ids, name_ids)
        specs = list(self._spec_rows(batch, spec_ids, name_ids, level, presence))
        edges = self._edge_rows(batch, spec_ids, keys, names)
        self._interned.flush()
        if any(map(keys.stands, spec_ids)):
            upgrades = [row for row in specs if keys.stands(row[0])]
            self._upgrade(upgrades, dict(zip(spec_ids, name_ids, strict=True)))
            specs = [row for row in specs if not keys.stands(row[0])]
        bulk_insert(self._connection, t.spec, specs)
        bulk_insert(self._connection, t.edge, edges)
        without_form = [key for key, form in zip(spec_ids, batch.forms, strict=True) if form is None]
        self._keeper.insert(without_form, batch.originals)

    def _find_children(self, batch: SpecBatch, keys: "_Keys") -> None:
        """Look up dependencies that the document itself does not hold: another mirror may have brought them."""
        missing = frozenset(batch.end_hashes).difference(keys.ids)
        if missing:
            keys.ids.update({one: standing.key for one, standing in self.find(missing).items()})

    def _spec_rows(
        self,
        batch: SpecBatch,
        spec_ids: Sequence[int],
        name_ids: Sequence[int],
        level: Knowledge,
        presence: Mapping[DagHash, Presence],
    ) -> Iterable[tuple[int, *tuple[object, ...]]]:
        """Make the rows of ``spec``, in the order of its columns."""
        interned = self._interned
        verdicts = [int(one) if one is not None else None for one in batch.verdicts]
        return zip(
            spec_ids,
            batch.hashes,
            repeat(int(level)),
            name_ids,
            interned.versions.keys(batch.versions),
            interned.architectures(batch.architectures),
            interned.compilers(batch.compilers),
            interned.variant_sets(batch.variants),
            interned.names.keys(batch.namespaces),
            batch.package_hashes,
            batch.build_specs,
            map(int, batch.externals),
            batch.formats,
            verdicts,
            map(int, map(presence.__getitem__, batch.hashes)),
            interned.forms(batch.forms),
            strict=False,  # of 'repeat' there is no end
        )

    def _edge_rows(
        self, batch: SpecBatch, spec_ids: Sequence[int], keys: "_Keys", names: EdgeNames
    ) -> Iterable[tuple[int, int, int, int]]:
        """Make the rows of ``edge``, in the order of its key."""
        kinds = self._interned.edge_kinds(batch.end_kinds)
        children = keys.children(batch.end_hashes)
        names.call(children, self._interned.names.keys(batch.end_names))
        self._interned.note_providers(batch.end_names, batch.end_kinds)
        return zip(
            chain.from_iterable(map(repeat, spec_ids, batch.edge_counts)),
            chain.from_iterable(map(range, batch.edge_counts)),
            map(children.__getitem__, batch.edge_ends),
            map(kinds.__getitem__, batch.edge_ends),
            strict=True,
        )

    def _upgrade(self, rows: Sequence[tuple[int, *tuple[object, ...]]], name_ids: Mapping[int, int]) -> None:
        """Fill in specs that stood with less knowledge; what a page or a worse record said of them gives way."""
        keys = [row[0] for row in rows]
        former = dict(rows_by_key(self._connection, (t.spec.c.id, t.spec.c.name_id), t.spec.c.id, keys))
        self.upgraded.update(former)
        self._keeper.keep_above_renamed(keys, [key for key in keys if former[key] != name_ids[key]])
        for some in chunks(keys):
            self._connection.execute(delete(t.spec_record).where(t.spec_record.c.spec_id.in_(some)))
            self._connection.execute(delete(t.edge).where(t.edge.c.parent_id.in_(some)))
        # Other sources may give them a higher presence: who opens the intervals looks at that.
        columns = [column for column in t.spec.columns if column.name not in {"id", "presence"}]
        statement = (
            update(t.spec)
            .where(t.spec.c.id == bindparam("b_id"))
            .values({column.name: bindparam(f"b_{column.name}") for column in columns})
        )
        names = [f"b_{column.name}" for column in t.spec.columns]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        for one in values:
            del one["b_presence"]
        self._connection.execute(statement, values)

    def _insert_named(self, keys: "_Keys", edge_names: EdgeNames, unreadable: set[DagHash]) -> None:
        """Write a row for every dependency that no record describes, so that edges have an end and a name."""
        blank = (None,) * 7
        rows = [
            (key, one, int(Knowledge.NAMED), name, *blank, 0, 0, None, None, None)
            for one, key in keys.without_row(unreadable).items()
            if (name := edge_names.called(key)) is not None
        ]
        edge_names.name([row[0] for row in rows], [row[3] for row in rows])
        bulk_insert(self._connection, t.spec, sorted(rows))


def _without_worse(batch: SpecBatch, doubted: frozenset[DagHash]) -> SpecBatch:
    """Leave out records that do not recompute, where one that does not stands already."""
    if not doubted:
        return batch
    keep = [
        dag_hash not in doubted or verdict is Verdict.VERIFIED
        for dag_hash, verdict in zip(batch.hashes, batch.verdicts, strict=True)
    ]
    return batch if all(keep) else batch.only(keep)


class _Keys:
    """Keys of specs by hash: known ones, then those wanted in their order, then dependencies that nobody describes.

    Keys in order let every table but the indexes grow at its end alone.
    """

    def __init__(self, known: Mapping[DagHash, int], wanted: Sequence[DagHash], first: int) -> None:
        new = [one for one in wanted if one not in known]
        self.ids: dict[DagHash, int] = dict(known)
        self.ids.update(zip(new, range(first, first + len(new)), strict=True))
        self._unknown: dict[DagHash, int] = {}
        self._first = first
        self._first_unknown = first + len(new)

    @property
    def next(self) -> int:
        """The first key that is free."""
        return self._first_unknown + len(self._unknown)

    def children(self, hashes: Sequence[DagHash]) -> list[int]:
        """Return the keys of dependencies, new ones for those that nobody knows."""
        ids = self.ids
        for one in [one for one in hashes if one not in ids]:
            ids[one] = self._unknown.setdefault(one, self.next)
        return list(map(ids.__getitem__, hashes))

    def stands(self, key: int) -> bool:
        """Say whether the row stood in the catalogue before."""
        return key < self._first

    def without_row(self, unreadable: Collection[DagHash]) -> dict[DagHash, int]:
        """Return new keys for which no record has made a row."""
        rejected = {one: key for one in unreadable if not self.stands(key := self.ids[one])}
        return {**rejected, **self._unknown}
