"""Makes a bucket: for each ref a mirror of each stack, ``root`` as their union, and ``cache_spack_io_index.json``.

Flavours are made first, several at once, each writing its records for every ref as parts of an index; then the parts
are joined, several refs at once. The records of a flavour stand in its stack, in ``root``, and those that another stack
borrows in that one too: made once, copied after. Memory holds one flavour for each process, whatever the size.
"""

import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from bucket_plan import DEVELOP, ROOT, BucketPlan, FlavourPlan, make_plan
from flavours import Flavour, Members, Recipes, closed_choice, places, prepare
from mirror_files import IndexWriter, write_spec_manifest
from nodes import Node

DIRECTORY = "cache_spack_io_index.json"
CONTENTS = "contents.json"
BASE_URL = "s3://cachescope-bench/"
"""Stands in the directory before the mirrors; the setting ``public_addresses`` says where that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which bucket to make, and where."""

    out: Path
    nodes: Sequence[Node]
    refs: int
    stacks: int
    specs: int
    seed: int
    share_present: float
    manifests: int
    base_url: str


@dataclass(frozen=True, slots=True)
class MirrorContents:
    """What was written for one mirror."""

    ref: str
    stack: str
    records: int
    present: int
    bytes: int
    url: str


@dataclass(frozen=True, slots=True)
class BucketContents:
    """What was written in all."""

    distinct: int
    mirrors: tuple[MirrorContents, ...]
    manifests: int

    @property
    def records(self) -> int:
        """Records of all indexes."""
        return sum(mirror.records for mirror in self.mirrors)

    @property
    def bytes(self) -> int:
        """Size of all indexes."""
        return sum(mirror.bytes for mirror in self.mirrors)


