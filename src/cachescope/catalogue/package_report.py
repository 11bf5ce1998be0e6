"""Everything that is known of one package within a scope, and the lists of packages and refs."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Integer, Row, and_, case, func, or_, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.finding import find
from cachescope.catalogue.near_names import near_names
from cachescope.catalogue.package_facets import Narrowed, built_cells, facets_of, narrow
from cachescope.catalogue.package_groups import cut_groups, group_rows, read_groups
from cachescope.catalogue.package_history import package_history
from cachescope.catalogue.package_rows import PackageRows, SpecRow, read_rows
from cachescope.catalogue.scope import Scope, checked_scope
from cachescope.catalogue.summaries import package_counts
from cachescope.model.errors import NotInCatalogue, UserInputError
from cachescope.model.facets import BuiltCell, Facet, FacetValue, HistoryPoint
from cachescope.model.identity import MirrorName, PackageName, Ref, Stack
from cachescope.model.record import Presence
from cachescope.model.results import (
    PACKAGE_SORTS,
    Counts,
    PackageList,
    PackagePosition,
    PackageReport,
    PackageSummary,
    RefStacks,
)
from cachescope.query.choosing import compiler_edges, without_compilers
from cachescope.query.grammar import parse_query
from cachescope.query.spec_query import NodeQuery, SpecQuery
from cachescope.query.versions import version_key

__all__ = ["package_list", "package_report", "package_summary", "ref_stacks"]


def package_report(
    connection: Connection,
    name: PackageName,
    *,
    ref: Ref | None,
    stack: Stack | None,
    query: str = "",
    page: int | None = None,
    keep: Callable[[tuple[object, ...], Callable[[], Any]], Any] | None = None,
) -> PackageReport:
    """Report one package, its look-alikes narrowed by a query; all of them, or one page.

    At most 12 statements; with a query 2 and twice those of ``find``; 3 for 500 listed specs, those of
    ``with_sizes`` for them, and 37 to compare them.
    ``keep`` answers a question that was answered before, as long as no snapshot changed it; sizes are asked for anew.
    Raises ``QuerySyntaxError``, and ``UserInputError`` for a query about another package.
    """
    scope = checked_scope(connection, ref, stack)
    asked = _parsed(name, query)

    def look() -> _Seen:
        return _see(connection, name, scope, asked)

    seen = keep(("package", name, scope, asked), look) if keep is not None else look()
    cut = cut_groups(seen.groups, page)
    listed, sizes = read_groups(connection, cut, scope)
    return PackageReport(
        name=name,
        ref=ref,
        stack=stack,
        counts=seen.counts,
        versions=seen.versions,
        compilers=seen.compilers,
        systems=seen.systems,
        targets=seen.targets,
        stacks=seen.stacks,
        groups=listed,
        shown=sum(len(group.specs) for group in listed),
        query="" if asked == _named(name) else str(asked),
        matching=seen.matching,
        facets=seen.facets,
        cells=seen.cells,
        page=page or 1,
        pages=cut.pages,
        groups_total=len(seen.groups),
        groups_before=cut.before,
        history=seen.history,
        sizes=sizes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a look at all specs of a package gives, before any of them is read whole."""

    counts: Counts
    versions: tuple[str, ...]
    compilers: tuple[tuple[str, int], ...]
    systems: tuple[tuple[str, int], ...]
    targets: tuple[tuple[str, int], ...]
    stacks: tuple[tuple[MirrorName, int, int], ...]
    matching: int
    groups: Sequence[Sequence[SpecRow]]
    facets: tuple[Facet, ...]
    cells: tuple[BuiltCell, ...]
    history: tuple[HistoryPoint, ...]


def _see(connection: Connection, name: PackageName, scope: Scope, asked: SpecQuery) -> _Seen:
    name_id = connection.execute(select(t.name.c.id).where(t.name.c.text == name)).scalar()
    held = read_rows(connection, name_id, scope)
    states = Counter(row.state for row in held.rows if row.state >= int(Presence.MENTIONED))
    if not states:
        raise _unknown(connection, name, scope)
    least = Presence.UNSTATED if states.keys() - {int(Presence.MENTIONED)} else Presence.MENTIONED
    shown = [row for row in held.rows if row.state >= int(least)]
    found = _narrowed(connection, held, asked, scope, least)
    versions = {row.version_id for row in shown}
    newest_first = sorted(versions, key=lambda key: held.versions[key][1], reverse=True)
    architectures = Counter([held.architectures[row.architecture_id] for row in shown])
    return _Seen(
        counts=Counts(states[Presence.PRESENT], states[Presence.MENTIONED], states[Presence.UNSTATED]),
        versions=tuple(dict.fromkeys(held.versions[key][0] for key in newest_first)),
        compilers=_counted(Counter([held.compiler(row) for row in shown]).items()),
        systems=_counted((one.os, number) for one, number in architectures.items()),
        targets=_counted((one.target, number) for one, number in architectures.items()),
        stacks=_stacks(connection, name_id, scope),
        matching=len(found.matching),
        groups=group_rows(held, found.matching),
        facets=(*facets_of(held, shown, asked, found), *_stack_facet(held, scope, found, asked)),
        cells=built_cells(held, found.matching),
        history=package_history(connection, name_id, scope),
    )


