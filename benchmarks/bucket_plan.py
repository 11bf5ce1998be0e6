"""What is in a generated bucket: its refs and stacks, how large each is, and how much each ref keeps of the one before.

The refs are ``develop``, its weekly snapshots, and releases in pairs (a minor release and its patch). A *line* is a chain
of refs: the weekly snapshots one, each pair of releases another. Between two refs of a line a share of the specs goes and
as many come. ``develop`` holds the newest snapshot and what days between left behind: about a third of all specs, as in
the public bucket in July 2025 (378,565 of 1,101,080).
"""

import datetime as dt
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes import Node, Rebuild, rebuilds

DEVELOP = "develop"
ROOT = "root"
STACKS = (
    *(
        "e4s",
        "radiuss",
        "data-vis-sdk",
        "ml-linux-cpu",
        "ml-linux-cuda",
        "hep",
        "developer-tools",
        "build_systems",
    ),
    *(
        "tutorial",
        "bootstrap",
        "e4s-oneapi",
        "e4s-rocm",
        "radiuss-aws",
        "aws-pcluster",
        "gpu-tests",
        "ml-linux-rocm",
    ),
)
RELEASES = ("v0.21", "v0.22", "v0.23", "v1.0", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6")
PATCHES = 2
LAST_WEEK = dt.date(2025, 7, 13)

SHARE_DEVELOP = 0.344
SHARE_REPLACED = (0.2, 0.46)
"""Least and most that one ref replaces of the one before it in its line."""

OVERLAP = 0.12
"""How much a stack holds of another one's specs beside its own, as a share of its own."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The next ref of a line, and how many nodes of a flavour it replaces."""

    ref: str
    replaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavourPlan:
    """One flavour in one line."""

    number: int
    """Unique in the bucket; names its parts."""

    choice: int
    """The same for a flavour in every line: it holds the same nodes there."""

    stack: str
    borrower: str | None
    size: int
    borrowed: int
    """How many of its nodes the borrower holds too."""

    rebuild: Rebuild
    era: str
    """Sets the recipes of a line apart from those of the others."""

    ticks: tuple[Tick, ...]
    days: tuple[int, ...]
    """How many nodes each day after the last tick replaces; what they leave is in ``develop``. Empty for releases."""

    in_develop: bool

    @property
    def distinct(self) -> int:
        """Number of distinct specs."""
        return self.size + sum(tick.replaced for tick in self.ticks) + sum(self.days)


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """All of a bucket."""

    refs: tuple[str, ...]
    stacks: tuple[str, ...]
    flavours: tuple[FlavourPlan, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    era: str
    refs: tuple[str, ...]
    shares: tuple[float, ...]
    """Replaced by each ref; 0 for the first."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A flavour of every line: whose it is, and its sizes."""

    stack: int
    size: int
    borrowed: int


def make_plan(
    nodes: Sequence[Node], *, width: int, refs: int, stacks: int, specs: int, seed: int
) -> BucketPlan:
    """Plan a bucket of exactly ``specs`` distinct specs; ``width`` is the number of nodes that a flavour can hold.

    Raises ``ValueError`` for more refs or stacks than there are names, and for too few specs.
    """
    lines = _lines(refs, seed)
    names = _stack_names(stacks)
    each = _specs_of_one_ref(lines, specs)
    if each < 10 * stacks:
        raise ValueError(
            f"{specs} specs are too few for {refs} refs with {stacks} stacks: {each} for each ref"
        )
    flavour_places = list(_places(each, stacks, width))
    # The first rebuild leaves the nodes as they are.
    settings = tuple(itertools.islice(rebuilds(seed, nodes), 1, 1 + len(flavour_places)))
    numbers = itertools.count()
    ticks = [[_ticks(line, place.size) for place in flavour_places] for line in lines]
    in_lines = sum(
        place.size + sum(tick.replaced for tick in one)
        for of_line in ticks
        for place, one in zip(flavour_places, of_line, strict=True)
    )
    left = apportion(specs - in_lines, [place.size for place in flavour_places])
    flavours = tuple(
        FlavourPlan(
            number=next(numbers),
            choice=choice,
            stack=names[place.stack],
            borrower=names[place.stack - 1] if place.borrowed else None,
            size=place.size,
            borrowed=place.borrowed,
            rebuild=settings[choice],
            era=f"{line.era}, revision {settings[choice].revision}",
            ticks=ticks[line_number][choice],
            days=tuple(_days(left[choice], place.size)) if line.era == DEVELOP else (),
            in_develop=line.era == DEVELOP,
        )
        for line_number, line in enumerate(lines)
        for choice, place in enumerate(flavour_places)
    )
    ordered = (DEVELOP, *(ref for line in lines for ref in line.refs if ref != DEVELOP))
    return BucketPlan(ordered, names, flavours)


def _lines(refs: int, seed: int) -> list[_Line]:
    if refs < 1:
        raise ValueError("a bucket has 1 ref or more")
    released = round((refs - 1) / 3)
    weeks = refs - 1 - released
    if released > len(RELEASES) * PATCHES:
        raise ValueError(f"{refs} refs are more than there are names for")
    dice = random.Random(f"{seed}/shares")
    weekly = [f"{DEVELOP}-{LAST_WEEK - dt.timedelta(weeks=ago)}" for ago in reversed(range(weeks))]
    names = [f"{minor}.{patch}" for minor in RELEASES for patch in range(PATCHES)][:released]
    chains = [(DEVELOP, weekly or [DEVELOP])]
    chains += [
        (chain[0], chain) for chain in (names[at : at + PATCHES] for at in range(0, released, PATCHES))
    ]
    return [
        _Line(era, tuple(chain), (0.0, *(dice.uniform(*SHARE_REPLACED) for _ in chain[1:])))
        for era, chain in chains
    ]


def _stack_names(count: int) -> tuple[str, ...]:
    if not 1 <= count <= len(STACKS):
        raise ValueError(f"a bucket has 1 to {len(STACKS)} stacks")
    return STACKS[:count]


def _specs_of_one_ref(lines: Sequence[_Line], specs: int) -> int:
    """Return how many specs one snapshot or release holds, so that all lines and ``develop`` come to ``specs``."""
    rounds = sum(1 + sum(line.shares) for line in lines)
    if rounds > 1:
        each = (1 - SHARE_DEVELOP) * specs / (rounds - 1)
        if each * 4 / 3 <= SHARE_DEVELOP * specs:
            return int(each)
    # Few refs: develop is not so much larger than they are.
    return int(specs / (rounds + 1 / 3))


def _places(each: int, stacks: int, width: int) -> Iterator[_Place]:
    """Yield the flavours of all stacks; the first stack is the largest."""
    sizes = apportion(each, [1 / math.sqrt(place + 1) for place in range(stacks)])
    for stack, size in enumerate(sizes):
        # The stack before this one borrows from it; the last one borrows from the first.
        wanted = round(OVERLAP * sizes[stack - 1]) if stacks > 1 else 0
        for own in apportion(size, [1.0] * math.ceil(size / width)):
            borrowed = min(own, wanted)
            wanted -= borrowed
            yield _Place(stack, own, borrowed)


def _ticks(line: _Line, size: int) -> tuple[Tick, ...]:
    return tuple(Tick(ref, round(share * size)) for ref, share in zip(line.refs, line.shares, strict=True))


def _days(count: int, size: int) -> Iterator[int]:
    while count > 0:
        day = min(count, max(1, size // 3))
        yield day
        count -= day


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Divide a whole number by weights; what rounding leaves goes to the largest remainders, the first ones first."""
    exact = [total * weight / sum(weights) for weight in weights]
    parts = [int(one) for one in exact]
    order = sorted(range(len(parts)), key=lambda at: (parts[at] - exact[at], at))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts
