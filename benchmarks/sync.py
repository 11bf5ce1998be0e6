"""The benchmark of ``cachescope sync``: first sync, nothing changed, a small share changed; and its peers.

All processes of a round run one after another, and rounds are repeated, so that a slow minute of the machine hits
cachescope and its peers alike.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from measure import Measure, ProcessFailed, Row, measure
from nodes import EXAMPLE, INDEX_MANIFEST

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "src"

GENERATOR = ("nodes.py", "mirror_files.py", "generator.py")
"""What the bytes of a mirror depend on."""

JSON = "`json.loads` of the same bytes"
JSON_NO_GC = "the same, garbage collector off"
DRAFT = "straightforward draft"
DRAFT_NO_GC = "the draft, garbage collector off"
SPACK = "Spack reading the index"
FIRST = "first sync"
UNCHANGED = "sync, nothing changed"
CHANGED = "sync, {share:.0%} changed"

LOADS = "import json, pathlib, sys; json.loads(pathlib.Path(sys.argv[1]).read_bytes())"
LOADS_NO_GC = f"import gc; gc.disable(); {LOADS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, and with what."""

    records: int
    runs: int
    seed: int
    share_changed: float
    nodes: Path | None
    data: Path
    spack_root: Path | None
    spack_python: str
    peers_only: bool
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GeneratedMirror:
    """A mirror on disk that can be put into either of its two states by exchanging the index manifest."""

    folder: Path
    first: bytes
    changed: bytes

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


def generate(plan: Plan) -> GeneratedMirror:
    """Make the mirror in both states, unless an earlier run made the same."""
    folder = plan.data / f"sync-{_fingerprint(plan)}"
    states = (folder / "first.manifest.json", folder / "changed.manifest.json")
    mirror = folder / "mirror"
    if not all(state.exists() for state in states):
        shutil.rmtree(folder, ignore_errors=True)
        for state, share in zip(states, (0.0, plan.share_changed), strict=True):
            command = [sys.executable, str(HERE / "generator.py"), "--records", str(plan.records)]
            command += ["--seed", str(plan.seed), "--changed", str(share), "--out", str(mirror)]
            command += ["--nodes", str(plan.nodes)] if plan.nodes else []
            measure(command, plan.environment)
            state.write_bytes((mirror / INDEX_MANIFEST).read_bytes())
    return GeneratedMirror(mirror, *(state.read_bytes() for state in states))


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
    )


class Processes:
    """Runs the processes of one round in turn; remembers the size of the databases that they left."""

    def __init__(self, plan: Plan, mirror: GeneratedMirror, work: Path) -> None:
        self.plan = plan
        self.mirror = mirror
        self.work = work
        self.database_bytes = 0
        self.draft_bytes = 0

    def round(self, number: int) -> Iterator[tuple[str, Measure]]:
        """Yield name and measure of each process."""
        plan, index = self.plan, str(self.mirror.index)
        self.mirror.show(self.mirror.first)
        yield JSON, measure([sys.executable, "-c", LOADS, index], plan.environment)
        yield JSON_NO_GC, measure([sys.executable, "-c", LOADS_NO_GC, index], plan.environment)
        draft = self.work / f"draft-{number}.sqlite"
        command = [sys.executable, str(HERE / "draft.py"), str(self.mirror.folder), str(draft)]
        yield DRAFT, measure(command, plan.environment)
        self.draft_bytes = _size(draft)
        draft.unlink()
        yield DRAFT_NO_GC, measure([*command, "no-collector"], plan.environment)
        if plan.spack_root is not None:
            yield SPACK, self._spack(plan.spack_root, index)
        if not plan.peers_only:
            yield from self._cachescope(self.work / f"cachescope-{number}.sqlite")

    def _spack(self, root: Path, index: str) -> Measure:
        """Measure the reading alone: starting Spack is not what is compared."""
        configuration = self.work / "spack"
        configuration.mkdir(exist_ok=True)
        # No package repository: reading an index needs none, and Spack would download one.
        (configuration / "repos.yaml").write_text("repos:: {}\n", encoding="ascii")
        environment = {
            **self.plan.environment,
            "SPACK_PYTHON": self.plan.spack_python,
            "SPACK_DISABLE_LOCAL_CONFIG": "1",
            "SPACK_USER_CACHE_PATH": str(configuration / "cache"),
        }
        command = [str(root / "bin" / "spack"), "-C", str(configuration)]
        one = measure([*command, "python", str(HERE / "spack_read.py"), index], environment)
        answer = json.loads(one.output.splitlines()[-1])
        _expect(answer["records"], self.plan.records, SPACK)
        return replace(one, seconds=answer["seconds"])

    def _cachescope(self, database: Path) -> Iterator[tuple[str, Measure]]:
        environment = {
            **self.plan.environment,
            "PYTHONPATH": str(SOURCES),
            "CACHESCOPE_DB": str(database),
            # Settings of the person who runs the benchmark stay out of it.
            "XDG_CONFIG_HOME": str(self.work),
        }
        cachescope = [sys.executable, "-m", "cachescope"]
        measure([*cachescope, "--help"], environment)  # writes the byte code
        sync = [*cachescope, "sync", str(self.mirror.folder), "--as", "bench"]
        yield FIRST, measure(sync, environment)
        self.database_bytes = _size(database)
        self._expect_whole(cachescope, environment)
        yield UNCHANGED, measure(sync, environment)
        self.mirror.show(self.mirror.changed)
        yield CHANGED.format(share=self.plan.share_changed), measure(sync, environment)
        self._expect_whole(cachescope, environment)

    def _expect_whole(self, cachescope: list[str], environment: Mapping[str, str]) -> None:
        caches = [*cachescope, "caches", "--json"]
        answer = subprocess.run(caches, check=False, capture_output=True, env=environment)
        if answer.returncode:
            raise ProcessFailed(
                f"{' '.join(caches)}: exit code {answer.returncode}\n{answer.stderr.decode()}"
            )
        sources = json.loads(answer.stdout)
        _expect(sum(source["present"] + source["mentioned"] for source in sources), self.plan.records, FIRST)


def _expect(records: int, expected: int, name: str) -> None:
    if records != expected:
        raise ProcessFailed(f"{name}: {records} records where {expected} are in the index")


def _size(database: Path) -> int:
    """Return the bytes of a database with the files that SQLite keeps beside it."""
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))
