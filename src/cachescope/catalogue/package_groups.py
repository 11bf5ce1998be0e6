"""The look-alikes of a package: grouped by keys, cut into pages, and only then read and compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter

from sqlalchemy import Connection, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.look_alikes import distinguish_all
from cachescope.catalogue.package_rows import PackageRows, SpecRow
from cachescope.catalogue.scope import Scope
from cachescope.catalogue.sizes import with_sizes
from cachescope.catalogue.summaries import chunks
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.catalogue.times import from_stored
from cachescope.model.archive import SizeSum
from cachescope.model.errors import NotInCatalogue
from cachescope.model.record import Presence
from cachescope.model.results import LookAlikes, SpecSummary

__all__ = ["GroupCut", "cut_groups", "group_rows", "read_groups"]

_SHOWN_SPECS = 2000
_COMPARED_GROUPS = 20
_MEMBERS_PER_GROUP = 50
_MEMBERS_PER_PAGE = 80
_GROUPS_PER_PAGE = 20

_Group = Sequence[SpecRow]


@dataclass(frozen=True, slots=True)
class GroupCut:
    """The groups that are read: those of one page, or as many as a list without pages holds."""

    groups: Sequence[_Group]
    pages: int
    before: int
    """Groups of the pages before."""

    members: int
    """How many of one group are read."""

    compared: int
    """How many groups are compared."""


def group_rows(held: PackageRows, rows: Sequence[SpecRow]) -> list[_Group]:
    """Group specs that agree in every visible column: newest version first, then the largest group."""
    found: dict[tuple[str, tuple[str, ...]], list[SpecRow]] = {}
    orders: dict[str, bytes] = {}
    visible: dict[tuple[object, ...], tuple[str, tuple[str, ...]]] = {}
    for row in rows:
        # Few combinations of keys stand for thousands of specs.
        keys = (row.version_id, row.compiler_id, row.architecture_id, row.set_id, row.spec_format >= 5)  # noqa: PLR2004 - see variant_texts
        look = visible.get(keys)
        if look is None:
            text, order = held.versions[row.version_id]
            orders[text] = max(order, orders.get(text, b""))
            arch = held.architectures[row.architecture_id]
            columns = (held.compiler(row), arch.platform, arch.os, arch.target, *held.variant_texts(row))
            look = visible[keys] = (text, columns)
        found.setdefault(look, []).append(row)
    looks = sorted(found, key=itemgetter(1))
    looks.sort(key=lambda look: len(found[look]), reverse=True)
    looks.sort(key=lambda look: (orders[look[0]], look[0]), reverse=True)
    return [sorted(found[look], key=lambda row: (-row.since, row.id)) for look in looks]


def cut_groups(groups: Sequence[_Group], page: int | None) -> GroupCut:
    """Take the groups of one page, which is full by groups or by members; without a page, the first 2,000 specs.

    Raises ``NotInCatalogue`` beyond the last page.
    """
    if page is None:
        members, kept = 0, 0
        while kept < len(groups) and members < _SHOWN_SPECS:
            members += len(groups[kept])
            kept += 1
        return GroupCut(groups[:kept], 1, 0, members=_SHOWN_SPECS, compared=_COMPARED_GROUPS)
    starts, on_page, members = [0], 0, 0
    for place, group in enumerate(groups):
        size = min(len(group), _MEMBERS_PER_GROUP)
        if on_page and (on_page == _GROUPS_PER_PAGE or members + size > _MEMBERS_PER_PAGE):
            starts.append(place)
            on_page, members = 0, 0
        on_page, members = on_page + 1, members + size
    if page > len(starts):
        raise NotInCatalogue(f"there is no page {page} of this list", hint=f"the last page is {len(starts)}")
    end = starts[page] if page < len(starts) else len(groups)
    return GroupCut(
        groups[starts[page - 1] : end],
        len(starts),
        starts[page - 1],
        members=_MEMBERS_PER_GROUP,
        compared=_GROUPS_PER_PAGE,
    )


def read_groups(
    connection: Connection, cut: GroupCut, scope: Scope
) -> tuple[tuple[LookAlikes, ...], SizeSum | None]:
    """Read the members with their sizes, what separates them, and the sum of those members that are present.

    3 statements for 500 specs, and those of ``with_sizes`` and ``distinguish_all``.
    """
    listed = [group[: cut.members] for group in cut.groups]
    summaries, sizes = _summaries(connection, [row for group in listed for row in group], scope)
    seen = _moments(connection, {row.since for group in listed for row in group})
    comparable = [
        [row.id for row in group]
        for group in listed
        if len(group) > 1 and all(row.knowledge == Knowledge.RECORD for row in group)
    ][: cut.compared]
    differences = dict(zip(map(tuple, comparable), distinguish_all(connection, comparable), strict=True))
    found = []
    for group, whole in zip(listed, cut.groups, strict=True):
        known = all(row.knowledge == Knowledge.RECORD for row in group)
        told = differences.get(tuple(row.id for row in group))
        found.append(
            LookAlikes(
                specs=tuple(summaries[row.id] for row in group),
                dependencies_known=known,
                differences=told or (),
                explained=told is not None or len(group) == 1 or not known,
                total=len(whole) if len(whole) > len(group) else 0,
                first_seen=tuple(seen[row.since] for row in group),
            )
        )
    return tuple(found), sizes


def _summaries(
    connection: Connection, rows: Sequence[SpecRow], scope: Scope
) -> tuple[dict[int, SpecSummary], SizeSum | None]:
    states = {row.id: row.state for row in rows}
    found: dict[int, SpecSummary] = {}
    for some in chunks(list(states)):
        read = connection.execute(select_specs().where(t.spec.c.id.in_(some))).all()
        for row, summary in zip(read, read_summaries(connection, read, scope), strict=True):
            found[row.id] = replace(summary, presence=Presence(states[row.id]))
    sized, sizes = with_sizes(connection, list(states), [found[key] for key in states], scope)
    return dict(zip(states, sized, strict=True)), sizes


def _moments(connection: Connection, snapshots: set[int]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for some in chunks(sorted(snapshots)):
        rows = connection.execute(
            select(t.snapshot.c.id, t.snapshot.c.taken_at).where(t.snapshot.c.id.in_(some))
        )
        found.update({key: from_stored(at) for key, at in rows})
    return found
