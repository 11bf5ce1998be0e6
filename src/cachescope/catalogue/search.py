"""The read side: specs by name, glob or hash prefix. The spec language takes the place of this simple form later."""

import difflib
import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.scope import checked_scope, current_presence
from cachescope.catalogue.summaries_of_specs import read_summaries, select_specs
from cachescope.model.errors import AmbiguousHash, NotInCatalogue, QuerySyntaxError, UserInputError
from cachescope.model.identity import DAG_HASH_LENGTH, PackageName, Ref, Stack, parse_hash_prefix
from cachescope.model.record import Presence
from cachescope.model.results import SearchResult

__all__ = ["hash_starts_with", "near_names", "resolve_hash", "search"]

_GLOB = re.compile(r"[A-Za-z0-9_.*?-]+")
_NAME_CHARACTERS = re.compile(r"[A-Za-z0-9_.*?/-]")
_LISTED = 10


def search(
    connection: Connection, query: str, *, ref: Ref | None, stack: Stack | None, limit: int, mentioned: bool
) -> SearchResult:
    """Find specs by name, glob or ``/hash``, by name, newest version first. At most 5 statements (and 1 more for 500 rows)."""
    text = query.strip()
    condition = _condition(text)
    scope = checked_scope(connection, ref, stack)
    presence = current_presence(scope, condition)
    wanted = presence.c.state >= int(Presence.MENTIONED if mentioned else Presence.PRESENT)
    total = connection.execute(select(func.count()).select_from(presence).where(wanted)).scalar_one()
    statement = (
        select_specs(presence)
        .where(wanted)
        .order_by(
            t.name.c.text, t.version.c.key.desc(), t.architecture.c.os, t.architecture.c.target, t.spec.c.hash
        )
    )
    if limit:
        statement = statement.limit(limit)
    specs = read_summaries(connection, connection.execute(statement), scope) if total else []
    suggestions = () if total or text.startswith("/") else near_names(connection, text)
    return SearchResult(query=text, total=total, specs=tuple(specs), suggestions=suggestions)


def _condition(text: str) -> ColumnElement[bool]:
    if text.startswith("/"):
        try:
            return hash_starts_with(parse_hash_prefix(text))
        except UserInputError as error:
            raise QuerySyntaxError(
                error.message, query=text, start=0, end=len(text), hint=error.hint
            ) from error
    if not _GLOB.fullmatch(text):
        bad = next((at for at, character in enumerate(text) if not _NAME_CHARACTERS.match(character)), 0)
        raise QuerySyntaxError(
            "the query is empty" if not text else f"{text[bad]!r} is not understood here",
            query=text,
            start=bad,
            end=min(bad + 1, len(text)),
            hint="search by a name (hdf5), a pattern (py-*) or the beginning of a hash (/33pd4gq)",
        )
    if "*" in text or "?" in text:
        pattern = (
            text.replace("\\", r"\\")
            .replace("%", r"\%")
            .replace("_", r"\_")
            .replace("*", "%")
            .replace("?", "_")
        )
        names = select(t.name.c.id).where(t.name.c.text.like(pattern, escape="\\"))
        return t.spec.c.name_id.in_(names)
    return t.spec.c.name_id == select(t.name.c.id).where(t.name.c.text == text).scalar_subquery()


def hash_starts_with(prefix: str) -> ColumnElement[bool]:
    """Return the condition for a beginning of a hash, as a range that the index on hashes answers."""
    if len(prefix) == DAG_HASH_LENGTH:
        return t.spec.c.hash == prefix
    return t.spec.c.hash.between(prefix, prefix + "~")  # '~' sorts after every character of a hash


def resolve_hash(connection: Connection, text: str) -> int:
    """Return the key of the one spec whose hash begins so. Raises ``NotInCatalogue`` or ``AmbiguousHash``."""
    prefix = parse_hash_prefix(text)
    rows = connection.execute(
        select(t.spec.c.id, t.spec.c.hash)
        .where(hash_starts_with(prefix))
        .order_by(t.spec.c.hash)
        .limit(_LISTED + 1)
    ).all()
    if not rows:
        matched = _longest_match(connection, prefix)
        raise NotInCatalogue(
            f"no spec has a hash that begins with {prefix}",
            hint=f"the first {len(matched)} characters, /{matched}, do match"
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


def near_names(connection: Connection, text: str, *, count: int = 3) -> tuple[PackageName, ...]:
    """Return names of packages that are spelt nearly so. Looks at names alone, of which there are some thousands."""
    bare = text.strip("*?")
    if not bare:
        return ()
    names: Sequence[str] = (
        connection.execute(
            select(t.name.c.text).where(
                t.name.c.id.in_(select(t.package_summary.c.name_id)), t.name.c.text != ""
            )
        )
        .scalars()
        .all()
    )
    prefixed = [name for name in names if name in {f"py-{bare}", f"r-{bare}", bare.removeprefix("py-")}]
    near = difflib.get_close_matches(bare, names, n=count, cutoff=0.7)
    return tuple(PackageName(name) for name in dict.fromkeys([*prefixed, *near]))[:count]
