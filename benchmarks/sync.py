"""The benchmark of ``cachescope sync``: first sync, nothing changed, a small share changed; and its peers.

All processes of a round run one after another, and rounds are repeated, so that a slow minute of the machine hits
cachescope and its peers alike.
"""

import hashlib
import json
import mmap
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from measure import Measure, ProcessFailed, Row, measure
from nodes import EXAMPLE, INDEX_MANIFEST
from peers import NO_PYTHON, NO_SPACK, Spack, cachescope, not_measured, settings

HERE = Path(__file__).resolve().parent
MIB = 1024 * 1024

GENERATOR = ("nodes.py", "mirror_files.py", "generator.py")
"""What the bytes of a mirror depend on."""

JSON = "`json.loads` of the same bytes"
JSON_NO_GC = "the same, garbage collector off"
ORJSON = "`orjson.loads` of the same bytes"
FLOOR = "`sqlite3` inserting as many rows"
DRAFT = "straightforward draft"
DRAFT_NO_GC = "the draft, garbage collector off"
SPACK = "Spack reading the index"
FIRST = "first sync"
UNCHANGED = "sync, nothing changed"
CHANGED = "sync, {share:.0%} changed"
OTHER = "sync of another mirror, {share:.0%} the same"
SHARE_OTHER = 0.9

LOADS = "import json, pathlib, sys; json.loads(pathlib.Path(sys.argv[1]).read_bytes())"
LOADS_NO_GC = f"import gc; gc.disable(); {LOADS}"
LOADS_ORJSON = "import orjson, pathlib, sys; orjson.loads(pathlib.Path(sys.argv[1]).read_bytes())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, and with what."""

    records: int
    runs: int
    seed: int
    share_changed: float
    nodes: Path | None
    data: Path
    spack: Spack | None
    python: Path | None
    """Of the environment in which the peers stand that are Python packages."""

    peers_only: bool
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GeneratedMirror:
    """A mirror on disk that can be put into either of its two states by exchanging the index manifest."""

    folder: Path
    first: bytes
    changed: bytes
    other: Path | None = None
    """A second mirror, most of whose records the first state has too."""

    def show(self, manifest: bytes) -> None:
        """Put the mirror into the state of ``manifest``."""
        (self.folder / INDEX_MANIFEST).write_bytes(manifest)

    @property
    def index(self) -> Path:
        """Index of the first state."""
        checksum: str = json.loads(self.first)["data"][0]["checksum"]
        return self.folder / "blobs" / "sha256" / checksum[:2] / checksum


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """All that the benchmark found."""

    rows: tuple[Row, ...]
    index_bytes: int
    database_bytes: int | None
    """After the first sync; None where cachescope was not measured."""

    draft_bytes: int
    floor_bytes: int
    edges: int


def generate(plan: Plan) -> GeneratedMirror:
    """Make the mirror in both states, unless an earlier run made the same."""
    folder = plan.data / f"sync-{_fingerprint(plan)}"
    states = (folder / "first.manifest.json", folder / "changed.manifest.json")
    mirror = folder / "mirror"
    if not all(state.exists() for state in states):
        shutil.rmtree(folder, ignore_errors=True)
        for state, share in zip(states, (0.0, plan.share_changed), strict=True):
            _generate(plan, share, mirror)
            state.write_bytes((mirror / INDEX_MANIFEST).read_bytes())
    first, changed = (state.read_bytes() for state in states)
    return GeneratedMirror(mirror, first, changed, _other_mirror(plan, folder))


def _other_mirror(plan: Plan, folder: Path) -> Path | None:
    if plan.peers_only:
        return None
    other = folder / "other"
    if not (other / INDEX_MANIFEST).exists():
        _generate(plan, 1 - SHARE_OTHER, other)
    return other


def _generate(plan: Plan, share_changed: float, out: Path) -> None:
    command = [sys.executable, str(HERE / "generator.py"), "--records", str(plan.records)]
    command += ["--seed", str(plan.seed), "--changed", f"{share_changed:.4f}", "--out", str(out)]
    command += ["--nodes", str(plan.nodes)] if plan.nodes else []
    measure(command, plan.environment)