def _named(name: PackageName) -> SpecQuery:
    return SpecQuery(node=NodeQuery(name=name))


def _parsed(name: PackageName, text: str) -> SpecQuery:
    if not text.strip():
        return _named(name)
    query = parse_query(text)
    if query.node.name is None:
        return replace(query, node=replace(query.node, name=name))
    if query.node.name != name:
        raise UserInputError(
            f"the query asks for {query.node.name}, and this is the page of {name}",
            where=text,
            hint="the search asks for any package",
        )
    return query


def _narrowed(
    connection: Connection, held: PackageRows, query: SpecQuery, scope: Scope, least: Presence
) -> Narrowed:
    """Ask the database what the rows alone do not tell, and judge the rest."""
    node = query.node
    beyond = NodeQuery(
        name=node.name,
        namespace=node.namespace,
        variants=tuple(one for one in node.variants if one.propagate),
        flags=node.flags,
        hash=node.hash,
    )
    rest = replace(query, node=beyond)
    names = {one.name for one in held.compilers.values() if one is not None}

    def allowed(asked: SpecQuery) -> Collection[int] | None:
        if asked == SpecQuery(node=NodeQuery(name=node.name)):
            return None
        condition = find(connection, asked, Scope(scope.ref), mentioned=True).condition
        return frozenset(connection.execute(select(t.spec.c.id).where(condition)).scalars())

    fulfilling = allowed(rest)
    without: Collection[int] | None = None
    if compiler_edges(rest, names):
        without = allowed(without_compilers(rest, names))
        if without is None:
            without = frozenset(row.id for row in held.rows)
    return narrow(
        held,
        query,
        allowed=fulfilling,
        without_compilers=without,
        wanted=lambda row: row.state >= int(least),
    )


def _stack_facet(held: PackageRows, scope: Scope, found: Narrowed, query: SpecQuery) -> tuple[Facet, ...]:
    """Return the mirrors with how many of the matching specs each has; one mirror narrows nothing."""
    having = {key for row in held.rows for key in row.mirrors}
    if len(having) < 2:  # noqa: PLR2004 - see above
        return ()
    ordered = sorted(having, key=lambda key: (-found.stacks[key], held.mirrors[key]))
    values = [
        FacetValue(
            text=held.mirrors[key].stack if scope.ref is not None else str(held.mirrors[key]),
            specs=found.stacks[key],
            chosen=scope.ref is not None and scope.stack == held.mirrors[key].stack,
            query=str(query),
            mirror=held.mirrors[key],
        )
        for key in ordered
    ]
    return (Facet(field="stack", name="stack", values=tuple(values)),)


def _unknown(connection: Connection, name: PackageName, scope: Scope) -> NotInCatalogue:
    elsewhere = connection.execute(
        select(t.package_summary.c.ref, t.package_summary.c.stack)
        .join(t.name, t.name.c.id == t.package_summary.c.name_id)
        .where(t.name.c.text == name, t.package_summary.c.stack != "")
        .order_by(t.package_summary.c.ref, t.package_summary.c.stack)
        .limit(5)
    ).all()
    if elsewhere:
        place = f"{scope.ref}/{scope.stack}" if scope.ref and scope.stack else scope.ref or scope.stack
        listed = ", ".join(f"{row.ref}/{row.stack}" for row in elsewhere)
        return NotInCatalogue(f"there is no {name} in {place}", hint=f"it is in {listed}")
    near = near_names(connection, name)
    hint = f"near names: {', '.join(near)}" if near else "'cachescope packages' lists all"
    return NotInCatalogue(f"no mirror in the catalogue has a package {name}", hint=hint)


