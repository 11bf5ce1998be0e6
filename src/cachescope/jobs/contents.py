"""What came and went between two parts of the catalogue, points in time or lock files, by package."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from cachescope.catalogue.contents import Held, contents_of
from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.jobs.coverage import cached_summary, summary_of
from cachescope.model.contents import ChangeKind, ContentsDiff, PackageChange, Part, SideTotal
from cachescope.model.identity import DagHash
from cachescope.model.lockfile import LockFile
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.query.versions import version_key

__all__ = ["diff_contents"]

_UNKNOWN = "unknown"


@dataclass(slots=True)
class _Package:
    """The specs of one package on both sides, by hash."""

    before: set[DagHash]
    after: set[DagHash]


def diff_contents(connection: Connection, first: Part | LockFile, second: Part | LockFile) -> ContentsDiff:
    """Compare two sides; externals of lock files are left out. Raises ``NotInCatalogue`` for a side that is unknown."""
    held = [_held(connection, side) for side in (first, second)]
    before, after = held
    packages: dict[str, _Package] = {}
    for dag_hash, one in before.items():
        packages.setdefault(one.name, _Package(set(), set())).before.add(dag_hash)
    for dag_hash, one in after.items():
        packages.setdefault(one.name, _Package(set(), set())).after.add(dag_hash)
    other = before.keys() ^ after.keys()
    summaries = _summaries(connection, {**before, **after}, other, (first, second))
    changes = [
        _change(name, package, before, after, summaries)
        for name, package in sorted(packages.items())
        if package.before != package.after
    ]
    totals = [
        SideTotal(
            name=_name(side),
            moment=side.moment if isinstance(side, Part) else None,
            specs=len(one),
            packages=len({each.name for each in one.values()}),
        )
        for side, one in zip((first, second), held, strict=True)
    ]
    return ContentsDiff(
        first=totals[0], second=totals[1], stay=len(before.keys() & after.keys()), packages=tuple(changes)
    )


def _name(side: Part | LockFile) -> str:
    return side.text if isinstance(side, Part) else ", ".join(side.names)


def _held(connection: Connection, side: Part | LockFile) -> Mapping[DagHash, Held]:
    if isinstance(side, Part):
        return contents_of(connection, side)
    found = {one: Held(0, spec.name, spec.version) for one, spec in side.specs.items() if not spec.external}
    if side.bare:
        lookup = LockLookup(connection)
        known = lookup.known(side.bare)
        specs = lookup.specs([one.key for one in known.values()])
        for one in side.bare:
            spec = specs[known[one].key] if one in known else None
            if spec is None:
                found[one] = Held(0, _UNKNOWN, "")
            elif not spec.external:
                found[one] = Held(spec.key, spec.name, spec.version)
    return found


def _summaries(
    connection: Connection,
    held: Mapping[DagHash, Held],
    wanted: Iterable[DagHash],
    sides: Sequence[Part | LockFile],
) -> Mapping[DagHash, SpecSummary]:
    """Describe specs: by the catalogue, else by the lock file that has them."""
    lookup = LockLookup(connection)
    asked = list(wanted)
    keys = [held[one].key for one in asked if held[one].key]
    cached = lookup.specs(keys)
    variants = lookup.variants({one.variant_set for one in cached.values()})
    locks = [side for side in sides if isinstance(side, LockFile)]
    found: dict[DagHash, SpecSummary] = {}
    for one in asked:
        key = held[one].key
        if key:
            # Where each is now is another question; here the side says it.
            found[one] = cached_summary(cached[key], variants, Presence.PRESENT, ())
        else:
            spec = next((lock.specs[one] for lock in locks if one in lock.specs), None)
            found[one] = summary_of(one, spec, None)
    return found


def _change(
    name: str,
    package: _Package,
    before: Mapping[DagHash, Held],
    after: Mapping[DagHash, Held],
    summaries: Mapping[DagHash, SpecSummary],
) -> PackageChange:
    versions_before = _versions(before[one].version for one in package.before)
    versions_after = _versions(after[one].version for one in package.after)
    if not package.before:
        kind = ChangeKind.CAME
    elif not package.after:
        kind = ChangeKind.WENT
    else:
        kind = ChangeKind.VERSIONS if versions_before != versions_after else ChangeKind.BUILDS
    return PackageChange(
        name=name,
        kind=kind,
        versions_before=versions_before,
        versions_after=versions_after,
        came=_sorted(summaries[one] for one in package.after - package.before),
        went=_sorted(summaries[one] for one in package.before - package.after),
        stay=len(package.before & package.after),
    )


def _versions(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(found), key=lambda one: (version_key(one), one)))


def _sorted(specs: Iterable[SpecSummary]) -> tuple[SpecSummary, ...]:
    return tuple(sorted(specs, key=lambda one: (version_key(one.version), one.hash)))