def _fingerprint(plan: Plan) -> str:
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in GENERATOR))
    digest.update((plan.nodes or EXAMPLE / INDEX_MANIFEST).read_bytes())
    digest.update(f"{plan.records} {plan.seed} {plan.share_changed}".encode())
    return digest.hexdigest()[:12]


def benchmark(plan: Plan) -> SyncFigures:
    """Measure everything ``plan.runs`` times. Raises ``ProcessFailed`` if a process fails or a sync is not whole."""
    mirror = generate(plan)
    work = plan.data / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    processes = Processes(plan, mirror, work)
    measures: dict[str, list[Measure]] = {}
    for number in range(plan.runs):
        for name, one in processes.round(number):
            print(f"  {number + 1}/{plan.runs} {name}: {one.seconds:.2f} s", flush=True)
            measures.setdefault(name, []).append(one)
    return SyncFigures(
        tuple(Row(name, tuple(runs)) for name, runs in measures.items()),
        mirror.index.stat().st_size,
        None if plan.peers_only else processes.database_bytes,
        processes.draft_bytes,
        processes.floor_bytes,
        processes.edges,
    )


class Processes:
    """Runs the processes of one round in turn; remembers the size of the databases that they left."""

    def __init__(self, plan: Plan, mirror: GeneratedMirror, work: Path) -> None:
        self.plan = plan
        self.mirror = mirror
        self.work = work
        self.database_bytes = 0
        self.draft_bytes = 0
        self.floor_bytes = 0
        self.edges = count_edges(mirror.index)

    def round(self, number: int) -> Iterator[tuple[str, Measure]]:
        """Yield name and measure of each process."""
        plan, index = self.plan, str(self.mirror.index)
        self.mirror.show(self.mirror.first)
        yield JSON, measure([sys.executable, "-c", LOADS, index], plan.environment)
        yield JSON_NO_GC, measure([sys.executable, "-c", LOADS_NO_GC, index], plan.environment)
        if plan.python is not None:
            yield ORJSON, measure([str(plan.python), "-c", LOADS_ORJSON, index], plan.environment)
        floor = self.work / f"floor-{number}.sqlite"
        amount = [str(plan.records), str(self.edges)]
        yield FLOOR, measure([sys.executable, str(HERE / "floor.py"), *amount, str(floor)], plan.environment)
        self.floor_bytes = size_of(floor)
        floor.unlink()
        draft = self.work / f"draft-{number}.sqlite"
        command = [sys.executable, str(HERE / "draft.py"), str(self.mirror.folder), str(draft)]
        yield DRAFT, measure(command, plan.environment)
        self.draft_bytes = size_of(draft)
        draft.unlink()
        yield DRAFT_NO_GC, measure([*command, "no-collector"], plan.environment)
        draft.unlink()
        if plan.spack is not None:
            yield SPACK, self._spack(plan.spack, index)
        if not plan.peers_only:
            yield from self._cachescope(self.work / f"cachescope-{number}.sqlite")

    def _spack(self, spack: Spack, index: str) -> Measure:
        """Measure the reading alone: starting Spack is not what is compared."""
        script = str(HERE / "spack_read.py")
        one = measure(*spack.start(self.work / "spack", self.plan.environment, "python", script, index))
        answer = json.loads(one.output.splitlines()[-1])
        _expect(answer["records"], self.plan.records, SPACK)
        return replace(one, seconds=answer["seconds"])

    def _cachescope(self, database: Path) -> Iterator[tuple[str, Measure]]:
        environment = settings(self.plan.environment, database)
        measure(cachescope("--help"), environment)  # writes the byte code
        sync = cachescope("sync", str(self.mirror.folder), "--as", "bench")
        yield FIRST, measure(sync, environment)
        self.database_bytes = size_of(database)
        expect_whole(environment, self.plan.records)
        yield UNCHANGED, measure(sync, environment)
        self.mirror.show(self.mirror.changed)
        yield CHANGED.format(share=self.plan.share_changed), measure(sync, environment)
        expect_whole(environment, self.plan.records)
        other = cachescope("sync", str(self.mirror.other), "--as", "other")
        yield OTHER.format(share=SHARE_OTHER), measure(other, environment)
        expect_whole(environment, 2 * self.plan.records)
        self.mirror.show(self.mirror.first)
        database.unlink()


