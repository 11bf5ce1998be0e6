"""What is said of a selection: how many packages, how many bytes, and what is left out for lack of what."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.binaries import binary_columns, binary_of, binary_tables
from cachescope.catalogue.bulk import fast_rows
from cachescope.catalogue.summaries import CHUNK, chunks
from cachescope.catalogue.virtual_selection import Selection
from cachescope.model.archive import ArchiveState, Binary
from cachescope.model.identity import DagHash
from cachescope.model.virtual import LackingSpec

__all__ = ["KnownBytes", "binaries", "binary_by_hash", "known_bytes", "lacking_specs", "package_count"]

_LISTED = 50
_EXAMPLES = 5


class KnownBytes(NamedTuple):
    """Bytes of archives, as far as they are known."""

    bytes: int
    specs: int


def package_count(connection: Connection, keys: Iterable[int]) -> int:
    """Count the packages of specs. 1 statement for 500."""
    names = set[int]()
    for some in chunks(sorted(keys)):
        statement = select(t.spec.c.name_id).where(t.spec.c.id.in_(some)).distinct()
        names.update(name for (name,) in fast_rows(connection, statement))
    return len(names)


def known_bytes(connection: Connection, given: Mapping[DagHash, int]) -> KnownBytes:
    """Sum the sizes of archives, each at the source that gives it, as far as they are known now. 1 statement a source."""
    by_source: dict[int, list[DagHash]] = {}
    for dag_hash, source in given.items():
        by_source.setdefault(source, []).append(dag_hash)
    total = known = 0
    for source, hashes in sorted(by_source.items()):
        statement = (
            select(t.spec.c.hash, t.archive.c.size)
            .join(t.archive, t.archive.c.spec_id == t.spec.c.id)
            .where(
                t.archive.c.source_id == source,
                t.archive.c.state == int(ArchiveState.STATED),
                t.archive.c.size.is_not(None),
            )
        )
        # Of a source that gives more than a statement names, all that is known is looked through.
        if len(hashes) <= CHUNK:
            statement = statement.where(t.spec.c.hash.in_(hashes))
        for dag_hash, size in fast_rows(connection, statement):
            if given.get(dag_hash) == source:
                total, known = total + size, known + 1
    return KnownBytes(total, known)


def lacking_specs(connection: Connection, selection: Selection) -> Sequence[LackingSpec]:
    """Describe what the specs that are left out lack, that for which most are first; at most 50."""
    counts = Counter(selection.left_out.values())
    chosen = sorted(counts, key=lambda key: (-counts[key], key))[:_LISTED]
    examples: dict[int, list[int]] = {key: [] for key in chosen}
    for key, lacks in sorted(selection.left_out.items()):
        if lacks in examples and len(examples[lacks]) < _EXAMPLES:
            examples[lacks].append(key)
    described = binaries(connection, {*chosen, *(key for some in examples.values() for key in some)})
    return [
        LackingSpec(
            hash=described[key].hash,
            name=described[key].name,
            version=described[key].version,
            reason=selection.reasons(key),
            left_out=counts[key],
            examples=tuple(_shown(described[one]) for one in examples[key]),
        )
        for key in chosen
    ]


def binaries(connection: Connection, keys: Iterable[int]) -> dict[int, Binary]:
    """Return what specs are, by key. 1 statement for 500."""
    found: dict[int, Binary] = {}
    for some in chunks(sorted(keys)):
        rows = connection.execute(
            select(t.spec.c.id, *binary_columns()).select_from(binary_tables()).where(t.spec.c.id.in_(some))
        )
        found.update((row.id, binary_of(row)) for row in rows)
    return found


def binary_by_hash(connection: Connection, dag_hash: DagHash) -> tuple[int, Binary] | None:
    """Return the key of a spec, and what it is; None for one that was never met. 1 statement."""
    row = connection.execute(
        select(t.spec.c.id, *binary_columns()).select_from(binary_tables()).where(t.spec.c.hash == dag_hash)
    ).one_or_none()
    return (row.id, binary_of(row)) if row is not None else None


def _shown(one: Binary) -> str:
    return f"{one.name}@{one.version} /{one.hash[:7]}"
