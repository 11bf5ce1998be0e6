"""The write side: the records of a source at one state take the place of the former ones, in the caller's transaction.

Presence is an interval: a record that stays costs nothing, one that comes, goes or changes costs one row.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain, compress, repeat
from operator import ne

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import bulk_insert, fast_rows, take_statistics
from cachescope.catalogue.highest_presence import renew_presence
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.spec_writer import SpecWriter, Standing, Written
from cachescope.catalogue.summaries import chunks, summarise
from cachescope.catalogue.times import to_stored
from cachescope.model.errors import MalformedDocument, MalformedRecord
from cachescope.model.identity import DagHash, MirrorName, Ref, Stack, cut_hashes
from cachescope.model.record import IndexHeader, Presence, Verdict
from cachescope.model.results import Counts
from cachescope.model.spec_records import SpecRecords

__all__ = ["SnapshotChange", "SnapshotWriter"]

_MANY_SPECS = 5000
"""From so many on, one pass over the source is cheaper than many small questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotChange:
    """What a snapshot changed."""

    added: int
    gone: int
    changed: int
    rejected: tuple[MalformedRecord, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Touched:
    """What changed in a mirror: packages, and specs whose packages are looked up at the end."""

    names: set[int] = field(default_factory=set)
    spec_ids: set[int] = field(default_factory=set)


class SnapshotWriter:
    """Writes the snapshots of one transaction, and at its end the counts and summaries of all that they touched."""

    def __init__(
        self,
        connection: Connection,
        *,
        now: datetime,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """``progress`` is told of each mirror how many of how many new records of a source are written."""
        self._connection = connection
        self._now = to_stored(now)
        self._progress = progress
        self._specs = SpecWriter(connection)
        self._touched: dict[MirrorName, _Touched] = {}
        self._sources: dict[int, tuple[IndexHeader, int]] = {}
        self._opened = 0
        self._pages: dict[int, _PagesOfSource] = {}
        self._next_snapshot = int(connection.execute(select(func.max(t.snapshot.c.id))).scalar() or 0) + 1

    def replace(
        self,
        mirror: MirrorName,
        source_id: int,
        records: SpecRecords,
        *,
        digest: str,
        scope: str = "",
        strict: bool = False,
    ) -> SnapshotChange:
        """Replace the records of a source, or of one package of it (``scope``).

        Raises ``MalformedDocument`` if no record at all could be read, or with ``strict`` if one could not; then the
        source is as it was.
        """
        try:
            # What is not strict is refused only where no record is readable, before anything of it is written. A savepoint
            # keeps every page of the database that changes: half of a large sync's memory, and a third of its time.
            with self._connection.begin_nested() if strict else nullcontext():
                return self._replace(mirror, source_id, records, digest, scope, strict=strict)
        except MalformedDocument:
            # Keys that were given out since are free again.
            upgraded = self._specs.upgraded
            self._specs = SpecWriter(self._connection)
            self._specs.upgraded.update(upgraded)
            self._pages.clear()
            raise

    def finish(self) -> dict[int, Counts]:
        """Write counts and summaries of all that changed; returns the counts by source. Call once, at the end."""
        counts = {}
        for source_id in sorted(self._sources):
            self._describe_source(source_id)
            counts[source_id] = self._count(source_id)
        self._touch_upgraded(self._specs.upgraded)
        touched = {mirror: self._names(one) for mirror, one in self._touched.items()}
        if any(touched.values()):
            summarise(self._connection, {mirror: names for mirror, names in touched.items() if names})
        self._touched.clear()
        if self._opened > _MANY_SPECS:
            take_statistics(self._connection)
        return counts

    def _replace(
        self,
        mirror: MirrorName,
        source_id: int,
        records: SpecRecords,
        digest: str,
        scope: str,
        *,
        strict: bool,
    ) -> SnapshotChange:
        before = self._before(source_id, scope)
        stood = set[DagHash]().union(*before.values())
        incoming = records.presence
        if scope and not stood and not incoming:
            # A page has nothing to say of this stack, and never had.
            return SnapshotChange(added=0, gone=0, changed=0, rejected=(), warnings=())
        new_here = [one for one in incoming if one not in stood]
        if scope:
            # Another page of the same source may tell it already: a spec stands once in a source.
            pages = self._pages_of(source_id)
            new_here = [one for one in new_here if one not in pages]
        found = self._specs.find(new_here)
        written = self._write_specs(mirror, records, new_here, found)
        rejected = [*records.rejected, *written.rejected]
        unreadable = written.unreadable
        _refuse(rejected, strict=strict, readable=len(incoming) - len(unreadable))

        snapshot = self._next_snapshot
        self._next_snapshot += 1
        readable = [one for one in new_here if one not in unreadable] if unreadable else new_here
        opened = _states(readable, written.keys, incoming)
        otherwise = list(chain.from_iterable(map(_otherwise, before, before.values(), repeat(incoming))))
        keys = self._specs.keys_of([*otherwise, *stood.difference(incoming)])
        changed = _states(otherwise, keys, incoming)
        gone = sorted(key for one, key in keys.items() if one not in incoming)
        raised = [
            found[one].key
            for one in new_here
            if one in found and _is_higher(incoming[one], found[one].presence)
        ]
        self._opened += len(opened)
        self._close(source_id, snapshot, [*gone, *changed])
        for intervals in (opened, changed):
            rows = zip(
                repeat(source_id),
                intervals,
                repeat(snapshot),
                repeat(None),
                intervals.values(),
                strict=False,
            )
            bulk_insert(self._connection, t.presence, rows)
        # New specs were written with it, and most of the others have it from another source.
        renew_presence(self._connection, [*raised, *gone, *changed])
        self._connection.execute(
            insert(t.snapshot).values(
                id=snapshot,
                source_id=source_id,
                scope=scope,
                taken_at=self._now,
                digest=digest,
                records=len(incoming),
            )
        )
        if scope:
            stands = stood.union(readable)
            self._pages[source_id].tell(scope, {one: int(incoming[one]) for one in incoming if one in stands})
        self._touch(mirror, source_id, snapshot, [*opened, *changed, *gone])
        # Written at the end: a folder of pages speaks of each source hundreds of times.
        self._sources[source_id] = records.header, len(rejected)
        return SnapshotChange(
            added=len(opened),
            gone=len(gone),
            changed=len(changed),
            rejected=tuple(rejected),
            warnings=records.header.warnings,
        )

    def _before(self, source_id: int, scope: str) -> Mapping[int, set[DagHash]]:
        """Return what stands now, by its state: of the whole source, or what one page of it told."""
        if scope:
            return self._pages_of(source_id).of(scope)
        before = {}
        for state in map(int, Presence):
            # As one text for each state: half the time of a row for each spec, and no memory to speak of.
            text = self._connection.execute(
                select(func.aggregate_strings(t.spec.c.hash, ""))
                .select_from(t.presence.join(t.spec, t.spec.c.id == t.presence.c.spec_id))
                .where(
                    t.presence.c.source_id == source_id,
                    t.presence.c.until.is_(None),
                    t.presence.c.state == state,
                )
            ).scalar()
            before[state] = set(cut_hashes(text or ""))
        return before

    def _pages_of(self, source_id: int) -> "_PagesOfSource":
        """Return what all pages of a source told: read once, because a folder has hundreds of pages for each source."""
        known = self._pages.get(source_id)
        if known is None:
            rows = fast_rows(
                self._connection,
                select(t.snapshot.c.scope, t.spec.c.hash, t.presence.c.state)
                .join(t.presence, t.presence.c.since == t.snapshot.c.id)
                .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
                .where(t.presence.c.source_id == source_id, t.presence.c.until.is_(None)),
            )
            known = self._pages[source_id] = _PagesOfSource(rows)
        return known

    def _write_specs(
        self,
        mirror: MirrorName,
        records: SpecRecords,
        new_here: Sequence[DagHash],
        found: Mapping[DagHash, Standing],
    ) -> Written:
        """Write those records that are new to this source and that the catalogue lacks."""
        level = Knowledge.PAGE if records.header.version is None else Knowledge.RECORD
        enough = {one for one, standing in found.items() if standing.knowledge >= level}
        # A record that does not recompute may have come from a mirror that lies: a better one takes its place.
        doubted = frozenset(
            one for one in enough if level is Knowledge.RECORD and found[one].verdict != Verdict.VERIFIED
        )
        wanted = [one for one in new_here if one not in enough or one in doubted]
        known = {one: standing.key for one, standing in found.items()}
        if not wanted:
            return Written(known, frozenset(), ())
        progress = partial(self._progress, str(mirror)) if self._progress is not None else None
        written = self._specs.write(records, wanted, known, doubted=doubted, progress=progress)
        # Of a doubted spec a record stands, even if this one cannot be read.
        return replace(written, unreadable=written.unreadable - doubted)

    def _close(self, source_id: int, snapshot: int, spec_ids: Sequence[int]) -> None:
        if not spec_ids:
            return
        statement = (
            update(t.presence)
            .where(
                t.presence.c.source_id == source_id,
                t.presence.c.spec_id == bindparam("closed"),
                t.presence.c.until.is_(None),
            )
            .values(until=snapshot)
        )
        self._connection.execute(statement, [{"closed": key} for key in spec_ids])

    def _touch(self, mirror: MirrorName, source_id: int, snapshot: int, spec_ids: Sequence[int]) -> None:
        """Remember which packages a snapshot changed."""
        touched = self._touched.setdefault(mirror, _Touched())
        if len(spec_ids) <= _MANY_SPECS:
            touched.spec_ids.update(spec_ids)
            return
        rows = (
            select(t.spec.c.name_id)
            .join(t.presence, t.presence.c.spec_id == t.spec.c.id)
            .where(
                t.presence.c.source_id == source_id,
                or_(t.presence.c.since == snapshot, t.presence.c.until == snapshot),
            )
            .distinct()
        )
        touched.names.update(self._connection.execute(rows).scalars())

    def _touch_upgraded(self, former_names: Mapping[int, int]) -> None:
        """Remember the packages of specs that were told anew, wherever they stand: their columns are counted there, too."""
        for some in chunks(sorted(former_names)):
            rows = self._connection.execute(
                select(t.mirror.c.ref, t.mirror.c.stack, t.spec.c.id, t.spec.c.name_id)
                .select_from(
                    t.presence.join(t.source, t.source.c.id == t.presence.c.source_id)
                    .join(t.mirror, t.mirror.c.id == t.source.c.mirror_id)
                    .join(t.spec, t.spec.c.id == t.presence.c.spec_id)
                )
                .where(t.presence.c.spec_id.in_(some), t.presence.c.until.is_(None))
            )
            for ref, stack, key, name_id in rows:
                mirror = MirrorName(Ref(ref), Stack(stack))
                self._touched.setdefault(mirror, _Touched()).names.update((name_id, former_names[key]))

    def _names(self, touched: "_Touched") -> list[int]:
        """Return the packages that were touched."""
        names = set(touched.names)
        for some in chunks(sorted(touched.spec_ids)):
            names.update(
                self._connection.execute(
                    select(t.spec.c.name_id).where(t.spec.c.id.in_(some)).distinct()
                ).scalars()
            )
        return sorted(names)

    def _describe_source(self, source_id: int) -> None:
        header, rejected = self._sources[source_id]
        self._connection.execute(
            update(t.source)
            .where(t.source.c.id == source_id)
            .values(
                index_version=header.version,
                rejected=rejected,
                warnings="\n".join(header.warnings),
                snapshot_at=self._now,
            )
        )

    def _count(self, source_id: int) -> Counts:
        rows = self._connection.execute(
            select(t.presence.c.state, func.count())
            .where(t.presence.c.source_id == source_id, t.presence.c.until.is_(None))
            .group_by(t.presence.c.state)
        )
        by_state = {int(state): int(count) for state, count in rows}
        counts = Counts(
            present=by_state.get(Presence.PRESENT, 0),
            mentioned=by_state.get(Presence.MENTIONED, 0),
            unstated=by_state.get(Presence.UNSTATED, 0),
        )
        self._connection.execute(
            update(t.source)
            .where(t.source.c.id == source_id)
            .values(present=counts.present, mentioned=counts.mentioned, unstated=counts.unstated)
        )
        return counts


def _is_higher(state: Presence, stands: int | None) -> bool:
    return stands is None or state > stands


class _PagesOfSource:
    """What the pages of a source told, by page."""

    def __init__(self, rows: Iterable[tuple[str, DagHash, int]]) -> None:
        self._by_scope: dict[str, dict[DagHash, int]] = {}
        self._told: set[DagHash] = set()
        for scope, dag_hash, state in rows:
            self._by_scope.setdefault(scope, {})[dag_hash] = state
            self._told.add(dag_hash)

    def __contains__(self, dag_hash: DagHash) -> bool:
        return dag_hash in self._told

    def of(self, scope: str) -> Mapping[int, set[DagHash]]:
        """Return what one page told, by its state."""
        told: dict[int, set[DagHash]] = {}
        for dag_hash, state in self._by_scope.get(scope, {}).items():
            told.setdefault(state, set()).add(dag_hash)
        return told

    def tell(self, scope: str, rows: dict[DagHash, int]) -> None:
        """Replace what one page told."""
        self._told.difference_update(self._by_scope.get(scope, ()))
        self._told.update(rows)
        self._by_scope[scope] = rows


def _states(
    hashes: Sequence[DagHash], keys: Mapping[DagHash, int], presence: Mapping[DagHash, Presence]
) -> dict[int, int]:
    """Return the states of specs by their keys, sorted because intervals are stored in the order of their key."""
    return dict(
        sorted(zip(map(keys.__getitem__, hashes), map(int, map(presence.__getitem__, hashes)), strict=True))
    )


def _otherwise(
    state: int, hashes: Collection[DagHash], presence: Mapping[DagHash, Presence]
) -> Iterator[DagHash]:
    """Return those of the hashes that are still there, in another state; all of a source, so by ``map`` alone."""
    return compress(hashes, map(ne, map(presence.get, hashes, repeat(state)), repeat(state)))


def _refuse(rejected: Iterable[MalformedRecord], *, strict: bool, readable: int) -> None:
    rejected = list(rejected)
    if not rejected or (readable and not strict):
        return
    first = rejected[0]
    counted = (
        f"{len(rejected)} records of the index cannot be read"
        if len(rejected) > 1
        else "a record cannot be read"
    )
    hint = (
        "without --strict the other records are kept"
        if readable
        else "no record could be read: is this an index of Spack?"
    )
    raise MalformedDocument(f"{counted}, the first: {first.message}", where=first.where, hint=hint)
