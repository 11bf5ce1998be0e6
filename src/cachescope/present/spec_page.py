"""The page of one binary: everything that is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cachescope.model.hosts import HostVerdict
from cachescope.model.identity import ROOT, DagHash, MirrorName
from cachescope.model.record import Presence, Verdict
from cachescope.model.results import SpecReport, SpecSummary
from cachescope.present import urls, wording
from cachescope.present.dag_picture import DagPicture, dag_picture
from cachescope.present.dependency_tree import DependencyTrees, TreeRow, dependency_trees
from cachescope.present.pages import Frame, Moved, PageRequest
from cachescope.present.urls import Scope

__all__ = ["DEPENDENTS_SHOWN", "Closure", "SpecPage", "TreeLine", "closure_words", "size_words", "spec_page"]

DEPENDENTS_SHOWN = 20
_TREE_ROOM = 320
"""Room on a page for both trees: a spec takes 2, one met again 1. Keeps the heaviest page under 100 kB."""

_RECORD_CHARACTERS = 16_000
_MISSING_SHOWN = 6
_HOST_FIELDS = ("os", "target", "glibc")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLine:
    """A line of a dependency tree, with what its nesting opens and closes."""

    row: TreeRow
    opens: int
    """Lists that begin before this line: 0 or 1."""

    closes: int
    """Lists that end before this line."""

    depth: int
    """Lists that are open at this line."""

    first: int
    """For a spec met again: the line, counted from 1, where it stands first; else 0."""

    is_target: bool
    """Whether a later line leads here."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What a binary needs on the host, and how much of it one mirror has."""

    total: int
    mirror: MirrorName | None
    """That of the binary's mirrors which has most of it; None where the binary is present nowhere."""

    present: int
    missing: tuple[SpecSummary, ...]
    """The first of what that mirror has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecPage:
    """One binary."""

    frame: Frame
    result: SpecReport
    headline: str
    """Where the binary is, in a few words."""

    available: bool
    """Whether any source lists a binary."""

    verdict: str
    """The verdict of recomputing the hash, for people; empty where there was nothing to recompute."""

    verified: bool
    verdict_reason: str
    size: str
    closure_size: str
    """Bytes of all that is needed to run; empty where nothing is known of sizes."""

    sizes_asked: bool
    """Whether any source was asked for the size, so that places have something to say of it."""

    trees: DependencyTrees
    to_run: tuple[TreeLine, ...]
    only_to_build: tuple[TreeLine, ...]
    """Cut to what a page can bear; ``trees`` has the totals."""

    trees_cut: bool
    dependents_shown: int
    record: str
    """The raw record; empty where there is none, or where it is too long for a page."""

    record_too_long: bool
    picture: DagPicture | None
    closure: Closure | None
    """None where nothing is needed on the host, or dependencies are not recorded."""

    host: Mapping[str, str]
    """The host that a verdict was asked for, by its parts; empty values where none was given."""

    host_verdict: HostVerdict | None


def spec_page(
    result: SpecReport, request: PageRequest, *, host_verdict: HostVerdict | None = None
) -> SpecPage | Moved:
    """Build the page of one binary; only the whole hash is its address. ``host_verdict`` is that for the asked host."""
    spec = result.spec
    if request.subject != spec.hash:
        return Moved(urls.spec(spec.hash, request.scope))
    scope = _known_scope(result, request.scope)
    trees = dependency_trees(result)
    too_long = len(result.record) > _RECORD_CHARACTERS
    to_run = _cut(trees.to_run, _TREE_ROOM)
    only_to_build = _cut(trees.only_to_build, max(_TREE_ROOM - _room_of(to_run), _TREE_ROOM // 4))
    return SpecPage(
        frame=Frame(
            title=f"{spec.name}@{wording.cut(spec.version)} /{spec.hash[:7]}",
            section="packages",
            address=urls.spec(spec.hash, scope),
            scope=scope,
            now=request.now,
        ),
        result=result,
        headline=headline(result),
        available=spec.presence is Presence.PRESENT,
        verdict=verdict_words(result),
        verified=result.verification is not None and result.verification.verdict is Verdict.VERIFIED,
        verdict_reason=wording.verdict_reason(result),
        size=size_words(result),
        closure_size=closure_words(result),
        sizes_asked=any(place.archive is not None for place in result.places),
        trees=trees,
        to_run=_lines(to_run),
        only_to_build=_lines(only_to_build),
        trees_cut=(to_run, only_to_build) != (trees.to_run, trees.only_to_build),
        dependents_shown=min(len(result.dependents), DEPENDENTS_SHOWN),
        record="" if too_long else result.record,
        record_too_long=too_long,
        picture=dag_picture(result),
        closure=_closure(result, trees),
        host=_host_parts(request.host),
        host_verdict=host_verdict,
    )


def _known_scope(result: SpecReport, scope: Scope) -> Scope:
    """Return the scope, widened until a source of it speaks of the spec: its package has no page within another one."""
    speaking = {place.source.mirror for place in result.places if place.until is None}
    for wider in (scope, scope.only_ref()):
        if any(wider.ref in (None, one.ref) and wider.stack in (None, one.stack) for one in speaking):
            return wider
    return urls.EVERYWHERE


def _host_parts(host: str) -> Mapping[str, str]:
    given = dict(part.split("=", 1) for part in host.split(",") if part)
    return {key: given.get(key, "") for key in _HOST_FIELDS}


def _closure(result: SpecReport, trees: DependencyTrees) -> Closure | None:
    needed = {row.spec.hash: row.spec for row in trees.to_run}
    if not needed:
        return None
    counted = {
        mirror: sum(mirror in spec.mirrors for spec in needed.values()) for mirror in result.spec.mirrors
    }
    if not counted:
        return Closure(len(needed), None, 0, ())
    # Of mirrors that have as much, that of a stack: its index is the smaller one.
    best = max(sorted(counted), key=lambda mirror: (counted[mirror], mirror.stack != ROOT))
    missing = [spec for spec in needed.values() if best not in spec.mirrors]
    return Closure(len(needed), best, counted[best], tuple(missing[:_MISSING_SHOWN]))


def headline(result: SpecReport) -> str:
    """Say where the binary is."""
    spec = result.spec
    if spec.presence is Presence.PRESENT:
        return "Present in " + wording.count(len(spec.mirrors), "mirror")
    if any(place.presence is Presence.PRESENT and place.until for place in result.places):
        return "No binary any more: it was present and is gone"
    if spec.presence is Presence.UNSTATED:
        return "The source does not say whether there is a binary"
    return "No binary: only mentioned as a dependency of others"


def verdict_words(result: SpecReport) -> str:
    """Write the verdict for people."""
    if result.verification is None:
        return ""
    return result.verification.verdict.word.replace("_", " ")


def size_words(result: SpecReport) -> str:
    """Write the size of the binary, or why there is none to tell."""
    if result.external:
        return "nothing to download: the host provides it"
    if result.spec.size is not None:
        return wording.size(result.spec.size)
    if result.spec.presence is not Presence.PRESENT:
        return wording.NOT_KNOWN
    asked = [place for place in result.places if place.archive is not None]
    if not asked:
        return f"{wording.NOT_KNOWN}: 'cachescope sync --sizes' asks for it"
    said = [f"{place.archive.state.word} in {place.source}" for place in asked if place.archive is not None]
    return f"{wording.NOT_KNOWN}: {', '.join(said)}"


def closure_words(result: SpecReport) -> str:
    """Write the size of the binary with all that it needs to run; empty where nothing is known of sizes at all."""
    found = result.spec.closure
    if found is None:
        return ""
    words = wording.size_sum(found)
    return f"{words} in {wording.count(found.total, 'binary', 'binaries')}" if found.is_complete else words


def _room_of(rows: Sequence[TreeRow]) -> int:
    return sum(1 if row.repeated else 2 for row in rows)


def _cut(rows: tuple[TreeRow, ...], room: int) -> tuple[TreeRow, ...]:
    taken = 0
    for place, row in enumerate(rows):
        taken += 1 if row.repeated else 2
        if taken > room:
            return rows[:place]
    return rows


def _lines(rows: tuple[TreeRow, ...]) -> tuple[TreeLine, ...]:
    """Turn depths into lists that open and close."""
    lines: list[TreeLine] = []
    places: dict[DagHash, int] = {}
    for number, row in enumerate(rows, 1):
        places.setdefault(row.spec.hash, number)
    led_to = {places[row.spec.hash] for row in rows if row.repeated}
    depth = 0
    for number, row in enumerate(rows, 1):
        level = min(row.depth, depth + 1)
        lines.append(
            TreeLine(
                row=row,
                opens=int(level > depth),
                closes=max(0, depth - level),
                depth=level,
                first=places[row.spec.hash] if row.repeated else 0,
                is_target=number in led_to,
            )
        )
        depth = level
    return tuple(lines)
