"""The benchmark of a whole bucket: all refs and stacks over HTTP from loopback, first and again."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bucket import BASE_URL, CONTENTS
from listening import listening
from measure import Measure, Row, measure
from nodes import EXAMPLE, INDEX_MANIFEST
from peers import NO_PYTHON, cachescope, not_measured, settings
from sync import GENERATOR, MIB, Plan, expect_whole, size_of

HERE = Path(__file__).resolve().parent
BUCKET_GENERATOR = (*GENERATOR, "flavours.py", "bucket_plan.py", "bucket.py")

FIRST = "first sync of all"
UNCHANGED = "sync of all, nothing changed"
JSON = "`json.loads` of each, collector off"
ORJSON = "`orjson.loads` of each"
_EACH = "import {0}, pathlib, sys; [{0}.loads(pathlib.Path(one).read_bytes()) and None for one in sys.stdin.read().split()]"


@dataclass(frozen=True, slots=True)
class Size:
    """How large the bucket is."""

    refs: int
    stacks: int
    specs: int


@dataclass(frozen=True, slots=True)
class BucketFigures:
    """All that the benchmark found."""

    rows: tuple[Row, ...]
    contents: dict[str, Any]
    database_bytes: int


def generate(plan: Plan, size: Size) -> Path:
    """Make the bucket, unless an earlier run made the same."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in BUCKET_GENERATOR))
    digest.update((plan.nodes or EXAMPLE / INDEX_MANIFEST).read_bytes())
    digest.update(f"{size} {plan.seed}".encode())
    out = plan.data / f"bucket-{digest.hexdigest()[:12]}"
    if not (out / CONTENTS).exists():
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, str(HERE / "generator.py"), "--seed", str(plan.seed), "--out", str(out)]
        command += ["--refs", str(size.refs), "--stacks", str(size.stacks), "--specs", str(size.specs)]
        command += ["--nodes", str(plan.nodes)] if plan.nodes else []
        measure(command, plan.environment)
    return out


def benchmark(plan: Plan, bucket: Path, runs: int) -> BucketFigures:
    """Sync all mirrors, twice each round, and let the peers read the same documents. Raises ``ProcessFailed``."""
    contents = json.loads((bucket / CONTENTS).read_bytes())
    work = plan.data / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    measures: dict[str, list[Measure]] = {}
    database_bytes = 0
    server = [sys.executable, str(HERE / "loopback.py"), str(bucket)]
    with listening(server, plan.environment) as port:
        url = f"http://127.0.0.1:{port}"
        for number in range(runs):
            database = work / f"bucket-{number}.sqlite"
            environment = settings(plan.environment, database)
            environment["CACHESCOPE_PUBLIC_ADDRESSES"] = f"{BASE_URL}={url}/"
            measure(cachescope("add", "--discover", url), environment)
            for name in (FIRST, UNCHANGED):
                measures.setdefault(name, []).append(measure(cachescope("sync"), environment))
                _tell(number, runs, name, measures[name][-1])
                expect_whole(environment, contents["records"])
            database_bytes = size_of(database)
            for name, one in _peers(plan, bucket, contents):
                _tell(number, runs, name, one)
                measures.setdefault(name, []).append(one)
    rows = tuple(Row(name, tuple(ones)) for name, ones in measures.items())
    return BucketFigures(rows, contents, database_bytes)


def _tell(number: int, runs: int, name: str, one: Measure) -> None:
    print(f"  {number + 1}/{runs} {name}: {one.seconds:.2f} s", flush=True)


def _peers(plan: Plan, bucket: Path, contents: Mapping[str, Any]) -> Iterator[tuple[str, Measure]]:
    indexes = "\n".join(str(bucket / mirror["url"].removeprefix(BASE_URL)) for mirror in contents["mirrors"])
    command = [sys.executable, "-c", f"import gc; gc.disable(); {_EACH.format('json')}"]
    yield JSON, measure(command, plan.environment, indexes)
    if plan.python is not None:
        command = [str(plan.python), "-c", _EACH.format("orjson")]
        yield ORJSON, measure(command, plan.environment, indexes)


def block(plan: Plan, figures: BucketFigures) -> Iterator[str]:
    """Yield the lines of the table."""
    contents = figures.contents
    rows = {row.name: row for row in figures.rows}
    compared = [rows[name] for name in (JSON, ORJSON, FIRST) if name in rows]
    yield (
        f"{len(contents['mirrors']):,} mirrors, {contents['records']:,} records, {contents['distinct']:,} distinct specs,"
        f" {contents['bytes'] / MIB:,.0f} MiB of JSON; rounds: {len(figures.rows[0].runs)}."
    )
    yield ""
    yield "| process | median s | fastest to slowest | user+sys s | peak MiB |" + "".join(
        f" of {row.name} |" for row in compared
    )
    yield "|---|--:|--:|--:|--:|" + "--:|" * len(compared)
    for row in figures.rows:
        fastest, slowest = row.range
        cells = [row.name, f"{row.seconds:.2f}", f"{fastest:.2f} to {slowest:.2f}", f"{row.cpu_seconds:.2f}"]
        cells += [f"{row.peak_bytes / MIB:.0f}", *(f"{row.seconds / peer.seconds:.2f}" for peer in compared)]
        yield f"| {' | '.join(cells)} |"
    yield ""
    size = figures.database_bytes
    yield (
        f"Database: {size / MIB:,.1f} MiB, {size / contents['distinct']:.0f} bytes a distinct spec, {size / contents['records']:.0f}"
        f" a record, {size / contents['bytes']:.3f} of the JSON."
    )
    yield from not_measured({"orjson": None if plan.python else NO_PYTHON})
