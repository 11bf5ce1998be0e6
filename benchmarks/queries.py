"""The benchmark of queries over a synced catalogue: warm, in process, as the site and the API ask; and the whole command.

Who stays reads arrays for broad queries (docs/decisions/0038): that is measured by itself, and done before the queries are.

The peer is Spack's own ``satisfies`` over all present specs of the same index, for the same query: what
``spack buildcache list`` does once it has read the index. Reading it is left out of Spack's time.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cachescope.catalogue.engine import Catalogue, open_for_reading
from cachescope.catalogue.reader import Reader
from cachescope.catalogue.reading_arrays import read_arrays
from measure import ProcessFailed, measure
from peers import NO_SPACK, Spack, cachescope, settings
from sync import GeneratedMirror

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent / "src" / "cachescope" / "catalogue" / "schema.py"
LIMIT = 50
RUNS = 15
WARM_UP = 1
ENOUGH_FOR_ARRAYS = 2
"""Broad queries after which they are answered from arrays."""

PATIENCE = 60.0
"""Seconds after which a query is not asked again."""

BUSY = 5.0
PROCESS = "`cachescope search {package}`, whole process"
PROCESS_BUDGET = 500

WORDS = (
    {
        "package": "hdf5",
        "dependency": "zlib-ng",
        "range": "zlib-ng@2:",
        "virtual": "mpi",
        "provider": "openmpi",
        "pattern": "py-*",
    },
    {
        "package": "cr-hdf",
        "dependency": "cr-zlib",
        "range": "cr-zlib@1:",
        "virtual": "crmpi",
        "provider": "cr-mpi",
        "pattern": "cr-*",
    },
)
"""Packages of real mirrors, and of the bundled sample: the first that the catalogue has are asked for."""

QUERIES: tuple[tuple[str, int | None], ...] = (
    ("{package}", 10),
    ("{package} +mpi target=x86_64_v3 %gcc@12", 20),
    ("{package} +mpi %gcc@12 target=x86_64_v3", 20),
    ("{package} %cmake", 20),
    ("target=x86_64_v3", 100),
    ("@1.2:", 100),
    ("%gcc@12", 100),
    ("%c=gcc", 100),
    ("+mpi", 100),
    ("++mpi", 100),
    ("{pattern}", 100),
    ("build_system=cmake", 100),
    ("+mpi %gcc@12 target=x86_64_v3:", 100),
    ("{package} ^{dependency}", 300),
    ("{package}@1.12: +mpi %gcc@12: ^{provider} target=x86_64_v3:", 300),
    ("^{range}", 300),
    ("^{virtual}", 300),
    ("^{dependency} %gcc@12", 300),
    ("/{hash}", None),
    ("{package}@99 +mpi", None),
)
"""With the budget of the project for 400,000 specs in milliseconds, where it has one. The last one matches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask, and of what."""

    catalogue: Path
    index: Path | None
    """Index of the mirror that the catalogue was made from, for Spack."""

    runs: int
    process_runs: int
    spack: Spack | None
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SpackAnswer:
    """What Spack found, or why it did not answer."""

    seconds: float
    matches: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One query: its text, what it may take, how long each run took, and what it found."""

    text: str
    budget: int | None
    seconds: tuple[float, ...]
    matches: int
    spack: SpackAnswer | None = None