Counts = Counter[tuple[str, str, str]]
"""Records by (ref, stack, ``records`` or ``present``)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A mirror that holds records of a flavour."""

    part: str
    """Ending of the part: the owner's goes into ``root`` too."""

    stacks: tuple[str, ...]
    members: Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What every process needs."""

    out: Path
    parts: Path
    recipes: Recipes
    plan: BucketPlan
    seed: int
    share_present: float
    base_url: str
    with_names: bool
    """Keep what manifests are named by."""


def write_bucket(request: Request) -> BucketContents:
    """Write a bucket; its directory last. Raises ``ValueError`` for a bucket that cannot be planned."""
    recipes = prepare(request.nodes)
    plan = make_plan(
        request.nodes,
        width=len(recipes.nodes),
        refs=request.refs,
        stacks=request.stacks,
        specs=request.specs,
        seed=request.seed,
    )
    request.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=request.out, prefix="parts-") as name:
        making = Making(
            out=request.out,
            parts=Path(name),
            recipes=recipes,
            plan=plan,
            seed=request.seed,
            share_present=request.share_present,
            base_url=request.base_url,
            with_names=request.manifests > 0,
        )
        contents = _write_mirrors(making, request.manifests)
    _write_directory(request.out, contents)
    return contents


def _write_mirrors(making: Making, manifests: int) -> BucketContents:
    plan = making.plan
    for ref in plan.refs:
        (making.parts / ref).mkdir()
    counts: Counts = Counter()
    distinct = 0
    with ProcessPoolExecutor(os.cpu_count(), initializer=_share, initargs=(making,)) as pool:
        for specs, counted in pool.map(make_parts, plan.flavours):
            distinct += specs
            counts += counted
        indexes = [index for of_ref in pool.map(join_parts, plan.refs) for index in of_ref]
    mirrors = tuple(
        MirrorContents(
            ref=index.ref,
            stack=index.stack,
            records=counts[index.ref, index.stack, "records"],
            present=counts[index.ref, index.stack, "present"],
            bytes=index.bytes,
            url=index.url,
        )
        for index in indexes
    )
    return BucketContents(distinct, mirrors, _write_manifests(making, manifests))


_shared: list[Making] = []


def _share(making: Making) -> None:
    # Handed to each process once: with every task it would be pickled anew.
    _shared[:] = [making]


def make_parts(plan: FlavourPlan) -> tuple[int, Counts]:
    """Make one flavour of one line and write its part of every index; return its distinct specs and what was written."""
    [making] = _shared
    recipes = making.recipes
    choice = random.Random(f"{making.seed}/choice/{plan.choice}")
    mask = closed_choice(recipes, (1 << len(recipes.nodes)) - 1, plan.size, choice)
    flavour = Flavour(recipes, mask, plan.rebuild, plan.era)
    parts = Parts(making, plan, flavour, tuple(_holders(making, plan, mask, choice)))
    dice = random.Random(f"{making.seed}/{plan.era}/{plan.choice}")
    for tick in plan.ticks:
        flavour.tick(tick.replaced, dice, f"for {tick.ref}")
        if tick.ref != DEVELOP:
            parts.write(tick.ref, flavour.state())
    if plan.in_develop:
        kept = flavour.state()
        for number, replaced in enumerate(plan.days):
            flavour.tick(replaced, dice, f"on day {number}")
            kept |= flavour.state()
        parts.write(DEVELOP, kept)
    return len(flavour.slices), parts.counts


def _holders(making: Making, plan: FlavourPlan, mask: int, dice: random.Random) -> Iterator[Holder]:
    """Yield the stack that a flavour belongs to, and the one that borrows: there what only building needs is absent."""
    recipes = making.recipes
    externals = mask & bit_mask(place for place, node in enumerate(recipes.nodes) if node.get("external"))
    build_only = [place for place in places(mask & ~externals) if place in recipes.build_only]
    more = round(plan.size * (1 - making.share_present)) - externals.bit_count()
    absent = dice.sample(build_only, min(max(more, 0), len(build_only)))
    yield Holder("whole", (plan.stack, ROOT), Members(mask, externals | bit_mask(absent)))
    if plan.borrower is not None:
        borrowed = closed_choice(recipes, mask, plan.borrowed, dice)
        yield Holder("borrowed", (plan.borrower,), Members(borrowed, externals | bit_mask(build_only)))


class Parts:
    """Writes the parts of one flavour, and counts what is in them."""

    def __init__(
        self, making: Making, plan: FlavourPlan, flavour: Flavour, holders: Sequence[Holder]
    ) -> None:
        self.making = making
        self.plan = plan
        self.flavour = flavour
        self.holders = holders
        self.counts: Counts = Counter()

    def write(self, ref: str, slices: Iterable[int]) -> None:
        """Write what each holder has of these slices at one ref."""
        for holder in self.holders:
            held = self.flavour.within(slices, holder.members)
            part = self.making.parts / ref / f"{self.plan.number}.{holder.part}"
            part.write_bytes(self.flavour.records(held, holder.members))
            binaries = list(self.flavour.binaries(held, holder.members))
            if self.making.with_names:
                names = "".join(f"{name} {version} {digest}\n" for name, version, digest in binaries)
                part.with_name(f"{part.name}.names").write_text(names, encoding="ascii")
            for stack in holder.stacks:
                self.counts[ref, stack, "records"] += len(held)
                self.counts[ref, stack, "present"] += len(binaries)


@dataclass(frozen=True, slots=True)
class WrittenIndex:
    """One index as it was written."""

    ref: str
    stack: str
    bytes: int
    url: str


def join_parts(ref: str) -> list[WrittenIndex]:
    """Join the parts of one ref into the indexes of its mirrors; each part is read once, and deleted."""
    [making] = _shared
    written: list[WrittenIndex] = []
    with ExitStack() as stack_of_files:
        root = stack_of_files.enter_context(IndexWriter(making.out / ref))
        writers = {
            stack: stack_of_files.enter_context(IndexWriter(making.out / ref / stack))
            for stack in making.plan.stacks
        }
        for plan in making.plan.flavours:
            whole = making.parts / ref / f"{plan.number}.whole"
            if not whole.exists():
                continue  # a flavour of another line
            records = whole.read_bytes()
            root.add(records)
            writers[plan.stack].add(records)
            whole.unlink()
            if plan.borrower is not None:
                borrowed = whole.with_suffix(".borrowed")
                writers[plan.borrower].add(borrowed.read_bytes())
                borrowed.unlink()
    for stack, writer in {ROOT: root, **writers}.items():
        url = f"{making.base_url}{writer.path.relative_to(making.out).as_posix()}"
        written.append(WrittenIndex(ref, stack, writer.size, url))
    return written


def _write_manifests(making: Making, count: int) -> int:
    """Write up to ``count`` spec manifests, mirror by mirror; return how many there are."""
    binaries = islice(_binaries(making), count)
    written = 0
    for folder, name, version, digest in binaries:
        write_spec_manifest(folder, name, version, digest)
        written += 1
    return written


def _binaries(making: Making) -> Iterator[tuple[Path, str, str, str]]:
    """Yield mirror, name, version and hash of every binary: refs in order, of each ref ``root`` first."""
    for ref in making.plan.refs:
        for stack in (ROOT, *making.plan.stacks):
            folder = making.out / ref if stack == ROOT else making.out / ref / stack
            for plan in making.plan.flavours:
                parts = ["whole"] if stack in {ROOT, plan.stack} else []
                parts += ["borrowed"] if stack == plan.borrower else []
                for part in parts:
                    names = making.parts / ref / f"{plan.number}.{part}.names"
                    for line in names.read_text(encoding="ascii").splitlines() if names.exists() else ():
                        name, version, digest = line.split(" ")
                        yield folder, name, version, digest


def bit_mask(chosen: Iterable[int]) -> int:
    """Return the bit mask of positions."""
    mask = 0
    for place in chosen:
        mask |= 1 << place
    return mask


def _write_directory(out: Path, contents: BucketContents) -> None:
    told = {
        "distinct": contents.distinct,
        "records": contents.records,
        "bytes": contents.bytes,
        "manifests": contents.manifests,
        "mirrors": [asdict(mirror) for mirror in contents.mirrors],
    }
    (out / CONTENTS).write_text(json.dumps(told, indent=1), encoding="ascii")
    directory: dict[str, list[dict[str, str]]] = {}
    for mirror in contents.mirrors:
        directory.setdefault(mirror.ref, []).append({"label": mirror.stack, "url": mirror.url})
    (out / DIRECTORY).write_text(json.dumps(directory), encoding="ascii")
