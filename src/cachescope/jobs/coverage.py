"""How much of a lock file is present: one look-up of all its hashes, and sums over them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.jobs.lock_graph import count_dependents, run_closure
from cachescope.jobs.mirror_sets import mirror_sets
from cachescope.model.coverage import Coverage, MirrorShare, MissingSpec, Tally
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash, MirrorName, PackageName
from cachescope.model.lockfile import LockFile
from cachescope.model.record import Presence
from cachescope.model.results import SpecSummary
from cachescope.model.sightings import CachedSpec, KnownSpec
from cachescope.model.spec import Architecture, ConcreteSpec, VariantSet
from cachescope.query.hosts import judge

__all__ = ["DEPTYPES", "Wanted", "cached_summary", "coverage_of", "look_up", "summary_of"]

DEPTYPES = ("run", "build", "all")

_UNKNOWN_NAME = PackageName("unknown")


@dataclass(slots=True)
class Wanted:
    """A lock file beside what the catalogue knows of its specs."""

    lock: LockFile
    known: Mapping[DagHash, KnownSpec]
    run: set[DagHash]
    """The run closure, which for a list of hashes may reach beyond what is listed."""

    specs: Mapping[DagHash, ConcreteSpec]
    """All that is described: by the lock file, and what is below bare hashes by the catalogue."""

    @property
    def listed(self) -> Iterable[DagHash]:
        """All specs that are asked for."""
        return (*self.lock.specs, *self.lock.bare)

    def is_lacking(self, dag_hash: DagHash) -> bool:
        """Whether a spec is missing, or an external that no source mentions, so that nothing was built with it."""
        presence = self.presence(dag_hash)
        if self.is_external(dag_hash):
            return presence is None
        return presence is None or presence is Presence.MENTIONED

    def is_external(self, dag_hash: DagHash) -> bool:
        """Whether a spec comes from outside of Spack, so that nobody needs a binary of it."""
        spec = self.specs.get(dag_hash)
        return spec is not None and spec.external

    def presence(self, dag_hash: DagHash) -> Presence | None:
        """Return the highest presence that stands; None where nothing is known."""
        known = self.known.get(dag_hash)
        return known.presence if known is not None else None

    def is_present(self, dag_hash: DagHash) -> bool:
        """Whether there is a binary."""
        return self.presence(dag_hash) is Presence.PRESENT


def look_up(lock: LockFile, lookup: LockLookup) -> Wanted:
    """Ask the catalogue about all specs of a lock file; what a bare hash is, it says too."""
    known = lookup.known((*lock.specs, *lock.bare))
    specs = dict(lock.specs)
    keys = [known[one].key for one in lock.bare if one in known]
    if keys:
        described = lookup.described(keys)
        known.update(lookup.known(one for one in described if one not in known))
        specs.update((one, spec) for one, spec in described.items() if one not in specs)
    return Wanted(lock, known, run_closure(lock.roots, specs), specs)


def coverage_of(
    wanted: Wanted, lookup: LockLookup, *, deptypes: str = "all", host: Host | None = None
) -> Coverage:
    """Sum up what is present. ``deptypes`` is ``run`` (link and run closure of the roots), ``build`` (the rest) or ``all``."""
    listed = [one for one in wanted.listed if deptypes == "all" or (one in wanted.run) == (deptypes == "run")]
    counted = [one for one in listed if not wanted.is_external(one)]
    refused = _not_runnable(wanted, lookup, host) if host is not None else {}
    present = [one for one in counted if wanted.is_present(one) and one not in refused]
    there = set(present)
    shares, bits = _by_mirror(wanted, counted, there)
    dependents = count_dependents(wanted.lock)
    missing = [
        one
        for one in counted
        if one not in there and one not in refused and wanted.presence(one) is not Presence.UNSTATED
    ]
    missing.sort(key=lambda one: (-dependents.get(one, 0), one))
    summary = _summaries(wanted)
    sizes = lookup.sizes([wanted.known[one].key for one in present])
    return Coverage(
        files=wanted.lock.names,
        against=lookup.mirrors,
        deptypes=deptypes,
        present=_sorted(map(summary, present)),
        missing=tuple(
            MissingSpec(spec=summary(one), dependents=dependents.get(one, 0), needed_at_run=one in wanted.run)
            for one in missing
        ),
        external=_sorted(summary(one) for one in listed if wanted.is_external(one)),
        unstated=_sorted(summary(one) for one in counted if wanted.presence(one) is Presence.UNSTATED),
        host=host,
        not_runnable=_sorted(refused[one] for one in counted if one in refused),
        tally=_tally(counted, there),
        run=_tally([one for one in counted if one in wanted.run], there),
        build=_tally([one for one in counted if one not in wanted.run], there),
        installable=_is_installable(wanted, refused),
        mirrors=shares,
        sets=mirror_sets(bits, len(counted)),
        bytes_known=sum(sizes.values()),
        bytes_unknown=len(present) - len(sizes),
        warnings=_warnings(wanted),
    )


def _tally(wanted: Sequence[DagHash], there: set[DagHash]) -> Tally:
    return Tally(sum(one in there for one in wanted), len(wanted))


def _is_installable(wanted: Wanted, refused: Mapping[DagHash, SpecSummary]) -> bool:
    return all(
        wanted.is_external(one) or (wanted.is_present(one) and one not in refused) for one in wanted.run
    )


def _by_mirror(
    wanted: Wanted, counted: Sequence[DagHash], there: set[DagHash]
) -> tuple[tuple[MirrorShare, ...], dict[MirrorName, int]]:
    # Set in bytes: an integer would be copied for each spec.
    marks: dict[MirrorName | None, bytearray] = defaultdict(lambda: bytearray(len(counted) // 8 + 1))
    for place, one in enumerate(counted):
        byte, bit = place >> 3, 1 << (place & 7)
        if one in wanted.run:
            marks[None][byte] |= bit
        if one in there:
            for name in wanted.known[one].present_in:
                marks[name][byte] |= bit
    run_bits = int.from_bytes(marks.pop(None, b""), "little")
    run_total = run_bits.bit_count()
    bits = {name: int.from_bytes(found, "little") for name, found in marks.items() if name is not None}
    shares = [
        MirrorShare(
            name=name,
            tally=Tally(found.bit_count(), len(counted)),
            run=Tally((found & run_bits).bit_count(), run_total),
        )
        for name, found in bits.items()
    ]
    shares.sort(key=lambda one: (-one.tally.present, one.name))
    return tuple(shares), bits


def _not_runnable(wanted: Wanted, lookup: LockLookup, host: Host) -> dict[DagHash, SpecSummary]:
    """Return the present specs that do not run on a host; what is unknown is not held against a spec."""
    asked = {
        one: wanted.known[one].key
        for one in wanted.listed
        if wanted.is_present(one) and not wanted.is_external(one)
    }
    libcs = lookup.libcs(list(asked.values()))
    summary = _summaries(wanted)
    refused = {}
    for one, key in asked.items():
        spec = wanted.specs.get(one)
        if spec is None:
            continue
        verdict = judge(host, spec.architecture, libcs.get(key))
        if not verdict.runnable and verdict.kind.value != "unknown":
            refused[one] = summary(one, verdict=verdict)
    return refused


def _summaries(wanted: Wanted) -> Callable[..., SpecSummary]:
    def summary(dag_hash: DagHash, **extra: object) -> SpecSummary:
        return summary_of(dag_hash, wanted.specs.get(dag_hash), wanted.known.get(dag_hash), **extra)

    return summary


def summary_of(
    dag_hash: DagHash, spec: ConcreteSpec | None, known: KnownSpec | None, **extra: object
) -> SpecSummary:
    """Show a spec as every list does; one that is known by its hash alone is called ``unknown``."""
    presence = known.presence if known is not None else None
    places = known.present_in if known is not None else ()
    if spec is None:
        spec = ConcreteSpec(
            dag_hash, _UNKNOWN_NAME, "", "", Architecture("", "", ""), None, VariantSet(b"{}", (), ()),
            "", False, None, 5, (),
        )  # fmt: skip
    return SpecSummary(
        hash=dag_hash,
        name=spec.name,
        version=spec.version,
        compiler=spec.compiler,
        architecture=spec.architecture,
        variants=spec.variants,
        spec_format=spec.spec_format,
        presence=presence if presence is not None else Presence.MENTIONED,
        mirrors=places,
        **extra,  # type: ignore[arg-type]  # the verdict, where a host was asked for
    )


def cached_summary(
    spec: CachedSpec, variants: Mapping[int, VariantSet], presence: Presence, places: tuple[MirrorName, ...]
) -> SpecSummary:
    """Show a spec of the catalogue as every list does."""
    return SpecSummary(
        hash=spec.hash,
        name=spec.name,
        version=spec.version,
        compiler=spec.compiler,
        architecture=spec.architecture,
        variants=variants[spec.variant_set],
        spec_format=spec.spec_format,
        presence=presence,
        mirrors=places,
    )


def _sorted(specs: Iterable[SpecSummary]) -> tuple[SpecSummary, ...]:
    return tuple(sorted(specs, key=lambda one: (one.name, one.version, one.hash)))


def _warnings(wanted: Wanted) -> tuple[str, ...]:
    unknown = sum(one not in wanted.specs for one in wanted.lock.bare)
    notes = list(wanted.lock.warnings)
    if unknown:
        notes.append(
            f"{unknown} hashes are known to no mirror: whether they are externals, and what they need, cannot be told"
        )
    return tuple(notes)
