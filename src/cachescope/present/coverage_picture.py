"""The DAG of a lock file as a picture: one lane for each cause with the cone of what follows from it, one for what is there.

From left to right stand the levels of the DAG, what needs nothing first. Within a lane every spec is a sign, as long as they
can be told apart; beyond that the outline alone is drawn. Edges are not: of 300 nodes they are a hairball, and which
dependency a spec misses through stands in the table. All measures are in units of the picture.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cachescope.model.identity import DagHash
from cachescope.model.lock_answers import Explained
from cachescope.model.results import SpecSummary
from cachescope.model.why import Cause, CauseKind
from cachescope.present import wording

__all__ = ["Lane", "Picture", "Sign", "picture_of"]

_WIDTH = 1160
_LARGEST_LANES = 8
_MOST_SIGNS = 400
_MOST_COLUMNS = 58
_PITCH = 10
"""From sign to sign."""

_HEADING = 26
_GAP = 14
_MARGIN = 6
_SHAPE = 36
"""Half the height of the largest outline that stands alone."""

_LONGEST = 100
"""Characters of a lane's heading."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One spec; ``kind`` is ``cause``, ``follows``, ``shared`` (other causes have a part in it), ``present`` or ``other``."""

    kind: str
    x: int
    y: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A cause, or what is present; ``cone`` are the points of its outline."""

    heading: str
    figure: str
    kind: str
    """``cause`` or ``present``."""

    y: int
    """Of the heading's baseline."""

    cone: str
    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All lanes, and what they show in words."""

    width: int
    height: int
    lanes: tuple[Lane, ...]
    levels: int
    words: str
    has_signs: bool


@dataclass(slots=True)
class _Member:
    """A spec that a lane holds."""

    level: int
    kind: str
    title: str


def picture_of(explained: Explained) -> Picture:
    """Lay the picture out."""
    held = _held(explained)
    drawn = sum(len(members) for _, _, _, members in held)
    has_signs = drawn <= _MOST_SIGNS
    deepest = max((one.level for *_, members in held for one in members), default=0)
    columns = min(deepest + 1, _MOST_COLUMNS)
    y = 0
    lanes = []
    largest = max((max(_by_column(members, deepest, columns).values()) for *_, members in held), default=1)
    for heading, figure, kind, members in held:
        lane, height = _lane(
            (heading, figure, kind),
            members,
            y=y,
            columns=columns,
            deepest=deepest,
            largest=0 if has_signs else largest,
        )
        lanes.append(lane)
        y += height
    return Picture(
        width=_WIDTH,
        height=max(y, 1),
        lanes=tuple(lanes),
        levels=deepest + 1,
        words=_words(explained, deepest + 1),
        has_signs=has_signs,
    )


def _words(explained: Explained, levels: int) -> str:
    tally, causes = explained.coverage.tally, len(explained.report.causes)
    return (
        f"{wording.count(tally.total, 'spec')} on {wording.count(levels, 'level')}: {wording.count(tally.present)} present, "
        f"{wording.count(len(explained.report.missing))} missing from {wording.count(causes, 'cause')}. "
        "The lists of causes and of missing specs hold the same as text."
    )


_Held = tuple[str, str, str, list[_Member]]


def _held(explained: Explained) -> list[_Held]:
    """Share the specs out: each missing one into the lane of its cause that explains most, or of the one that it is itself."""
    report, levels = explained.report, explained.levels
    lanes: list[list[_Member]] = [[] for _ in report.causes[:_LARGEST_LANES]]
    others: list[_Member] = []
    own = _own_places(report.causes)
    for one in report.missing:
        place = own.get(one.spec.hash, min(one.causes, default=len(lanes)))
        kind = "cause" if one.spec.hash in own else "follows" if len(one.causes) <= 1 else "shared"
        member = _Member(levels.get(one.spec.hash, 0), kind, _title(one.spec, explained.roots))
        (lanes[place] if place < len(lanes) else others).append(member)
    for place, cause in enumerate(report.causes[: len(lanes)]):
        if cause.kind is CauseKind.DEPENDENCY_UNUSED:
            # It is there itself, so it is no missing spec; but its cone begins at it.
            lanes[place] += [
                _Member(levels.get(one, 0), "cause", f"{cause.name}@{cause.version}, present")
                for one in cause.hashes[:1]
            ]
    found: list[_Held] = [
        (_cut(f"Cause {place}: {cause.note}"), _figure(cause, len(members)), "cause", members)
        for place, (cause, members) in enumerate(zip(report.causes, lanes, strict=False), start=1)
        if members
    ]
    if others:
        further = len(report.causes) - len(lanes)
        found.append(
            (
                f"{wording.count(further, 'further cause')}",
                wording.count(len(others), "spec"),
                "cause",
                others,
            )
        )
    there = list(_there(explained))
    if there:
        external = len(explained.coverage.external)
        found.append(
            (
                "Present" + (f", and {wording.count(external, 'external')}" if external else ""),
                wording.count(len(explained.coverage.present), "spec"),
                "present",
                there,
            )
        )
    return found


def _own_places(causes: Sequence[Cause]) -> dict[DagHash, int]:
    own: dict[DagHash, int] = {}
    for place, cause in enumerate(causes):
        if cause.kind is not CauseKind.DEPENDENCY_UNUSED:
            for one in cause.hashes:
                own.setdefault(one, place)
    return own


def _there(explained: Explained) -> Iterable[_Member]:
    coverage = explained.coverage
    rest = (*coverage.external, *coverage.unstated, *coverage.not_runnable)
    for specs, kind in ((coverage.present, "present"), (rest, "other")):
        for one in specs:
            yield _Member(explained.levels.get(one.hash, 0), kind, _title(one, explained.roots))


def _title(spec: SpecSummary, roots: Sequence[DagHash]) -> str:
    name = f"{spec.name}@{spec.version}" if spec.version else f"/{spec.hash}"
    return f"{name} (root)" if spec.hash in roots else name


def _figure(cause: Cause, drawn: int) -> str:
    """Say how many specs a cause has a part in; those of several causes are drawn once."""
    words = wording.count(len(cause.consequences), "follows", "follow") if cause.consequences else ""
    total = len(cause.consequences) + 1
    if cause.kind is not CauseKind.DEPENDENCY_UNUSED:
        itself = "itself" if len(cause.hashes) == 1 else wording.count(len(cause.hashes))
        words = f"{itself} and {words}" if words else itself
        total = cause.explained
    above = total - drawn
    return f"{words} ({wording.count(above)} drawn in other lanes)" if above > 0 else words


def _cut(text: str) -> str:
    plain = wording.plain(text).replace("\n", " ")
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def _column(level: int, deepest: int, columns: int) -> int:
    return level * columns // (deepest + 1)


def _by_column(members: Sequence[_Member], deepest: int, columns: int) -> Counter[int]:
    return Counter(_column(one.level, deepest, columns) for one in members)


def _lane(
    told: tuple[str, str, str],
    members: Sequence[_Member],
    *,
    y: int,
    columns: int,
    deepest: int,
    largest: int,
) -> tuple[Lane, int]:
    """Lay one lane out; ``largest`` above 0 is the largest column of all lanes, and asks for outlines alone."""
    step = (_WIDTH - 2 * _MARGIN) / columns
    abreast = max(1, int(step // _PITCH) - 1)
    counts = _by_column(members, deepest, columns)
    if largest:
        halves = {place: max(3, round(_SHAPE * count / largest)) for place, count in counts.items()}
    else:
        halves = {place: -(-count // abreast) * _PITCH // 2 + 3 for place, count in counts.items()}
    half = max(halves.values())
    middle = y + _HEADING + half
    placed: dict[int, int] = {}
    signs = []
    ordered = sorted(members, key=lambda one: (one.kind != "cause", one.title))
    for one in ordered if not largest else [each for each in ordered if each.kind == "cause"][:1]:
        place = _column(one.level, deepest, columns)
        number = placed.get(place, 0)
        placed[place] = number + 1
        rows = -(-counts[place] // abreast) if not largest else 1
        wide = min(abreast, counts[place] - number // abreast * abreast) if not largest else 1
        x = _MARGIN + step * (place + 0.5) + _PITCH * (number % abreast - (wide - 1) / 2)
        signs.append(
            Sign(one.kind, round(x), round(middle + _PITCH * (number // abreast - (rows - 1) / 2)), one.title)
        )
    heading, figure, kind = told
    lane = Lane(
        heading=heading,
        figure=figure,
        kind=kind,
        y=y + 15,
        cone=_outline(halves, middle, step),
        signs=tuple(signs),
    )
    return lane, _HEADING + 2 * half + _GAP


def _outline(halves: Mapping[int, int], middle: int, step: float) -> str:
    """Draw around the columns from the first to the last; where a level has none of the lane's specs, it is thin."""
    first, last = min(halves), max(halves)
    upper = []
    lower = []
    for place in range(first, last + 1):
        half = halves.get(place, 2)
        left, right = _MARGIN + step * place + step * 0.1, _MARGIN + step * (place + 1) - step * 0.1
        upper += [(left, middle - half), (right, middle - half)]
        lower += [(left, middle + half), (right, middle + half)]
    return " ".join(f"{round(x)},{round(y)}" for x, y in (*upper, *reversed(lower)))
