"""The read side: specs that match a query in Spack's language, or a pattern of names; and specs by their hash."""

import re

from sqlalchemy import Connection, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.finding import SORTS, Place, find, first_specs, is_glob, judged_specs
from cachescope.catalogue.kept_arrays import KeptArrays
from cachescope.catalogue.lowering import hash_starts_with
from cachescope.catalogue.no_match import explain_no_match
from cachescope.catalogue.scope import Scope, is_known
from cachescope.catalogue.universe_reader import read_universe
from cachescope.model.errors import AmbiguousHash, NotInCatalogue, UserInputError
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash, parse_hash_prefix
from cachescope.model.record import Presence
from cachescope.model.results import NoMatch, SearchResult, SpecSummary
from cachescope.query.grammar import parse_query
from cachescope.query.matching import warnings
from cachescope.query.spec_query import NodeQuery, SpecQuery
from cachescope.query.universe import Universe

__all__ = ["present_hashes", "resolve_hash", "search"]

_LISTED = 10
_PASTED_HASH = re.compile(r"[a-z2-7]{7,32}")


def search(
    connection: Connection,
    query: str,
    *,
    scope: Scope,
    limit: int,
    mentioned: bool,
    sort: str = "name",
    host: Host | None = None,
    only_runnable: bool = False,
    after: DagHash | None = None,
    kept: KeptArrays | None = None,
) -> SearchResult:
    """Find specs. At most 12 statements, 1 more for 500 rows, and those of ``no_match`` where nothing is found.

    With ``host`` each spec gets a verdict. ``after`` continues a list by name behind a spec: 1 statement more.
    ``kept`` are the arrays of who stays: 1 statement more, and those that read the arrays. Raises ``QuerySyntaxError``, and ``UserInputError`` for an unknown order.
    """
    asked = query.strip()
    if sort not in SORTS:
        raise UserInputError(f"{sort!r} is no order", hint=f"known are {', '.join(SORTS)}")
    parsed = None if is_glob(asked) else parse_query(asked)
    notes: list[str] = []
    if _PASTED_HASH.fullmatch(asked) and (meant := _hash_meant(connection, asked)) is not None:
        parsed = meant
        notes.append(f"there is no package {asked}; taken for the hash /{asked}")
    sought = parsed if parsed is not None else asked
    arrays = kept.of(connection, sought) if kept is not None else None
    found = find(connection, sought, scope, mentioned=mentioned, arrays=arrays)
    if after is not None:
        if sort != "name":
            raise UserInputError("only a list by name can be continued", hint="leave the order out")
        found.after = _place(connection, after)
    total = matching = found.total(connection)
    specs: list[SpecSummary] = []
    if total and host is not None:
        total, specs = judged_specs(
            connection, found, host, limit=limit, sort=sort, only_runnable=only_runnable
        )
    elif total:
        specs = first_specs(connection, found, limit=limit, sort=sort)
    no_match = None
    if not matching:
        no_match = explain_no_match(connection, asked, parsed, scope, mentioned=mentioned, arrays=arrays)
    elif not total:
        no_match = NoMatch(
            notes=(
                f"{matching} match, but none of them runs on {host}; leave out --only-runnable to see why",
            )
        )
    return SearchResult(
        query=asked,
        total=total,
        specs=tuple(specs),
        warnings=(*notes, *_warnings(connection, parsed)),
        no_match=no_match,
    )


def _place(connection: Connection, after: DagHash) -> Place:
    """Return where a spec stands in the order by name. Raises ``UserInputError`` for one that is known no longer."""
    tables = (
        t.spec.join(t.name, t.name.c.id == t.spec.c.name_id)
        .outerjoin(t.version, t.version.c.id == t.spec.c.version_id)
        .outerjoin(t.architecture, t.architecture.c.id == t.spec.c.architecture_id)
    )
    row = connection.execute(
        select(t.name.c.text, t.version.c.key, t.architecture.c.os, t.architecture.c.target, t.spec.c.hash)
        .select_from(tables)
        .where(t.spec.c.hash == after)
    ).one_or_none()
    if row is None:
        raise UserInputError("the list can be continued no longer", hint="begin anew, without cursor")
    return Place(*row)


def _warnings(connection: Connection, query: SpecQuery | None) -> tuple[str, ...]:
    if query is None:
        return ()
    nodes = (query.node, *(edge.node for edge in query.edges()))
    versioned = any(node.version is not None and node.name is not None for node in nodes)
    # Only a version of a virtual has to be looked up.
    return warnings(query, read_universe(connection, ()) if versioned else Universe({}, {}))


def _hash_meant(connection: Connection, text: str) -> SpecQuery | None:
    """Return the query by hash, for a pasted hash without its slash: no package is called so, and a hash begins so."""
    if connection.execute(select(t.name.c.id).where(t.name.c.text == text)).first() is not None:
        return None
    if (
        connection.execute(select(t.spec.c.id).where(hash_starts_with(t.spec.c.hash, text)).limit(1)).first()
        is None
    ):
        return None
    return SpecQuery(node=NodeQuery(hash=text))


def present_hashes(connection: Connection, prefix: str) -> list[DagHash]:
    """Return the hashes of present specs that begin so, sorted. 1 statement."""
    rows = connection.execute(
        select(t.spec.c.hash)
        .where(hash_starts_with(t.spec.c.hash, prefix), is_known(Scope(), Presence.PRESENT))
        .order_by(t.spec.c.hash)
    )
    return [DagHash(one) for one in rows.scalars()]


def resolve_hash(connection: Connection, text_: str) -> int:
    """Return the key of the one spec whose hash begins so. Raises ``NotInCatalogue`` or ``AmbiguousHash``."""
    prefix = parse_hash_prefix(text_)
    rows = connection.execute(
        select(t.spec.c.id, t.spec.c.hash)
        .where(hash_starts_with(t.spec.c.hash, prefix))
        .order_by(t.spec.c.hash)
        .limit(_LISTED + 1)
    ).all()
    if not rows:
        matched = _longest_match(connection, prefix)
        characters = "character does" if len(matched) == 1 else f"{len(matched)} characters do"
        raise NotInCatalogue(
            f"no spec has a hash that begins with {prefix}",
            hint=f"the first {characters} match: /{matched}"
            if matched
            else "'cachescope search NAME' lists hashes",
        )
    if len(rows) > 1:
        raise AmbiguousHash(prefix, tuple(row.hash for row in rows[:_LISTED]))
    return int(rows[0].id)


def _longest_match(connection: Connection, prefix: str) -> str:
    """Return the longest beginning of ``prefix`` that some hash has: its neighbours in the order of hashes tell."""
    below = connection.execute(select(func.max(t.spec.c.hash)).where(t.spec.c.hash < prefix)).scalar()
    above = connection.execute(select(func.min(t.spec.c.hash)).where(t.spec.c.hash > prefix)).scalar()
    best = ""
    for neighbour in (below, above):
        same = 0
        while neighbour and same < len(prefix) and neighbour[same] == prefix[same]:
            same += 1
        best = max(best, prefix[:same], key=len)
    return best
