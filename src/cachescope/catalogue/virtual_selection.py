"""What is in a virtual mirror: the ordered union of its sources, filtered, and closed under what is needed to run.

In the words of ``VirtualMirror``: the first source that has a binary of a hash gives it. A spec that fits the filter is a
root. A root is in the mirror with its whole run closure, or not at all, unless gaps are allowed. All that these specs
depend on otherwise (externals, what only building needs) is mentioned.

A client of layout v2 alone (Spack before 1.0) sees nothing of v3. So what sources of v2 have, with a run closure that is
whole in v2, is given there too, by the first source of v2; clients of both layouts find it in v3 first.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, or_, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.bulk import fast_rows
from cachescope.catalogue.finding import find
from cachescope.catalogue.host_facts import libc_of
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.run_closures import Dependencies, read_dependencies
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.virtual_sources import index_versions
from cachescope.model.hosts import Host, HostVerdict, Runnable
from cachescope.model.identity import DagHash
from cachescope.model.mirror import Layout
from cachescope.model.record import Presence
from cachescope.model.spec import Architecture
from cachescope.model.virtual import VirtualMirror, VirtualSource
from cachescope.query.grammar import parse_query
from cachescope.query.hosts import judge

__all__ = ["SelectedIndex", "Selection", "select_virtual"]

_NOWHERE = Architecture("", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedIndex:
    """What the index of one layout lists, by keys of the catalogue."""

    layout: Layout
    version: str
    given: Mapping[int, int]
    """The source that gives each spec that is present in this layout."""

    hashes: Sequence[tuple[str, int]]
    """All its specs with their keys, sorted by hash: those that this layout gives, and all that they depend on."""

    dependents: Mapping[int, int]
    """How many specs of the index depend directly on one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The specs of a virtual mirror, by keys of the catalogue."""

    sources: Sequence[VirtualSource]
    """In their order, with what each gives."""

    indexes: Sequence[SelectedIndex]
    """One for each layout of which something is given; of a mirror without anything the one of its first source."""

    present: Mapping[int, int]
    """The source that gives each present spec."""

    left_out: Mapping[int, int]
    """Roots whose run closure has gaps, each with a spec that it lacks."""

    reasons: Callable[[int], str]
    """Why a spec that is lacking is not available."""

    absent: Sequence[DagHash]
    """Specs of the lock file that no source has."""


def select_virtual(
    connection: Connection, mirror: VirtualMirror, sources: Sequence[VirtualSource], *, host: Host | None
) -> Selection:
    """Choose what is in a virtual mirror. ``host`` is its host.

    A statement a source, those of a search, and 3 a level of dependencies for 500 specs.
    """
    giving = _winners(connection, sources)
    unrecorded, externals = _special(connection)
    for key in unrecorded & giving.keys():
        del giving[key]
    roots, absent = _roots(connection, mirror, giving)
    given_in_v2 = _winners(connection, [one for one in sources if one.layout is Layout.V2])
    for key in unrecorded & given_in_v2.keys():
        del given_in_v2[key]
    dependencies = read_dependencies(connection, roots)
    refused: Mapping[int, HostVerdict] = {}
    if host is not None:
        verdicts = _verdicts(connection, host, [key for key in dependencies.edges if key in giving])
        # A dependency of which nothing certain is known may run; what is asked for itself has to.
        roots = [key for key in roots if verdicts[key].runnable]
        refused = {
            key: one for key, one in verdicts.items() if not one.runnable and one.kind is not Runnable.UNKNOWN
        }
    available = giving.keys() - refused.keys()
    lacks = dependencies.gaps(available, externals)
    kept = roots if mirror.incomplete else [key for key in roots if key not in lacks]
    present = dependencies.run_closure(kept, available)
    layouts = {one.id: one.layout for one in sources}
    given: dict[Layout, dict[int, int]] = {}
    for key in present:
        given.setdefault(layouts[giving[key]], {})[key] = giving[key]
    # Roots that are whole in v2 alone, too.
    in_v2 = available & given_in_v2.keys()
    lacks_in_v2 = dependencies.gaps(in_v2, externals)
    wanted = [key for key in roots if key in in_v2 and (mirror.incomplete or key not in lacks_in_v2)]
    for key in dependencies.run_closure(wanted, in_v2):
        given.setdefault(Layout.V2, {})[key] = given_in_v2[key]
    counts = Counter(source for one in given.values() for source in one.values())
    return Selection(
        sources=[replace(one, gives=counts[one.id]) for one in sources],
        indexes=list(_indexes(connection, sources, given, dependencies, unrecorded)),
        present={key: giving[key] for key in present},
        left_out={} if mirror.incomplete else {key: lacks[key] for key in roots if key in lacks},
        reasons=_explaining(giving, refused, unrecorded),
        absent=absent,
    )


def _indexes(
    connection: Connection,
    sources: Sequence[VirtualSource],
    given: Mapping[Layout, Mapping[int, int]],
    dependencies: Dependencies,
    unrecorded: set[int],
) -> Iterator[SelectedIndex]:
    usable = [one for one in sources if not one.excluded]
    versions = index_versions(usable)
    for layout in dict.fromkeys(one.layout for one in usable):
        if layout not in given and (given or layout != sources[0].layout):
            continue
        here = given.get(layout, {})
        # A spec without a record cannot be written, and Spack drops edges to what an index does not have.
        listed = dependencies.below(here) - unrecorded
        yield SelectedIndex(
            layout=layout,
            version=versions[layout],
            given=here,
            hashes=_sorted_hashes(connection, listed),
            dependents=dependencies.dependents(listed),
        )


def _explaining(
    giving: Mapping[int, int], refused: Mapping[int, HostVerdict], unrecorded: set[int]
) -> Callable[[int], str]:
    def reason(key: int) -> str:
        if key in refused:
            return f"does not run on the host: {refused[key].sentence}"
        if key in unrecorded:
            return "is known by its hash alone"
        return "has no binary in any source" if key not in giving else "is not available"

    return reason


def _winners(connection: Connection, sources: Sequence[VirtualSource]) -> dict[int, int]:
    """Return each spec that is present in a source, with the first source that has it."""
    found: dict[int, int] = {}
    # From the last to the first, so that the first stays.
    for source in reversed(sources):
        if source.excluded:
            continue
        statement = select(t.presence.c.spec_id).where(
            t.presence.c.source_id == source.id,
            t.presence.c.until.is_(None),
            t.presence.c.state == int(Presence.PRESENT),
        )
        found.update((key, source.id) for (key,) in fast_rows(connection, statement))
    return found


def _special(connection: Connection) -> tuple[set[int], set[int]]:
    """Return the specs of which no record is kept, and the externals."""
    unrecorded, externals = set[int](), set[int]()
    recorded = int(Knowledge.RECORD)
    rows = fast_rows(
        connection,
        select(t.spec.c.id, t.spec.c.external, t.spec.c.knowledge).where(
            or_(t.spec.c.external == 1, t.spec.c.knowledge != recorded)
        ),
    )
    for key, external, knowledge in rows:
        if external:
            externals.add(key)
        if knowledge != recorded:
            unrecorded.add(key)
    return unrecorded, externals


def _roots(
    connection: Connection, mirror: VirtualMirror, giving: Mapping[int, int]
) -> tuple[list[int], Sequence[DagHash]]:
    """Return what the definition asks for, by key; and the specs of its lock file that no source has."""
    chosen = set(giving)
    absent: list[DagHash] = []
    if mirror.lock is not None:
        asked = _keys_of(connection, mirror.lock.hashes)
        absent = [one for one in mirror.lock.hashes if asked.get(one) not in giving]
        chosen &= set(asked.values())
    if mirror.filter:
        found = find(connection, parse_query(mirror.filter), Scope(), mentioned=False)
        chosen &= {key for (key,) in connection.execute(select(t.spec.c.id).where(found.condition))}
    return sorted(chosen), absent


def _keys_of(connection: Connection, hashes: Sequence[DagHash]) -> dict[DagHash, int]:
    found: dict[DagHash, int] = {}
    for some in chunks(hashes):
        rows = connection.execute(select(t.spec.c.hash, t.spec.c.id).where(t.spec.c.hash.in_(some)))
        found.update((DagHash(one), key) for one, key in rows)
    return found


def _verdicts(connection: Connection, host: Host, keys: Sequence[int]) -> dict[int, HostVerdict]:
    architectures = {
        row.id: Architecture(row.platform, row.os, row.target)
        for row in connection.execute(select(t.architecture))
    }
    libcs = libc_of(connection, keys)
    known: dict[tuple[int | None, tuple[str, str] | None], HostVerdict] = {}
    found: dict[int, HostVerdict] = {}
    for some in chunks(keys):
        statement = select(t.spec.c.id, t.spec.c.architecture_id).where(t.spec.c.id.in_(some))
        for key, architecture in fast_rows(connection, statement):
            question = architecture, libcs.get(key)
            if question not in known:
                known[question] = judge(host, architectures.get(architecture, _NOWHERE), question[1])
            found[key] = known[question]
    return found


def _sorted_hashes(connection: Connection, keys: set[int]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for some in chunks(sorted(keys)):
        statement = select(t.spec.c.hash, t.spec.c.id).where(t.spec.c.id.in_(some))
        found += fast_rows(connection, statement)
    found.sort()
    return found
