"""Whether a catalogue is consistent: every key leads somewhere, intervals are in order, and what was counted is recounted."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import zstandard
from sqlalchemy import Column, ColumnElement, Connection, FromClause, and_, func, not_, or_, select, true
from sqlalchemy.exc import NoResultFound

from cachescope.catalogue import schema as t
from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.highest_presence import highest_presence
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.originals import RecordReader, has_record
from cachescope.catalogue.stored_specs import decode_variant_set
from cachescope.catalogue.summaries import package_counts
from cachescope.model.record import Presence, Verdict
from cachescope.model.record_form import is_hashed_text
from cachescope.model.upkeep import CheckFinding, CheckReport
from cachescope.query.versions import version_key

__all__ = ["REFERENCES", "check"]

REFERENCES: tuple[tuple[Column[Any], Column[Any]], ...] = (
    (t.source.c.mirror_id, t.mirror.c.id),
    (t.document.c.source_id, t.source.c.id),
    (t.snapshot.c.source_id, t.source.c.id),
    (t.spec.c.name_id, t.name.c.id),
    (t.spec.c.version_id, t.version.c.id),
    (t.spec.c.architecture_id, t.architecture.c.id),
    (t.spec.c.compiler_id, t.compiler.c.id),
    (t.spec.c.variant_set_id, t.variant_set.c.id),
    (t.spec.c.namespace_id, t.name.c.id),
    (t.spec.c.form_id, t.record_form.c.id),
    (t.spec_record.c.spec_id, t.spec.c.id),
    (t.spec_record.c.dictionary_id, t.dictionary.c.id),
    (t.variant_set_member.c.set_id, t.variant_set.c.id),
    (t.variant_set_member.c.variant_id, t.variant.c.id),
    (t.provider.c.name_id, t.name.c.id),
    (t.edge.c.parent_id, t.spec.c.id),
    (t.edge.c.child_id, t.spec.c.id),
    (t.edge.c.kind_id, t.edge_kind.c.id),
    (t.presence.c.source_id, t.source.c.id),
    (t.presence.c.spec_id, t.spec.c.id),
    (t.presence.c.since, t.snapshot.c.id),
    (t.presence.c.until, t.snapshot.c.id),
    (t.archive.c.source_id, t.source.c.id),
    (t.archive.c.spec_id, t.spec.c.id),
    (t.archive.c.kind_id, t.archive_kind.c.id),
    (t.named_blob.c.source_id, t.source.c.id),
    (t.named_blob.c.spec_id, t.spec.c.id),
    (t.package_summary.c.name_id, t.name.c.id),
    (t.package_summary.c.newest_version_id, t.version.c.id),
)
"""Which column holds keys of which table; 0 is none for dictionaries."""

_EXAMPLES = 3
_ROWS = 2000

Findings = Iterator[CheckFinding]


def check(catalogue: Catalogue, *, progress: Callable[[str], None] | None = None) -> CheckReport:
    """Check one state of a catalogue; ``progress`` is told what comes next. Reads all of it, and changes nothing.

    Raises ``CatalogueUnusable`` if the database cannot be read at all, ``NotInCatalogue`` if there is none.
    """
    catalogue.require_made()
    found: list[CheckFinding] = []
    with catalogue.reading() as connection:
        damages = catalogue.database.damage(connection)
        if damages:
            # What is read from it may be anything.
            storage = _finding("storage", "the database finds its storage damaged", damages)
            return CheckReport(where=catalogue.database.shown, checks=("storage",), findings=(storage,))
        for name, findings in _CHECKS.items():
            if progress is not None:
                progress(name)
            found += findings(connection)
    return CheckReport(where=catalogue.database.shown, checks=("storage", *_CHECKS), findings=tuple(found))


def _finding(name: str, message: str, subjects: Iterable[object]) -> CheckFinding:
    listed = [str(one) for one in subjects]
    return CheckFinding(check=name, message=message, count=len(listed), examples=tuple(listed[:_EXAMPLES]))


def _keys(connection: Connection) -> Findings:
    for column, target in REFERENCES:
        conditions: list[ColumnElement[bool]] = [column.is_not(None), target.is_(None)]
        if target.table is t.dictionary:
            conditions.append(column != 0)
        tables = column.table.outerjoin(target.table, target == column)
        count = connection.execute(select(func.count()).select_from(tables).where(*conditions)).scalar_one()
        if count:
            examples = connection.execute(
                select(column)
                .select_from(tables)
                .where(*conditions)
                .distinct()
                .order_by(column)
                .limit(_EXAMPLES)
            ).scalars()
            yield CheckFinding(
                check="keys",
                message=f"{column} leads nowhere: there is no such {target}",
                count=count,
                examples=tuple(map(str, examples)),
            )


def _intervals(connection: Connection) -> Findings:
    """Check that the intervals of a spec in a source follow each other, and belong to snapshots of that source."""
    one, other = t.presence, t.presence.alias("other")
    overlap = and_(
        other.c.source_id == one.c.source_id,
        other.c.spec_id == one.c.spec_id,
        other.c.since > one.c.since,
        or_(one.c.until.is_(None), one.c.until > other.c.since),
    )
    yield from _intervals_where(
        connection, "an interval of presence ends before it begins", one, one.c.until <= one.c.since
    )
    yield from _intervals_where(connection, "intervals of presence overlap", one.join(other, overlap), true())
    for column in (one.c.since, one.c.until):
        yield from _intervals_where(
            connection,
            "an interval of presence belongs to a snapshot of another source",
            one.join(t.snapshot, t.snapshot.c.id == column),
            t.snapshot.c.source_id != one.c.source_id,
        )
    wrong = select(t.spec.c.hash).where(t.spec.c.presence.is_distinct_from(highest_presence()))
    if specs := connection.execute(wrong.order_by(t.spec.c.hash)).scalars().all():
        yield _finding(
            "presence", "a spec has another presence than its sources give it", (f"/{one}" for one in specs)
        )


def _intervals_where(
    connection: Connection, message: str, tables: FromClause, condition: ColumnElement[bool]
) -> Findings:
    keys = select(t.presence.c.source_id, t.presence.c.spec_id, t.presence.c.since)
    rows = connection.execute(
        keys.select_from(tables).where(condition).order_by(*keys.selected_columns)
    ).all()
    if rows:
        yield _finding("presence", message, (f"source {a}, spec {b}, snapshot {c}" for a, b, c in rows))


def _sources(connection: Connection) -> Findings:
    standing = connection.execute(
        select(t.presence.c.source_id, t.presence.c.state, func.count())
        .where(t.presence.c.until.is_(None))
        .group_by(t.presence.c.source_id, t.presence.c.state)
    )
    counted = {(source, state): count for source, state, count in standing}
    columns = {
        Presence.PRESENT: t.source.c.present,
        Presence.MENTIONED: t.source.c.mentioned,
        Presence.UNSTATED: t.source.c.unstated,
    }
    wrong = [
        f"source {row['id']}: {row[column.name]} {column.name}, counted {counted.get((row['id'], int(state)), 0)}"
        for row in connection.execute(select(t.source).order_by(t.source.c.id)).mappings()
        for state, column in columns.items()
        if row[column.name] != counted.get((row["id"], int(state)), 0)
    ]
    if wrong:
        yield _finding("counts", "a source has other counts than records", wrong)


def _summaries(connection: Connection) -> Findings:
    """Count every package of every mirror, of every ref and of all of them anew."""
    mirrors = connection.execute(
        select(t.mirror.c.ref, t.mirror.c.stack).order_by(t.mirror.c.ref, t.mirror.c.stack)
    ).all()
    scopes = [(ref, stack) for ref, stack in mirrors]
    scopes += [(ref, "") for ref in dict.fromkeys(ref for ref, _ in mirrors)]
    summary = t.package_summary
    ours = {
        (ref, stack) for ref, stack in connection.execute(select(summary.c.ref, summary.c.stack).distinct())
    }
    wrong = [f"{'/'.join(filter(None, one))} is no mirror" for one in sorted(ours - {*scopes, ("", "")})]
    keys = dict(connection.execute(select(t.version.c.id, t.version.c.key)).all())

    def counted(rows: Iterable[Sequence[Any]]) -> dict[int, tuple[object, ...]]:
        # Of versions that are equal though spelt differently, any may be the newest.
        return {row[2]: (*row[3:-1], keys.get(row[-1])) for row in rows}

    for ref, stack in [*scopes, ("", "")]:
        stored = counted(
            connection.execute(select(summary).where(summary.c.ref == ref, summary.c.stack == stack))
        )
        expected = counted(connection.execute(package_counts(ref, stack, None)))
        place = "/".join(filter(None, (ref, stack))) or "the whole catalogue"
        wrong += [
            f"{place}: package {key}"
            for key in sorted(stored.keys() | expected.keys())
            if stored.get(key) != expected.get(key)
        ]
    if wrong:
        yield _finding("summaries", "a summary is not what counting gives", wrong)


def _originals(connection: Connection) -> Findings:
    """Unpack every original record."""
    lacking = connection.execute(
        select(t.spec.c.hash)
        .where(t.spec.c.knowledge > int(Knowledge.NAMED), not_(has_record()))
        .order_by(t.spec.c.hash)
    ).scalars()
    if without := [f"/{one}" for one in lacking]:
        yield _finding("originals", "a spec was read and has no original record", without)
    reader = RecordReader(connection)
    unreadable: list[str] = []
    others: list[str] = []
    last = -1
    while rows := _next_records(connection, last):
        last = rows[-1].id
        try:
            records = reader.read([row.id for row in rows])
        except _UNREADABLE:
            unreadable += [f"spec {row.id}" for row in rows if not _is_readable(reader, row.id)]
            continue
        others += [
            f"/{row.hash}"
            for row in rows
            if row.form_id is not None and row.verdict == Verdict.VERIFIED
            if not is_hashed_text(row.hash, records.get(row.id, b""))
        ]
    if unreadable:
        yield _finding("originals", "an original record cannot be unpacked", unreadable)
    if others:
        yield _finding("originals", "a record that is written out again has not the hash that it had", others)


_UNREADABLE = (zstandard.ZstdError, NoResultFound, KeyError, ValueError)


def _next_records(connection: Connection, last: int) -> Sequence[Any]:
    columns = (t.spec.c.id, t.spec.c.hash, t.spec.c.form_id, t.spec.c.verdict)
    statement = select(*columns).where(t.spec.c.id > last, has_record()).order_by(t.spec.c.id).limit(_ROWS)
    return connection.execute(statement).all()


def _is_readable(reader: RecordReader, key: int) -> bool:
    try:
        reader.read([key])
    except _UNREADABLE:
        return False
    return True


def _interned(connection: Connection) -> Findings:
    """Compute what is stored beside values anew: the order of versions, the digests of variant sets."""
    versions = connection.execute(select(t.version.c.text, t.version.c.key))
    compilers = connection.execute(select(t.compiler.c.version, t.compiler.c.version_key))
    wrong = [text for rows in (versions, compilers) for text, key in rows if key != version_key(text)]
    if wrong:
        yield _finding("versions", "a version has the order of another one", wrong)
    unreadable = []
    sets = connection.execution_options(yield_per=_ROWS).execute(
        select(t.variant_set.c.id, t.variant_set.c.digest, t.variant_set.c.key, t.variant_set.c.content)
    )
    for number, digest, key, content in sets:
        try:
            decode_variant_set(key, content)
            matches = hashlib.sha256(key).digest()[: len(digest)] == digest
        except msgspec.DecodeError:
            matches = False
        if not matches:
            unreadable.append(f"variant set {number}")
    if unreadable:
        yield _finding(
            "variants", "a variant set cannot be read, or is another one than its digest says", unreadable
        )


_CHECKS: dict[str, Callable[[Connection], Findings]] = {
    "keys": _keys,
    "presence": _intervals,
    "counts": _sources,
    "summaries": _summaries,
    "originals": _originals,
    "interned values": _interned,
}