@dataclass(frozen=True, slots=True)
class ArrayFigures:
    """What the arrays take."""

    seconds: tuple[float, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class QueryFigures:
    """All that the benchmark found."""

    rows: tuple[Row, ...]
    arrays: ArrayFigures
    specs: int
    present: int
    not_measured: str | None
    """Why Spack was not asked."""


def synced_catalogue(mirror: GeneratedMirror, environment: Mapping[str, str]) -> Path:
    """Sync the first state of a mirror into a catalogue beside it, unless an earlier run did so with the same tables."""
    tables = hashlib.sha256(SCHEMA.read_bytes()).hexdigest()[:8]
    database: Path = mirror.folder.parent / f"catalogue-{tables}.sqlite"
    if not database.exists():
        mirror.show(mirror.first)
        with tempfile.TemporaryDirectory(dir=database.parent) as name:
            unfinished = Path(name, database.name)
            command = cachescope("sync", str(mirror.folder), "--as", "bench")
            measure(command, settings(environment, unfinished))
            unfinished.replace(database)
    return database


def benchmark(plan: Plan) -> QueryFigures:
    """Ask everything. Raises ``ProcessFailed`` if a process fails, or the catalogue has none of the packages."""
    with open_for_reading(plan.catalogue, busy_timeout=BUSY) as catalogue:
        reader = Reader(catalogue)
        words = _words(reader)
        counts = [source.counts for source in reader.sources()]
        arrays = _read_arrays(catalogue, plan.process_runs)
        for _ in range(ENOUGH_FOR_ARRAYS):
            reader.search("*", ref=None, stack=None, limit=1)
        rows = []
        for template, budget in QUERIES:
            row = _ask(reader, template.format(**words), budget, plan.runs)
            print(f"  {row.text}: {median(row.seconds) * 1000:.1f} ms, {row.matches} match", flush=True)
            rows.append(row)
    told: Mapping[str, SpackAnswer] = {}
    reason = _why_not(plan)
    if reason is None and plan.spack is not None:
        told = dict(_ask_spack(plan, plan.spack, [row.text for row in rows]))
        rows = [Row(row.text, row.budget, row.seconds, row.matches, told[row.text]) for row in rows]
    rows.append(_whole_process(plan, words["package"], rows[0].matches))
    present = sum(one.present for one in counts)
    return QueryFigures(tuple(rows), arrays, sum(one.total for one in counts), present, reason)


def _read_arrays(catalogue: Catalogue, runs: int) -> ArrayFigures:
    seconds, nbytes = [], 0
    for _ in range(runs):
        with catalogue.reading() as connection:
            start = time.perf_counter()
            arrays = read_arrays(connection)
            nbytes = arrays.nbytes if arrays is not None else 0
            seconds.append(time.perf_counter() - start)
    return ArrayFigures(tuple(seconds), nbytes)


def _words(reader: Reader) -> dict[str, str]:
    for words in WORDS:
        found = reader.search(words["package"], ref=None, stack=None, limit=1)
        if found.specs:
            return {**words, "hash": found.specs[0].hash[:7]}
    raise ProcessFailed(f"the catalogue has none of {', '.join(words['package'] for words in WORDS)}")


def _ask(reader: Reader, text: str, budget: int | None, runs: int) -> Row:
    seconds: list[float] = []
    matches = 0
    for _ in range(WARM_UP + runs):
        if len(seconds) > WARM_UP and sum(seconds) > PATIENCE:
            break
        start = time.perf_counter()
        found = reader.search(text, ref=None, stack=None, limit=LIMIT)
        seconds.append(time.perf_counter() - start)
        matches = found.total
    return Row(text, budget, tuple(seconds[WARM_UP:]), matches)


def _whole_process(plan: Plan, package: str, matches: int) -> Row:
    command = cachescope("search", package)
    environment = settings(plan.environment, plan.catalogue)
    measure(command, environment)  # writes the byte code
    runs = tuple(measure(command, environment).seconds for _ in range(plan.process_runs))
    return Row(PROCESS.format(package=package), PROCESS_BUDGET, runs, matches)


def _why_not(plan: Plan) -> str | None:
    if plan.spack is None:
        return NO_SPACK
    return None if plan.index is not None else "the mirror of that catalogue is not known (--mirror)"


def _ask_spack(plan: Plan, spack: Spack, texts: Sequence[str]) -> Iterator[tuple[str, SpackAnswer]]:
    with tempfile.TemporaryDirectory() as name:
        script = str(HERE / "spack_queries.py")
        asked = ("python", script, str(plan.index), json.dumps(texts))
        # Without recipes nothing is virtual to Spack.
        printed = measure(*spack.start(Path(name), plan.environment, *asked)).output
    for row in json.loads(printed.splitlines()[-1]):
        yield row["query"], SpackAnswer(row["seconds"], row["matches"], row["error"])


def block(plan: Plan, figures: QueryFigures) -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        f"{figures.specs:,} specs, {figures.present:,} of them present; the first {LIMIT} and the count of all;"
        f" medians of {plan.runs} runs, or as many as began within a minute; of {plan.process_runs} for the whole process."
    )
    yield (
        f"Broad queries are answered from {figures.arrays.nbytes / 1e6:.0f} MB of arrays, which are read in"
        f" {median(figures.arrays.seconds):.1f} s when the second of them is asked."
    )
    yield ""
    yield "| query | ms | fastest to slowest | budget ms at 400,000 | matches | Spack ms | Spack matches | of Spack |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for row in figures.rows:
        yield f"| {' | '.join([*_own_cells(row), *_spack_cells(row)])} |"
    if figures.not_measured is not None:
        yield f"| Spack's `satisfies` | not measured: {figures.not_measured} | | | | | | |"


def _own_cells(row: Row) -> list[str]:
    text = row.text if row.text.startswith("`") else f"`{row.text}`"
    spread = f"{min(row.seconds) * 1000:.1f} to {max(row.seconds) * 1000:.1f}"
    return [text, f"{median(row.seconds) * 1000:.1f}", spread, str(row.budget or ""), f"{row.matches:,}"]


def _spack_cells(row: Row) -> list[str]:
    if row.spack is None:
        return ["", "", ""]
    if row.spack.error is not None:
        return ["refused", "", ""]
    share = median(row.seconds) / row.spack.seconds
    return [f"{row.spack.seconds * 1000:,.1f}", f"{row.spack.matches:,}", f"{share:.4f}"]
