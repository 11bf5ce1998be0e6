"""What goes into a pulled mirror: what is asked for with all it needs, and the sources that have it."""

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.binaries import binary_columns, binary_of, binary_tables
from cachescope.catalogue.finding import find
from cachescope.catalogue.originals import RecordReader, has_record
from cachescope.catalogue.run_closures import Dependencies, read_dependencies
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.virtual_sources import index_versions, sources_of_virtual
from cachescope.model.archive import Binary
from cachescope.model.identity import DagHash
from cachescope.model.mirror import Layout
from cachescope.model.pull import MissingBinary
from cachescope.model.record import Presence
from cachescope.model.sightings import Against
from cachescope.model.virtual import VirtualMirror, VirtualSource
from cachescope.query.grammar import parse_query

__all__ = [
    "ListedSpecs",
    "PullSelection",
    "PulledBinary",
    "matching",
    "read_nodes",
    "select_pull",
    "specs_of_hashes",
]

_RUN = 1


@dataclass(frozen=True, slots=True)
class PulledBinary:
    """A binary, and the sources that have it, in their order: the first one gives it."""

    key: int
    binary: Binary
    sources: tuple[VirtualSource, ...]


@dataclass(frozen=True, slots=True)
class ListedSpecs:
    """What the index of one layout lists, by keys of the catalogue."""

    layout: Layout
    version: str
    hashes: Sequence[tuple[str, int]]
    """Sorted by hash."""

    dependents: Mapping[int, int]
    """How many of them depend directly on one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSelection:
    """What is to be copied, and what cannot be."""

    sources: Sequence[VirtualSource]
    roots: int
    binaries: Sequence[PulledBinary]
    """By hash."""

    externals: int
    missing: Sequence[MissingBinary]
    indexes: Sequence[ListedSpecs]


def matching(connection: Connection, query: str) -> list[int]:
    """Return the keys of present specs that match a query, wherever they are. Raises ``QuerySyntaxError``."""
    found = find(connection, parse_query(query), Scope(), mentioned=False)
    return sorted(connection.execute(select(t.spec.c.id).where(found.condition)).scalars())


def specs_of_hashes(connection: Connection, hashes: Iterable[DagHash]) -> dict[DagHash, int]:
    """Return the keys of those specs that the catalogue has met. 1 statement for 500."""
    found: dict[DagHash, int] = {}
    for some in chunks(list(hashes)):
        rows = connection.execute(select(t.spec.c.hash, t.spec.c.id).where(t.spec.c.hash.in_(some)))
        found.update((DagHash(one), key) for one, key in rows)
    return found


def select_pull(
    connection: Connection,
    *,
    sources: Sequence[Against],
    roots: Collection[int],
    only_present_roots: bool,
    with_build: bool,
) -> PullSelection:
    """Choose the roots and their closure: what they need to run, or, ``with_build``, all that they depend on.

    With ``only_present_roots`` a root that no source has is no gap: a query matches what is there. Raises
    ``NotInCatalogue`` for a source that is not there. 1 statement a source, and 4 for 500 specs.
    """
    known = sources_of_virtual(connection, VirtualMirror(name="pull", sources=tuple(sources)))
    usable = [one for one in known if not one.excluded]
    places = _places(connection, usable, roots)
    wanted = [key for key in roots if key in places or not only_present_roots]
    dependencies = read_dependencies(connection, wanted)
    places.update(_places(connection, usable, dependencies.edges.keys() - set(roots)))
    externals = _externals(connection, dependencies.edges)
    reached = _closure(dependencies, wanted, externals, with_build=with_build)
    binaries = _binaries(connection, reached.keys())
    needed = {key: parent for key, parent in reached.items() if key not in externals}
    by_id = {one.id: one for one in usable}
    chosen = [
        PulledBinary(key, binaries[key], tuple(by_id[one] for one in places[key]))
        for key in needed
        if key in places
    ]
    chosen.sort(key=lambda one: one.binary.hash)
    missing = [_missing(binaries, key, parent) for key, parent in needed.items() if key not in places]
    return PullSelection(
        sources=known,
        roots=len(wanted),
        binaries=chosen,
        externals=len(reached.keys() & externals),
        missing=sorted(missing, key=lambda one: (one.name, one.version, one.hash)),
        indexes=_indexes(connection, chosen, dependencies),
    )


def _closure(
    dependencies: Dependencies, roots: Iterable[int], externals: Collection[int], *, with_build: bool
) -> dict[int, int | None]:
    """Return what is reached, each with the spec that first needed it; nothing below externals."""
    reached: dict[int, int | None] = dict.fromkeys(sorted(roots))
    pending = list(reversed(reached))
    while pending:
        parent = pending.pop()
        if parent in externals:
            continue
        for edge in dependencies.edges.get(parent, array("q")):
            child = edge >> 1
            if (with_build or edge & _RUN) and child not in reached:
                reached[child] = parent
                pending.append(child)
    return reached


def _places(
    connection: Connection, sources: Sequence[VirtualSource], keys: Collection[int]
) -> dict[int, list[int]]:
    """Return the sources that have each spec, in their order."""
    found: dict[int, list[int]] = {}
    for source in sources:
        for some in chunks(sorted(keys)):
            statement = select(t.presence.c.spec_id).where(
                t.presence.c.source_id == source.id,
                t.presence.c.spec_id.in_(some),
                t.presence.c.until.is_(None),
                t.presence.c.state == int(Presence.PRESENT),
            )
            for key in connection.execute(statement).scalars():
                found.setdefault(key, []).append(source.id)
    return found


def _externals(connection: Connection, keys: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for some in chunks(sorted(keys)):
        statement = select(t.spec.c.id).where(t.spec.c.id.in_(some), t.spec.c.external == 1)
        found.update(connection.execute(statement).scalars())
    return found


def _binaries(connection: Connection, keys: Iterable[int]) -> dict[int, Binary]:
    found: dict[int, Binary] = {}
    for some in chunks(sorted(keys)):
        statement = (
            select(t.spec.c.id, *binary_columns()).select_from(binary_tables()).where(t.spec.c.id.in_(some))
        )
        found.update((row.id, binary_of(row)) for row in connection.execute(statement))
    return found


def _missing(binaries: Mapping[int, Binary], key: int, parent: int | None) -> MissingBinary:
    one = binaries[key]
    needed_by = ""
    if parent is not None:
        above = binaries[parent]
        needed_by = f"{above.name}@{above.version} /{above.hash[:7]}"
    return MissingBinary(one.hash, one.name, one.version, needed_by)


def _indexes(
    connection: Connection, chosen: Sequence[PulledBinary], dependencies: Dependencies
) -> list[ListedSpecs]:
    given: dict[Layout, set[int]] = {}
    versions = index_versions(one.sources[0] for one in chosen)
    for one in chosen:
        first = one.sources[0]
        given.setdefault(first.layout, set()).add(one.key)
    found = []
    for layout, keys in sorted(given.items(), reverse=True):
        listed = dependencies.below(keys)
        hashes = []
        for some in chunks(sorted(listed)):
            # A spec without a record cannot be written, and Spack drops edges to what an index does not have.
            statement = select(t.spec.c.hash, t.spec.c.id).where(t.spec.c.id.in_(some), has_record())
            hashes += [(row.hash, row.id) for row in connection.execute(statement)]
        found.append(ListedSpecs(layout, versions[layout], sorted(hashes), dependencies.dependents(listed)))
    return found


def read_nodes(connection: Connection, hashes: Sequence[tuple[str, int]]) -> Iterable[tuple[str, int, bytes]]:
    """Yield hash, key and original record of each spec, in their order. 1 statement for 500."""
    reader = RecordReader(connection)
    for some in chunks(list(hashes)):
        nodes = reader.read([key for _, key in some])
        for dag_hash, key in some:
            yield dag_hash, key, nodes[key]