def expect_whole(environment: Mapping[str, str], records: int) -> None:
    """Raise ``ProcessFailed`` unless the sources of a catalogue hold that many records together."""
    caches = cachescope("caches", "--json")
    answer = subprocess.run(caches, check=False, capture_output=True, env=environment)
    if answer.returncode:
        raise ProcessFailed(f"{' '.join(caches)}: exit code {answer.returncode}\n{answer.stderr.decode()}")
    sources = json.loads(answer.stdout)
    _expect(sum(source["present"] + source["mentioned"] for source in sources), records, "cachescope")


def _expect(records: int, expected: int, name: str) -> None:
    if records != expected:
        raise ProcessFailed(f"{name}: {records} records where {expected} were to be read")


def count_edges(index: Path) -> int:
    """Count the dependencies that the records of an index state."""
    with index.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return sum(1 for _ in re.finditer(rb'"deptypes":', data))


def size_of(database: Path) -> int:
    """Return the bytes of a database with the files that SQLite keeps beside it."""
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))


def block(plan: Plan, figures: SyncFigures) -> Iterator[str]:
    """Yield the lines of the table."""
    rows = {row.name: row for row in figures.rows}
    compared = [name for name in (DRAFT, JSON, ORJSON, FLOOR, SPACK, FIRST) if name in rows]
    nodes = plan.nodes.name if plan.nodes else "the bundled sample"
    size = f"{figures.index_bytes / MIB:.1f} MiB of JSON"
    yield f"{plan.records:,} records with {figures.edges:,} edges made from {nodes}, {size}; rounds: {plan.runs}."
    yield ""
    yield "| process | median s | fastest to slowest | user+sys s | peak MiB |" + "".join(
        f" of {short(name)} |" for name in compared
    )
    yield "|---|--:|--:|--:|--:|" + "--:|" * len(compared)
    for row in figures.rows:
        yield _line(row, [rows[name] for name in compared])
    yield ""
    databases = {"the floor": figures.floor_bytes, "the draft": figures.draft_bytes}
    if figures.database_bytes is not None:
        databases = {"cachescope after the first sync": figures.database_bytes, **databases}
    sizes = [f"of {name} {_database(size, plan.records)}" for name, size in databases.items()]
    yield f"Databases: {'; '.join(sizes)}."
    yield from not_measured(absent(plan))


def absent(plan: Plan) -> dict[str, str | None]:
    """Return why peers of a sync are not measured."""
    return {
        "orjson": None if plan.python else NO_PYTHON,
        "Spack": None if plan.spack else NO_SPACK,
    }


def short(name: str) -> str:
    """Return the name of a process as the head of a column."""
    return {
        DRAFT: "draft",
        JSON: "`json.loads`",
        ORJSON: "`orjson.loads`",
        FLOOR: "`sqlite3`",
        SPACK: "Spack",
    }.get(name, name)


def _line(row: Row, peers: Sequence[Row]) -> str:
    fastest, slowest = row.range
    cells = [
        row.name,
        f"{row.seconds:.2f}",
        f"{fastest:.2f} to {slowest:.2f}",
        f"{row.cpu_seconds:.2f}",
        f"{row.peak_bytes / MIB:.0f}",
        *(f"{row.seconds / peer.seconds:.2f}" for peer in peers),
    ]
    return f"| {' | '.join(cells)} |"


def _database(size: int, records: int) -> str:
    return f"{size / MIB:.1f} MiB, {size / records:.0f} bytes a record"
