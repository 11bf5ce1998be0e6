"""What a pull is asked for: a query, or the specs of a lock file; and what of it the sources have."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.catalogue.pull_selection import PullSelection, matching, select_pull, specs_of_hashes
from cachescope.jobs.coverage import Wanted, look_up
from cachescope.model.errors import NotInCatalogue
from cachescope.model.lockfile import LockFile
from cachescope.model.pull import MissingBinary
from cachescope.model.sightings import Against

__all__ = ["choose_for_lock", "choose_for_query", "refuse_gaps"]

_NAMED = 10


def choose_for_query(
    connection: Connection, query: str, sources: Sequence[Against], *, with_build: bool
) -> PullSelection:
    """Choose the binaries of the sources that match, with what they need.

    Raises ``QuerySyntaxError``, and ``NotInCatalogue`` where nothing matches or a source is not there.
    """
    found = select_pull(
        connection,
        sources=sources,
        roots=matching(connection, query),
        only_present_roots=True,
        with_build=with_build,
    )
    if not found.roots:
        names = ", ".join(str(one) for one in sources)
        raise NotInCatalogue(
            f"{names} has no binary that matches {query}",
            hint=f"'cachescope search {query}' shows what other mirrors have",
        )
    return found


def choose_for_lock(
    connection: Connection, lock: LockFile, sources: Sequence[Against], *, with_build: bool
) -> PullSelection:
    """Choose the run closure of a lock file, or all that it names. Raises ``NotInCatalogue`` for a source that is not there."""
    wanted = look_up(lock, LockLookup(connection, sources))
    asked = wanted.listed if with_build else wanted.run
    hashes = sorted({one for one in asked if not wanted.is_external(one)})
    keys = specs_of_hashes(connection, hashes)
    found = select_pull(
        connection,
        sources=sources,
        roots=sorted(keys.values()),
        only_present_roots=False,
        with_build=with_build,
    )
    unknown = [MissingBinary(one, "unknown", "", "") for one in hashes if one not in keys]
    missing = [_named(one, wanted) for one in (*found.missing, *unknown)]
    missing.sort(key=lambda one: (one.name, one.version, one.hash))
    return replace(found, roots=len(lock.roots), missing=missing)


def _named(one: MissingBinary, wanted: Wanted) -> MissingBinary:
    """Name a spec as the lock file does: the catalogue may know it by its hash alone."""
    spec = wanted.specs.get(one.hash)
    return replace(one, name=str(spec.name), version=spec.version) if spec is not None else one


def refuse_gaps(selection: PullSelection) -> None:
    """Raise ``NotInCatalogue`` where something of the closure has no binary, and name it."""
    missing = selection.missing
    if not missing:
        return
    named = "; ".join(
        f"{one.name}@{one.version} /{one.hash[:7]}"
        + (f" (needed by {one.needed_by})" if one.needed_by else "")
        for one in missing[:_NAMED]
    )
    more = f"; and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    raise NotInCatalogue(
        f"no source has a binary of {len(missing):,} of the specs that are needed: {named}{more}",
        hint="add a source with --from, or pull what there is with --incomplete; --dry-run lists all",
    )
