"""Why specs of a lock file are missing: nearest binaries, then causes, then what follows from each."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from cachescope.catalogue.lock_lookup import LockLookup
from cachescope.jobs.coverage import Wanted, summary_of
from cachescope.jobs.lock_graph import dependencies_first
from cachescope.jobs.why_causes import Draft, Drafts
from cachescope.jobs.why_compare import Comparer, Evaluation
from cachescope.jobs.why_nearest import nearest_binaries
from cachescope.jobs.why_remedies import note_of, remedy_of
from cachescope.model.identity import DagHash
from cachescope.model.record import Presence
from cachescope.model.spec import Architecture
from cachescope.model.why import Cause, CauseKind, Difference, Lacking, Nearest, WhyReport
from cachescope.query.matching import matches
from cachescope.query.spec_query import SpecQuery
from cachescope.query.universe import Universe
from cachescope.query.versions import version_key

__all__ = ["explain_missing"]

_NEAREST_SHOWN = 3


def explain_missing(wanted: Wanted, lookup: LockLookup, *, only: SpecQuery | None = None) -> WhyReport:
    """Explain all that is missing; ``only`` leaves those that match, and their causes.

    The catalogue is asked for all hashes, then for all binaries of the missing names, their edges, and what differs below.
    """
    order = [*dependencies_first(wanted.specs), *(one for one in wanted.lock.bare if one not in wanted.specs)]
    lacking = [one for one in order if wanted.is_lacking(one)]
    comparer = Comparer(
        lookup, wanted.specs, wanted.known, set(lacking), wanted.lock.external_places, _home(wanted)
    )
    nearest = _nearest(wanted, lookup, lacking, comparer)
    bare_names = {wanted.specs[one].name for one in lacking if one in wanted.specs and not nearest[one]}
    drafts = Drafts(wanted, comparer, nearest, lookup.places_of_names(bare_names))
    drafts.find(lacking)
    listed = set(wanted.listed)
    missing = [one for one in lacking if one in listed and not wanted.is_external(one)]
    shown = list(_matching(wanted, missing, only))
    having = _having(drafts, missing)
    numbers = _ordered(drafts, having, shown)
    places = {number: place for place, number in enumerate(numbers)}
    return WhyReport(
        files=wanted.lock.names,
        against=lookup.mirrors,
        present=sum(wanted.is_present(one) and not wanted.is_external(one) for one in listed),
        external=sum(wanted.is_external(one) for one in listed),
        unstated=sum(wanted.presence(one) is Presence.UNSTATED for one in listed),
        missing=tuple(_lacking(wanted, one, drafts, places) for one in shown),
        causes=tuple(_cause(number, drafts, having.get(number, []), wanted, lookup) for number in numbers),
        notes=tuple(_notes(wanted, comparer, drafts, missing)),
    )


def _nearest(
    wanted: Wanted, lookup: LockLookup, lacking: list[DagHash], comparer: Comparer
) -> dict[DagHash, list[Evaluation]]:
    specs = [wanted.specs[one] for one in lacking if one in wanted.specs]
    found: dict[DagHash, list[Evaluation]] = {one: [] for one in lacking}
    binaries = lookup.candidates({spec.name for spec in specs if not spec.external})
    externals = lookup.candidates({spec.name for spec in specs if spec.external}, externals=True)
    for some in (*binaries.values(), *externals.values()):
        comparer.take(some)
    found.update(nearest_binaries(specs, binaries, externals, comparer))
    return found


def _home(wanted: Wanted) -> Architecture | None:
    """Return what most of the specs that are there are built for."""
    counts = Counter(spec.architecture for one, spec in wanted.specs.items() if wanted.is_present(one))
    return max(counts, key=lambda one: (counts[one], one), default=None)


def _matching(wanted: Wanted, missing: Iterable[DagHash], only: SpecQuery | None) -> Iterator[DagHash]:
    if only is None:
        yield from missing
        return
    universe = Universe.of(wanted.specs.values())
    for one in missing:
        spec = wanted.specs.get(one)
        if spec is not None and matches(only, spec, universe):
            yield one


def _having(drafts: Drafts, missing: list[DagHash]) -> dict[int, list[DagHash]]:
    """Return the missing specs of each cause; of too many to list, those alone that miss for it directly."""
    listed: Mapping[DagHash, Iterable[int]] = {one: drafts.numbers_of(one) for one in missing}
    found: dict[int, list[DagHash]] = {}
    for one in missing:
        for number in listed[one]:
            found.setdefault(number, []).append(one)
    return found


def _ordered(drafts: Drafts, having: Mapping[int, list[DagHash]], shown: list[DagHash]) -> list[int]:
    """Return the causes of what is shown, those that explain most first."""
    asked = {number for one in shown for number in drafts.numbers_of(one)}
    return sorted(asked, key=lambda number: (-len(having[number]), _title(drafts.drafts[number])))


def _title(draft: Draft) -> tuple[str, str]:
    return (draft.about.name if draft.about is not None else "", next(iter(draft.subjects), ""))


def _cause(
    number: int, drafts: Drafts, having: Sequence[DagHash], wanted: Wanted, lookup: LockLookup
) -> Cause:
    draft = drafts.drafts[number]
    bit = 1 << number
    subjects = _subjects(draft, wanted)
    inside = set(subjects) if draft.kind is not CauseKind.DEPENDENCY_UNUSED else set()
    direct = draft.direct if draft.kind is CauseKind.DEPENDENCY_UNUSED else subjects
    packages = sorted({wanted.specs[one].name for one in direct if one in wanted.specs})
    kind = draft.kind
    if kind is CauseKind.SHARED_DIFFERENCE and len(subjects) == 1:
        kind = CauseKind.OWN_FIELD
    about = (
        wanted.specs.get(subjects[0]) if len(packages) == 1 or kind is CauseKind.DEPENDENCY_UNUSED else None
    )
    if draft.kind is CauseKind.SHARED_DIFFERENCE and kind is not CauseKind.OWN_FIELD:
        about = None
    if kind is CauseKind.OWN_FIELD and draft.about is None:
        draft.about = about
    return Cause(
        kind=kind,
        name=about.name if about is not None else None,
        version=about.version if about is not None else None,
        hashes=subjects,
        differences=_differences(draft),
        consequences=tuple(one for one in having if one not in inside),
        remedy=remedy_of(draft, lookup.urls, packages),
        gains=sum(drafts.bits[one] == bit for one in having),
        note=note_of(draft, packages),
        places=draft.places,
        until=_until(draft, wanted),
    )


def _subjects(draft: Draft, wanted: Wanted) -> tuple[DagHash, ...]:
    """Return what a cause is about: missing specs; externals only where nothing else is meant."""
    subjects = tuple(draft.subjects)
    missing = tuple(one for one in subjects if not wanted.is_external(one))
    return subjects if draft.kind is CauseKind.DEPENDENCY_UNUSED else missing or subjects


def _differences(draft: Draft) -> tuple[Difference, ...]:
    if draft.kind is CauseKind.DEPENDENCY_UNUSED and draft.about is not None:
        cached = ", ".join(sorted(draft.alternatives, key=version_key))
        return (Difference(f"dependency:{draft.about.name}", draft.about.version, cached),)
    return draft.differences


def _until(draft: Draft, wanted: Wanted) -> datetime | None:
    if draft.kind is not CauseKind.VANISHED:
        return None
    known = wanted.known[next(iter(draft.subjects))].present_until
    return known[1] if known is not None else None


def _lacking(wanted: Wanted, dag_hash: DagHash, drafts: Drafts, places: Mapping[int, int]) -> Lacking:
    return Lacking(
        spec=summary_of(dag_hash, wanted.specs.get(dag_hash), wanted.known.get(dag_hash)),
        nearest=tuple(
            Nearest(
                hash=one.candidate.hash,
                version=one.candidate.version,
                differences=(*one.own, *_replaced(one, drafts)),
                dependencies_known=one.candidate.recorded,
            )
            for one in drafts.nearest.get(dag_hash, ())[:_NEAREST_SHOWN]
        ),
        follows=drafts.follows.get(dag_hash, ()),
        causes=tuple(sorted(places[number] for number in drafts.numbers_of(dag_hash))),
    )


def _replaced(found: Evaluation, drafts: Drafts) -> list[Difference]:
    """Return the dependencies that are there, but others in the cached binary, by the deepest that differ."""
    return sorted({drafts.dependency(node) for node in found.nodes}, key=lambda one: one.field)


def _notes(wanted: Wanted, comparer: Comparer, drafts: Drafts, missing: list[DagHash]) -> Iterator[str]:
    yield from wanted.lock.warnings
    pages = sum(
        bool(found) and not found[0].candidate.recorded
        for found in (drafts.nearest.get(one) for one in missing)
        if found is not None
    )
    if pages:
        yield (
            f"the nearest binaries of {pages:,} {'spec' if pages == 1 else 'specs'} are known from published pages, which tell neither dependencies nor "
            "recipes: whether these differ cannot be known"
        )
    if drafts.entangled:
        yield (
            "so many specs follow from so many causes that only those are listed that miss for a cause directly"
        )
    if not comparer.complete:
        yield "so much differs that dependencies were not compared down to the deepest: some causes may lie deeper"