def _counted(pairs: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for text, number in pairs:
        found[text] += number
    return tuple(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def _stacks(
    connection: Connection, name_id: int | None, scope: Scope
) -> tuple[tuple[MirrorName, int, int], ...]:
    rows = connection.execute(
        select(
            t.package_summary.c.ref,
            t.package_summary.c.stack,
            t.package_summary.c.present,
            t.package_summary.c.unstated,
        )
        .where(t.package_summary.c.name_id == name_id, t.package_summary.c.stack != "")
        .order_by(t.package_summary.c.ref, t.package_summary.c.stack)
    )
    return tuple(
        (MirrorName(Ref(ref), Stack(stack)), present, unstated)
        for ref, stack, present, unstated in rows
        if scope.ref in {None, ref} and scope.stack in {None, stack}
    )


def package_list(
    connection: Connection,
    *,
    ref: Ref | None,
    stack: Stack | None,
    prefix: str,
    limit: int,
    offset: int,
    sort: str = "name",
    after: PackagePosition | None = None,
) -> PackageList:
    """List packages of a mirror, a ref or the whole catalogue, from the summaries. At most 3 statements.

    ``sort`` is a column of the list, with ``-`` before it the largest first. Raises ``UserInputError`` for another one.
    ``after`` leaves out what stands up to a place, which need not be taken any more; the total counts all.

    A stack of all refs together has no summary: its packages are counted when they are asked for.
    """
    checked_scope(connection, ref, stack)
    summary: FromClause = t.package_summary
    conditions: list[ColumnElement[bool]] = []
    if ref is None and stack is not None:
        counted = package_counts("", stack, None).subquery("counted")
        columns = [
            column.label(known.name) for column, known in zip(counted.c, t.package_summary.c, strict=True)
        ]
        summary = select(*columns).subquery("summary")
    else:
        conditions = [summary.c.ref == (ref or ""), summary.c.stack == (stack or "")]
    if prefix:
        conditions.append(t.name.c.text.between(prefix, prefix + "~"))
    tables = summary.join(t.name, t.name.c.id == summary.c.name_id).outerjoin(
        t.version, t.version.c.id == summary.c.newest_version_id
    )
    total = connection.execute(select(func.count()).select_from(tables).where(*conditions)).scalar_one()
    if after is not None:
        conditions.append(_beyond(summary, sort, after))
    statement = (
        select(summary, t.name.c.text.label("name"), t.version.c.text.label("newest"))
        .select_from(tables)
        .where(*conditions)
        .order_by(*_order(summary, sort), t.name.c.text)
        .offset(offset)
    )
    if limit:
        statement = statement.limit(limit)
    packages = tuple(package_summary(row) for row in connection.execute(statement))
    return PackageList(ref=ref, stack=stack, prefix=prefix, total=total, packages=packages, offset=offset)


def _order(summary: FromClause, sort: str) -> list[ColumnElement[Any]]:
    column = sort.removeprefix("-")
    if column not in PACKAGE_SORTS:
        raise UserInputError(
            f"{sort!r} is no order of packages", hint=f"known are {', '.join(PACKAGE_SORTS)}"
        )
    ordered = _column(summary, column)
    return [ordered.desc() if sort.startswith("-") else ordered.asc()]


def _column(summary: FromClause, column: str) -> ColumnElement[Any]:
    if column == "name":
        return t.name.c.text
    if column == "newest":
        # Databases disagree where a null stands: what has no version is below all that have one.
        return func.coalesce(t.version.c.key, b"")
    return summary.c[column]


def _beyond(summary: FromClause, sort: str, after: PackagePosition) -> ColumnElement[bool]:
    """Return the condition that a package stands behind a place of the order."""
    column = sort.removeprefix("-")
    ordered = _column(summary, column)
    value: Any = after.name
    if column == "newest":
        value = version_key(after.value) if after.value else b""
    elif column != "name":
        value = int(after.value)
    further = ordered < value if sort.startswith("-") else ordered > value
    return further if column == "name" else or_(further, and_(ordered == value, t.name.c.text > after.name))


def package_summary(row: Row[Any]) -> PackageSummary:
    """Return a row of the summaries, with ``name`` and ``newest`` as texts beside its columns."""
    return PackageSummary(
        name=PackageName(row.name),
        counts=Counts(row.present, row.mentioned, row.unstated),
        versions=row.versions,
        compilers=row.compilers,
        systems=row.systems,
        targets=row.targets,
        newest_version=row.newest or "",
    )


_RELEASE = re.compile(r"v\d")


def ref_stacks(connection: Connection) -> tuple[RefStacks, ...]:
    """List refs with their stacks and distinct specs: ``develop`` first, then releases and snapshots, newest first. 2 statements."""
    summary = t.package_summary
    rows = connection.execute(
        select(
            summary.c.ref,
            func.sum(summary.c.present, type_=Integer),
            func.sum(summary.c.mentioned, type_=Integer),
            func.sum(summary.c.unstated, type_=Integer),
            func.sum(case((summary.c.present + summary.c.unstated > 0, 1), else_=0), type_=Integer),
        )
        .where(summary.c.stack == "", summary.c.ref != "")
        .group_by(summary.c.ref)
    )
    counted = {
        ref: (Counts(present, mentioned, unstated), packages)
        for ref, present, mentioned, unstated, packages in rows
    }
    stacks: dict[str, list[Stack]] = {}
    for ref, stack in connection.execute(
        select(t.mirror.c.ref, t.mirror.c.stack).order_by(t.mirror.c.ref, t.mirror.c.stack)
    ):
        stacks.setdefault(ref, []).append(Stack(stack))
    refs = [
        RefStacks(
            ref=Ref(ref),
            stacks=tuple(names),
            counts=counted.get(ref, (Counts(), 0))[0],
            packages=counted.get(ref, (Counts(), 0))[1],
        )
        for ref, names in sorted(stacks.items(), reverse=True)
    ]
    return tuple(sorted(refs, key=lambda one: (one.ref != "develop", not _RELEASE.match(one.ref))))
